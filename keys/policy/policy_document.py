"""Key policies as documents: the wizard's shape read back into who administers and who uses, and the difference of two texts. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from console import linediff
from console.linediff import DiffLine
from engine.public.decision import is_unicode
from keys.policy import policies

ADMINISTRATORS, USERS, ATTACHMENT = (
    "Allow access for Key Administrators",
    "Allow use of the key",
    "Allow attachment of persistent resources",
)


@dataclass(frozen=True, slots=True)
class DefaultView:
    """A key policy as the wizard writes it: `administrators` and `users` are ARNs, `accounts` other accounts' IDs."""

    administrators: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    administrators_delete: bool = True

    def text(self, key: Mapping[str, Any]) -> str:
        """The policy again, for a key (as DescribeKey has it)."""
        return policies.wizard_policy(
            key["AWSAccountId"],
            spec=key["KeySpec"],
            usage=key.get("KeyUsage", "ENCRYPT_DECRYPT"),
            origin=key["Origin"],
            multi_region=bool(key.get("MultiRegion")),
            administrators=self.administrators,
            users=self.users,
            other_accounts=self.accounts,
            administrators_delete=self.administrators_delete,
        )

    def changed(self, what: str, who: str, *, add: bool) -> DefaultView:
        """With somebody added to, or taken out of, one of administrators, users and accounts."""
        before = {"administrators": self.administrators, "users": self.users, "accounts": self.accounts}
        kept = tuple(each for each in before[what] if each != who)
        before[what] = (*kept, who) if add else kept
        return DefaultView(before["administrators"], before["users"], before["accounts"], self.administrators_delete)


def read_default_view(text: str, key: Mapping[str, Any]) -> tuple[DefaultView | None, str]:
    """(the view, "") of a policy that the wizard could have written for this key, or (None, why it could not)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None, _("it is not valid JSON")
    if not isinstance(document, dict):
        return None, _("it is not valid JSON")
    written = document.get("Statement", [])
    written = written if isinstance(written, list) else [written]
    by_sid = {statement.get("Sid", ""): statement for statement in written if isinstance(statement, dict)}
    everyone = _principals(by_sid.get(USERS))
    view = DefaultView(
        administrators=_principals(by_sid.get(ADMINISTRATORS)),
        users=tuple(arn for arn in everyone if not _account(arn)),
        accounts=tuple(_account(arn) for arn in everyone if _account(arn)),
        administrators_delete=ADMINISTRATORS not in by_sid
        or "kms:ScheduleKeyDeletion" in _strings(by_sid[ADMINISTRATORS].get("Action")),
    )
    wanted = json.loads(view.text(key))["Statement"]
    return (view, "") if not (reason := _difference(written, wanted)) else (None, reason)


def _strings(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _principals(statement: Any) -> tuple[str, ...]:
    principal = (statement or {}).get("Principal")
    return tuple(_strings(principal.get("AWS"))) if isinstance(principal, dict) else ()


def _account(arn: str) -> str:
    """The account ID of an account's root ARN (or of a bare ID); empty for anything else."""
    if arn.isdigit() and len(arn) == 12:
        return arn
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[5] == "root" else ""


def _difference(written: list[Any], wanted: list[dict[str, Any]]) -> str:
    """Why these statements are not the wizard's, as far as the first that differs; empty if they are."""
    expected = {statement["Sid"]: _normal(statement) for statement in wanted}
    seen: set[str] = set()
    for number, statement in enumerate(written, start=1):
        sid = statement.get("Sid", "") if isinstance(statement, dict) else ""
        name = sid or _("statement %(number)d") % {"number": number}
        if sid not in expected or sid in seen:
            return _("“%(name)s” is no statement that the default view writes") % {"name": name}
        seen.add(sid)
        if _normal(statement) != expected[sid]:
            return _("“%(name)s” says something else than the default view would write") % {"name": name}
    missing = [sid for sid in expected if sid not in seen]
    return _("it lacks the statement “%(name)s”") % {"name": missing[0]} if missing else ""


def _normal(value: Any) -> Any:
    """A policy's part without what makes no difference: order, and a list of one against its only member."""
    if isinstance(value, dict):
        return {name: _normal(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted({each if isinstance(each, str) else json.dumps(each, sort_keys=True) for each in value})
    return [value] if isinstance(value, str) else value


_DEEPEST = 32  # levels; no policy has as many, and writing a deep one with indents takes time by size × depth


def pretty(text: str) -> str:
    value = shallow_json(text)
    return text if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def shallow_json(text: str) -> Any:
    """The value that a JSON text writes; None where it is none, or one that no policy is like."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if _is_deep(value) or not is_unicode(value) else value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _level in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


def difference(older: str, newer: str) -> list[DiffLine]:
    return list(linediff.difference(pretty(older).splitlines(), pretty(newer).splitlines()))
