"""The account's users, groups, roles and policies as they were at a moment, read as the signed-in principal.

It takes kmsconsole:ReadRecord, and iam:GetAccountAuthorizationDetails for what is older than the record: where that is refused, only
principals that the record created are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.evaluator import principal_directory
from keys.record import history, iam_base, iam_events
from keys.record.iam_events import PastAccount

_MEMBERS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


@dataclass(frozen=True, slots=True)
class PastPrincipals:
    """`base_problem` says why nothing older than the record is told, "" where it is; `whole` is False where the endpoint has more events
    than were read; `account_id` is whose IAM it is."""

    account: PastAccount
    account_id: str
    begins: datetime | None
    whole: bool = True
    base_problem: Any = ""

    @property
    def notes(self) -> list[str]:
        return self.account.notes


def read(request: ConsoleRequest, moment: datetime) -> PastPrincipals:
    """Raises ClientError if the principal may not read the record, and at an endpoint whose principals nobody knows; HistoryBeingRead."""
    principal_directory.require_known(request)
    found = history.of_principals(request, moment)
    account_id = service.account_id(request)
    details, problem = optional(lambda: _details(request))
    entities = iam_base.before_the_record(account_id, details or {}, found.records, moment)
    entities = {key: each for key, each in entities.items() if each.created is None or each.created <= moment}
    return PastPrincipals(
        iam_events.replay(entities, found.records, moment), account_id, found.begins, found.whole, problem
    )


def _details(request: ConsoleRequest) -> dict[str, list[Any]]:
    details: dict[str, list[Any]] = {member: [] for member in _MEMBERS}
    paginator = service.client(request, "iam").get_paginator("get_account_authorization_details")
    for page in paginator.paginate(PaginationConfig={"PageSize": 1000}):
        for member, found in details.items():
            found += page.get(member, [])
    return details


def policy_document(request: ConsoleRequest, arn: str, moment: datetime) -> str:
    """The text of a policy of AWS's own then: of the newest of its versions up to the moment. "" where it may not be read."""
    iam = service.client(request, "iam")

    def text() -> str:
        versions = service.pages(iam, "list_policy_versions", "Versions", PolicyArn=arn)
        then = [each for each in versions if each["CreateDate"] <= moment] or versions
        newest = max(then, key=lambda each: each["CreateDate"])
        found = iam.get_policy_version(PolicyArn=arn, VersionId=newest["VersionId"])["PolicyVersion"]["Document"]
        return iam_events.text_of(found)

    try:
        return text()
    except ClientError as error:
        if not service.denied(error) and error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return ""
