"""Who could do what with a key at a moment: the decision function over the key policy, grants and IAM policies of then.

Principals that a key policy or grant names are held to who they were when it was stored, as the engine holds them: by unique ID.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from console.request import ConsoleRequest
from engine.public.decision import CompiledPolicy, compile_policy
from engine.public.key_policies import default_key_policy
from keys import service
from keys.evaluator import key_view, past_principals, principal_directory
from keys.evaluator.key_view import KeyView
from keys.evaluator.past_principals import PastPrincipals
from keys.evaluator.principal_directory import PrincipalDirectory
from keys.record import iam_events
from keys.record.iam_events import PastAccount, PastEntity
from keys.record.snapshots import GrantSnapshot, KeySnapshot

_AWS = ":iam::aws:"
_KEPT = 16
_SETTLED = timedelta(minutes=1)  # what is younger may still get records
_lock = threading.Lock()
_directories: dict[tuple[str, datetime, bool], PrincipalDirectory] = {}


@dataclass(frozen=True, slots=True)
class PastAccess:
    """The principals then: as decisions take them, and as they were."""

    people: PrincipalDirectory
    principals: PastPrincipals


def read(request: ConsoleRequest, moment: datetime) -> PastAccess:
    """Raises ClientError, HistoryBeingRead."""
    found = past_principals.read(request, moment)
    where = (found.account_id, moment, not found.base_problem)
    with _lock:
        people = _directories.get(where)
    if people is None:
        people = _directory(request, found, moment)
        if moment < service.record_now(request) - _SETTLED:
            with _lock:
                while len(_directories) >= _KEPT:
                    _directories.pop(next(iter(_directories)))
                _directories[where] = people
    return PastAccess(people, found)


def _directory(request: ConsoleRequest, found: PastPrincipals, moment: datetime) -> PrincipalDirectory:
    needed = {arn for each in found.account.entities.values() for arn in (*each.attached, each.boundary) if _AWS in arn}
    aws = {arn: past_principals.policy_document(request, arn, moment) for arn in sorted(needed)}
    people = principal_directory.from_details(found.account_id, details(found.account, aws))
    return replace(people, problems=(*found.notes, *people.problems))


def details(account: PastAccount, aws: Mapping[str, str]) -> dict[str, list[Any]]:
    """As GetAccountAuthorizationDetails answers. `aws`: texts of AWS's own policies, by ARN. Pure."""
    groups = {each.name.lower(): each.name for each in account.of(iam_events.GROUP)}
    policies = [_policy(arn, arn.rpartition("/")[2], text) for arn, text in aws.items() if text]
    policies += [_policy(each.arn, each.name, each.document) for each in account.of(iam_events.POLICY) if each.document]
    return {
        "UserDetailList": [
            {**_owner(each, "User"), "GroupList": sorted(groups[g.lower()] for g in each.groups if g.lower() in groups)}
            for each in account.of(iam_events.USER)
        ],
        "GroupDetailList": [_owner(each, "Group") for each in account.of(iam_events.GROUP)],
        "RoleDetailList": [
            {**_owner(each, "Role"), "AssumeRolePolicyDocument": each.trust} for each in account.of(iam_events.ROLE)
        ],
        "Policies": policies,
    }


def _policy(arn: str, name: str, text: str) -> dict[str, Any]:
    return {"Arn": arn, "PolicyName": name, "PolicyVersionList": [{"Document": text, "IsDefaultVersion": True}]}


def _owner(each: PastEntity, word: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        f"{word}Name": each.name,
        f"{word}Id": each.unique_id,
        "Arn": each.arn,
        f"{word}PolicyList": [
            {"PolicyName": name, "PolicyDocument": text} for name, text in sorted(each.inline.items()) if text
        ],
        "AttachedManagedPolicies": [{"PolicyArn": arn} for arn in sorted(each.attached)],
        "Tags": [{"Key": name, "Value": value} for name, value in each.tags.items()],
    }
    if each.boundary:
        made["PermissionsBoundary"] = {"PermissionsBoundaryArn": each.boundary}
    return made


def policy_text(key: KeySnapshot) -> str:
    _arn, partition, _kms, _region, account_id, _key = key.arn.split(":", 5)
    return key.policy or default_key_policy(account_id, partition)


def view(key: KeySnapshot, account: PastAccount) -> KeyView:
    """The key's side of a decision. Raises MalformedPolicy."""
    metadata: dict[str, Any] = {
        "KeyId": key.key_id,
        "Arn": key.arn,
        "AWSAccountId": key.arn.split(":")[4],
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        "Origin": key.origin,
    }
    if key.regionality != "SINGLE":
        metadata |= {"MultiRegion": True, "MultiRegionConfiguration": {"MultiRegionKeyType": key.regionality}}
    text = policy_text(key)
    made = key_view.make(metadata, text, (), key.tags, [f"alias/{name}" for name in key.aliases], key.grants_known)
    return replace(
        made,
        policy=_pinned(text, made.policy, account, key.policy_number),
        grants=tuple(_grant(each, key.arn, account) for each in key.grants),
    )


def _pinned(text: str, policy: CompiledPolicy, account: PastAccount, number: float) -> CompiledPolicy:
    named = {name for each in policy.statements if each.principals is not None for name in each.principals.names}
    pins = _ids(named, account, number)
    if not pins:
        return policy
    return compile_policy(text, name="key policy", kind="resource", pins=tuple(sorted(pins.items())))


def _ids(named: Iterable[str], account: PastAccount, number: float) -> dict[str, str]:
    found = {name: account.id_at(name, number) for name in named}
    return {name: unique_id for name, unique_id in found.items() if unique_id}


def _grant(each: GrantSnapshot, arn: str, account: PastAccount) -> Any:
    made = key_view.grant_view(each.grant, arn)
    return replace(made, grantee_id=account.id_at(made.grantee, each.number))
