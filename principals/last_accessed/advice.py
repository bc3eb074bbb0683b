"""Which policies of a user, group or role allow what was not used, and the calls that take it away.

A policy of its own holds for it alone, a group's for its members; a managed policy may be others' too, so what is taken from it is what none
of them used, by a report about the policy itself. AWS's managed policies cannot be changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from console.aws_calls import pages
from console.linediff import DiffLine
from keys import call
from keys.policy import policy_document
from principals.last_accessed.tighten import Tightened, tightened

DAYS = 90
KINDS = {"users": "user", "groups": "group", "roles": "role"}
INLINE = "inline:"
_MOST_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class Report:
    """`tracked`: when each action that is allowed ("kms:Decrypt") was last asked for, None if never."""

    made: datetime
    services: list[dict[str, Any]]
    tracked: dict[str, datetime | None]

    @property
    def used(self) -> set[str]:
        since = self.made - timedelta(days=DAYS)
        return {action for action, when in self.tracked.items() if when is not None and when > since}

    @property
    def known(self) -> set[str]:
        return {action.partition(":")[0] for action in self.tracked}


@dataclass(frozen=True, slots=True)
class Owner:
    """`kind`: as in addresses ("users")."""

    iam: Any
    kind: str
    name: str

    @property
    def word(self) -> str:
        return KINDS[self.kind]

    @property
    def which(self) -> dict[str, str]:
        return {f"{self.word.capitalize()}Name": self.name}


@dataclass(frozen=True, slots=True)
class Advice:
    """`policy`: its name after "inline:", or its ARN. `others`: who else has it, in words by kind ("user", "bob"). Where nothing is left
    of an inline policy it is deleted, a managed one is detached."""

    policy: str
    before: str
    tightened: Tightened
    others: list[tuple[str, str]] = field(default_factory=list)
    calls: list[call.Call] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.policy.removeprefix(INLINE) if self.inline else self.policy.rpartition("/")[2]

    @property
    def inline(self) -> bool:
        return self.policy.startswith(INLINE)

    @property
    def diff(self) -> list[DiffLine]:
        after = self.tightened.document
        if after is None:
            return [DiffLine("-", line) for line in policy_document.pretty(self.before).splitlines()]
        return policy_document.difference(self.before, json.dumps(after))


def arn_of(owner: Owner) -> str:
    return str(getattr(owner.iam, f"get_{owner.word}")(**owner.which)[owner.word.capitalize()]["Arn"])


def begin(iam: Any, arn: str) -> str:
    """The job of a new report."""
    return str(iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"])


def report(iam: Any, job: str) -> Report:
    services: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:  # boto3 has no paginator for it
        found = iam.get_service_last_accessed_details(JobId=job, **more)
        services += found["ServicesLastAccessed"]
        if not found.get("IsTruncated"):
            break
        more = {"Marker": found["Marker"]}
    tracked = {
        f"{each['ServiceNamespace']}:{action['ActionName']}": action.get("LastAccessedTime")
        for each in services
        for action in each.get("TrackedActionsLastAccessed", ())
    }
    return Report(found["JobCreationDate"], services, tracked)


def of_all(owner: Owner, found: Report) -> list[Advice]:
    """By the owner's own uses; of a managed policy others may have used more."""
    attached = pages(owner.iam, f"list_attached_{owner.word}_policies", "AttachedPolicies", **owner.which)
    names = pages(owner.iam, f"list_{owner.word}_policies", "PolicyNames", **owner.which)
    policies = [
        *(f"{INLINE}{name}" for name in names),
        *(each["PolicyArn"] for each in attached if ":iam::aws:" not in each["PolicyArn"]),
    ]
    return [advice for each in policies if (advice := of_one(owner, each, found)).tightened.removed]


def of_one(owner: Owner, policy: str, found: Report) -> Advice:
    if policy.startswith(INLINE):
        return _inline(owner, policy, found)
    iam = owner.iam
    version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
    advice = tightened(document, found.used, found.known)
    if advice.document is None:
        calls: list[call.Call] = [(f"Detach{owner.word.capitalize()}Policy", {**owner.which, "PolicyArn": policy})]
    else:
        text = json.dumps(advice.document, indent=2)
        create = {"PolicyArn": policy, "PolicyDocument": text, "SetAsDefault": True}
        calls = [*_room(iam, policy), ("CreatePolicyVersion", create)]
    return Advice(policy, json.dumps(document), advice, _others(owner, policy), calls)


def _inline(owner: Owner, policy: str, found: Report) -> Advice:
    which, word = {**owner.which, "PolicyName": policy.removeprefix(INLINE)}, owner.word
    document = getattr(owner.iam, f"get_{word}_policy")(**which)["PolicyDocument"]
    advice = tightened(document, found.used, found.known)
    if advice.document is None:
        calls: list[call.Call] = [(f"Delete{word.capitalize()}Policy", which)]
    else:
        text = json.dumps(advice.document, indent=2)
        calls = [(f"Put{word.capitalize()}Policy", {**which, "PolicyDocument": text})]
    others = []
    if word == "group":
        members = pages(owner.iam, "get_group", "Users", **owner.which)
        others = [("user", str(each["UserName"])) for each in members]
    return Advice(policy, json.dumps(document), advice, others, calls)


def _others(owner: Owner, arn: str) -> list[tuple[str, str]]:
    """Who else has the policy."""
    found = [
        (word, str(each[f"{word.capitalize()}Name"]))
        for word in ("user", "group", "role")
        for each in pages(owner.iam, "list_entities_for_policy", f"Policy{word.capitalize()}s", PolicyArn=arn)
    ]
    return [each for each in found if each != (owner.word, owner.name)]


def _room(iam: Any, arn: str) -> list[call.Call]:
    """A policy has five versions: the oldest that is not in force makes room."""
    versions = pages(iam, "list_policy_versions", "Versions", PolicyArn=arn)
    if len(versions) < _MOST_VERSIONS:
        return []
    oldest = min((each for each in versions if not each["IsDefaultVersion"]), key=lambda each: each["CreateDate"])
    return [("DeletePolicyVersion", {"PolicyArn": arn, "VersionId": oldest["VersionId"]})]
