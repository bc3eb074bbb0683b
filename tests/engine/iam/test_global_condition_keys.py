"""The aws: condition keys that a request carries by who calls, how and when. Source: IAM User Guide, "AWS global condition context keys"."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.context import CallContext
from engine.iam.authorize import global_conditions
from engine.iam.principal import Principal
from tests.engine.iam.tables import (
    ACCOUNT,
    ALICE,
    ALICE_ARN,
    ALICE_ID,
    ANYBODY,
    ROLE,
    ROLE_ARN,
    ROLE_ID,
    ROOT,
    ROOT_USER,
    S3,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY_S3 = replace(ALICE, invoked_by="s3.amazonaws.com", source_arn=f"arn:aws:s3:us-east-1:{ACCOUNT}:bucket/b")
S3_FOR_BUCKET = replace(S3, source_arn="arn:aws:s3:::b")


def session(**facts: Any) -> Principal:
    assert ROLE.session is not None
    return replace(ROLE, session=replace(ROLE.session, created=NOW - timedelta(minutes=10), **facts))


def carried(who: Principal, *, secure: bool = False) -> dict[str, Any]:
    context = CallContext(
        account_id=who.account_id,
        region="us-east-1",
        service="kms",
        operation="Encrypt",
        principal=who,
        now=NOW,
        request_id="r",
        event_id="e",
        source_ip="203.0.113.7",
        user_agent="aws-cli/2",
        secure=secure,
    )
    return global_conditions(context)


# who calls → (keys and their values; None: the key is not there)
# fmt: off
CARRIED: list[tuple[str, Principal, dict[str, Any]]] = [
    ("a user", ALICE, {
        "aws:principalarn": ALICE_ARN, "aws:principalaccount": ACCOUNT, "aws:principaltype": "User", "aws:userid": ALICE_ID,
        "aws:username": "alice", "aws:principaltag/team": "blue", "aws:principalisawsservice": "false", "aws:viaawsservice": "false",
        "aws:sourceip": "203.0.113.7", "aws:useragent": "aws-cli/2", "aws:requestedregion": "us-east-1",
        "aws:currenttime": "2026-03-01T12:00:00Z", "aws:epochtime": "1772366400", "aws:securetransport": "false",
        "aws:multifactorauthpresent": None, "aws:multifactorauthage": None, "aws:tokenissuetime": None, "aws:sourceidentity": None,
        "aws:calledvia": None, "aws:sourcearn": None, "aws:sourceaccount": None, "aws:principalservicename": None}),
    ("a role's session", session(source_identity="ann"), {
        "aws:principalarn": ROLE_ARN, "aws:principaltype": "AssumedRole", "aws:userid": f"{ROLE_ID}:one", "aws:username": None,
        "aws:multifactorauthpresent": "false", "aws:multifactorauthage": None, "aws:tokenissuetime": "2026-03-01T11:50:00Z",
        "aws:sourceidentity": "ann"}),
    ("a session with MFA", session(mfa=True), {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "600"}),
    ("the account's root", ROOT_USER, {
        "aws:principalarn": ROOT, "aws:principaltype": "Account", "aws:userid": ACCOUNT, "aws:username": None}),
    ("a service for a user", BY_S3, {
        "aws:principalarn": ALICE_ARN, "aws:username": "alice", "aws:viaawsservice": "true", "aws:calledvia": ("s3.amazonaws.com",),
        "aws:calledviafirst": "s3.amazonaws.com", "aws:calledvialast": "s3.amazonaws.com", "aws:sourceip": None,
        "aws:principalisawsservice": "false", "aws:sourcearn": f"arn:aws:s3:us-east-1:{ACCOUNT}:bucket/b", "aws:sourceaccount": ACCOUNT}),
    ("a service itself", S3_FOR_BUCKET, {
        "aws:principaltype": "AWSService", "aws:principalisawsservice": "true", "aws:principalservicename": "s3.amazonaws.com",
        "aws:viaawsservice": "false", "aws:calledvia": None, "aws:principalarn": None, "aws:userid": None, "aws:sourceip": None,
        "aws:sourcearn": "arn:aws:s3:::b", "aws:sourceaccount": None}),
    ("nobody known", ANYBODY, {"aws:principaltype": "Anonymous", "aws:principalarn": None, "aws:username": None}),
]
# fmt: on


@pytest.mark.parametrize(("who", "expected"), [row[1:] for row in CARRIED], ids=[row[0] for row in CARRIED])
def test_the_keys_of_a_request(who: Principal, expected: dict[str, Any]) -> None:
    found = carried(who)
    assert {name: found.get(name) for name in expected} == expected


def test_transport_is_secure_when_the_request_came_by_tls() -> None:
    assert carried(ALICE, secure=True)["aws:securetransport"] == "true"
