"""Principals of stored policies, held to who they were: AWS keeps unique IDs, not names, so a user made anew under an old name is another.

`pins` are {ARN as written: unique ID}, made when a key policy, trust policy or grant is stored. A decision is made by the ID; what is
shown is the ARN the user or role has now, or its ID once it is gone. Source: IAM User Guide, "AWS JSON policy elements: Principal".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.iam.models import Account, Role, User
from engine.iam.policy import CompiledPolicy, parse

_USER_OR_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(user|role)(/.+)")
_SESSION = re.compile(r"arn:aws[a-z-]*:sts::\d{12}:(assumed-role/[^/]+/.+|federated-user/.+)")
_SERVICE = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){2,}")  # as ec2.amazonaws.com
_UNIQUE_ID = re.compile(r"A(?:IDA|ROA)[A-Z0-9]+")
_TABLES: dict[str, type[User] | type[Role]] = {"user": User, "role": Role}


class UnknownPrincipal(LookupError):
    """What can be no principal (a group), or a user, role or unique ID that nobody here has; `args` is it as written, and what it is."""

    def __init__(self, name: str, kind: str = "AWS") -> None:
        super().__init__(name, kind)


def is_unique_id(name: str) -> bool:
    """Whether it has the form of a user's or role's unique ID."""
    return _UNIQUE_ID.fullmatch(name) is not None


def pin(names: Iterable[str]) -> dict[str, str]:
    """The unique IDs of those `names` that are ARNs of users and roles here. Principals of other accounts are taken on trust.

    Raises UnknownPrincipal.
    """
    pins: dict[str, str] = {}
    for name in sorted(names):
        if is_unique_id(name):
            if not arns_of([name]):
                raise UnknownPrincipal(name)
            continue
        match = _USER_OR_ROLE.fullmatch(name)
        if match is None:
            continue
        account_id, kind, path_and_name = match.groups()
        path, _, short = path_and_name.rpartition("/")
        row = _TABLES[kind].objects.filter(account_id=account_id, path=path + "/", name=short).first()
        if row is not None:
            pins[name] = row.unique_id
        elif Account.objects.filter(account_id=account_id).exists():
            raise UnknownPrincipal(name)
    return pins


def pin_policy(policy: CompiledPolicy) -> dict[str, str]:
    """The pins of every principal that a policy names. Raises UnknownPrincipal.

    Users, roles and sessions can be named, groups cannot. Source: IAM User Guide, "AWS JSON policy elements: Principal".
    """
    named = [statement.principals for statement in policy.statements if statement.principals]
    names = {name for each in named for name in each.names}
    for name in sorted(names):
        if not (is_unique_id(name) or _USER_OR_ROLE.fullmatch(name) or _SESSION.fullmatch(name)):
            raise UnknownPrincipal(name)
    for service in sorted(service for each in named for service in each.services):
        if _SERVICE.fullmatch(service) is None:
            raise UnknownPrincipal(service, "SERVICE")
    return pin(names)


def arns_of(unique_ids: Iterable[str]) -> dict[str, str]:
    """The ARNs that these users and roles have now; those that are gone are left out."""
    wanted = list(unique_ids)
    return {row.unique_id: row.arn for table in _TABLES.values() for row in table.objects.filter(unique_id__in=wanted)}


def shown(text: str, pins: Mapping[str, str]) -> str:
    """A stored policy as it is shown now: untouched, unless one of its principals was renamed or is gone."""
    now = arns_of(pins.values()) if pins else {}
    changed = {name: now.get(unique_id, unique_id) for name, unique_id in pins.items()}
    changed = {name: new for name, new in changed.items() if new != name}
    if not changed:
        return text
    document = parse(text)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for member in ("Principal", "NotPrincipal"):
            _replace(statement.get(member), changed)
    return json.dumps(document, indent=2)


def _replace(principals: Any, changed: Mapping[str, str]) -> None:
    if isinstance(principals, dict) and "AWS" in principals:
        named = principals["AWS"]
        principals["AWS"] = (
            [changed.get(name, name) for name in named] if isinstance(named, list) else changed.get(named, named)
        )
