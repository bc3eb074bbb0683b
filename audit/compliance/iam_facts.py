"""What IAM's API tells of an account, read once a page: every policy with who has it, roles with their last use, and the credential report.

As the signed-in principal, by GetAccountAuthorizationDetails, GenerateCredentialReport and GetCredentialReport. Raises ClientError.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from console.request import ConsoleRequest, kept
from engine.public.decision import CompiledPolicy, MalformedPolicy, compile_policy
from keys import account_principals, permissions, service

_KINDS = (("user", "UserDetailList"), ("group", "GroupDetailList"), ("role", "RoleDetailList"))
_NONE = ("", "N/A", "no_information", "not_supported")  # how the credential report says that there is no time


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """A policy and whose it is: an inline one's user, group or role (`kind`, `name`), or a managed one itself (kind "policy", its ARN).
    `attached`: how many users, groups and roles have it; `boundary`: whether it is only somebody's permissions boundary."""

    kind: str
    name: str
    arn: str
    label: str
    compiled: CompiledPolicy
    customer: bool = True
    attached: int = 0
    boundary: bool = False

    @property
    def inline(self) -> bool:
        return self.kind != "policy"


@dataclass(frozen=True, slots=True)
class RoleUse:
    name: str
    arn: str
    path: str
    created: datetime
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class IamFacts:
    """`problems`: policies that could not be understood."""

    policies: Sequence[WrittenPolicy]
    roles: Sequence[RoleUse]
    problems: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class CredentialLine:
    """A user's line of the credential report, or the root user's ("<root_account>")."""

    user: str
    arn: str
    values: Mapping[str, str]

    @property
    def is_root(self) -> bool:
        return self.user == "<root_account>"

    def is_on(self, name: str) -> bool:
        return self.values.get(name) == "true"

    def time(self, name: str) -> datetime | None:
        text = self.values.get(name, "")
        return None if text in _NONE else datetime.fromisoformat(text)

    def access_keys(self) -> Iterator[tuple[int, datetime | None, datetime | None]]:
        """(number, when it was made, when it was last used) of the active ones."""
        for number in (1, 2):
            if self.is_on(f"access_key_{number}_active"):
                last_used = self.time(f"access_key_{number}_last_used_date")
                yield number, self.time(f"access_key_{number}_last_rotated"), last_used


def account(request: ConsoleRequest) -> IamFacts:
    found: IamFacts | None = kept(request).get("compliance_iam")
    if found is None:
        account_principals.require_known(request)
        details: dict[str, list[Any]] = {name: [] for name in (*(each for _kind, each in _KINDS), "Policies")}
        reader = service.client(request, "iam").get_paginator("get_account_authorization_details")
        for page in reader.paginate(PaginationConfig={"PageSize": 1000}):
            for member, each in details.items():
                each += page.get(member, [])
        found = kept(request)["compliance_iam"] = _facts(details)
    return found


def credential_report(request: ConsoleRequest) -> tuple[datetime, Sequence[CredentialLine]]:
    """When the report was made (IAM keeps one for four hours), and its lines."""
    found: tuple[datetime, Sequence[CredentialLine]] | None = kept(request).get("compliance_credentials")
    if found is None:
        account_principals.require_known(request)
        answer = _report(request)
        rows = csv.DictReader(io.StringIO(answer["Content"].decode()))
        lines = [CredentialLine(row["user"], row["arn"], row) for row in rows]
        found = kept(request)["compliance_credentials"] = (answer["GeneratedTime"], lines)
    return found


def _report(request: ConsoleRequest) -> dict[str, Any]:
    """GetCredentialReport's answer. The report is made only where there is none, or it is too old: that is a change, and is recorded."""
    iam = service.client(request, "iam")
    try:
        found: dict[str, Any] = iam.get_credential_report()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ReportNotPresent", "ReportExpired"):
            raise
        _ask(request, "iam:GenerateCredentialReport")
        iam.generate_credential_report()
        found = iam.get_credential_report()
    return found


def _ask(request: ConsoleRequest, action: str) -> None:
    """For a call that is no read: a page that is looked at does not attempt what is not allowed. Raises ClientError."""
    if refused := permissions.refusal(request, action):
        raise permissions.as_error(refused, action)


def _facts(details: Mapping[str, list[Any]]) -> IamFacts:
    policies: list[WrittenPolicy] = []
    problems: list[str] = []
    attached: dict[str, int] = {}
    for kind, member in _KINDS:
        word = kind.capitalize()
        for entry in details[member]:
            name = entry[f"{word}Name"]
            for each in entry.get("AttachedManagedPolicies", ()):
                attached[each["PolicyArn"]] = attached.get(each["PolicyArn"], 0) + 1
            for inline in entry.get(f"{word}PolicyList", ()):
                label = f"{inline['PolicyName']} ({kind} {name})"
                if compiled := _compiled(inline["PolicyDocument"], label, problems):
                    arn = f"{entry['Arn']}#{inline['PolicyName']}"
                    policies.append(WrittenPolicy(kind, name, arn, label, compiled, attached=1))
    for policy in details["Policies"]:
        arn, label = policy["Arn"], policy["PolicyName"]
        version = next((each for each in policy.get("PolicyVersionList", ()) if each["IsDefaultVersion"]), None)
        if version is not None and (compiled := _compiled(version["Document"], label, problems)):
            policies.append(
                WrittenPolicy(
                    "policy",
                    arn,
                    arn,
                    label,
                    compiled,
                    customer=":iam::aws:" not in arn,
                    attached=attached.get(arn, 0),
                    boundary=not attached.get(arn) and bool(policy.get("PermissionsBoundaryUsageCount")),
                )
            )
    roles = [
        RoleUse(
            each["RoleName"],
            each["Arn"],
            each["Path"],
            each["CreateDate"],
            each.get("RoleLastUsed", {}).get("LastUsedDate"),
        )
        for each in details["RoleDetailList"]
    ]
    return IamFacts(policies, roles, problems)


def _compiled(document: Any, label: str, problems: list[str]) -> CompiledPolicy | None:
    text = document if isinstance(document, str) else json.dumps(document)
    try:
        return compile_policy(text, name=label, kind="identity")
    except MalformedPolicy as reason:
        problems.append(f"{label}: {reason.reason}")
        return None
