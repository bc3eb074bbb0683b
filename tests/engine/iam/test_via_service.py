"""AWS services that use keys: for a user (forward access), or as themselves. What kms:ViaService and its relatives then say.

Source: KMS Developer Guide, "kms:ViaService" and "AWS managed keys"; IAM User Guide, "Forward access sessions".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.context import CallContext
from engine.iam import credentials
from engine.iam.principal import Principal
from engine.kms.operations import OPERATIONS
from engine.store import cache
from engine.wire.errors import AWSError
from tests.conftest import TestAccount, TestUser, new_account

S3, EC2 = "s3.amazonaws.com", "ec2.amazonaws.com"
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(prepared: Path) -> tuple[TestAccount, TestUser, str]:
    """An account, a user ann who may do nothing yet, and a key that trusts the account."""
    account = new_account()
    return account, account.create_user("ann"), account.create_key()


def of(user: TestUser, service: str = "", source_arn: str = "") -> Principal:
    """The user, or a service that calls for it."""
    cache.synchronise()
    found = credentials.find(user.access_key_id, "").principal
    return replace(found, invoked_by=service, source_arn=source_arn)


def let_through(who: Principal, account: TestAccount, operation: str, **parameters: Any) -> bool:
    context = CallContext(
        account_id=who.account_id or account.account_id,
        region="us-east-1",
        service="kms",
        operation=operation,
        principal=who,
        now=datetime.now(UTC),
        request_id="r",
        event_id="e",
        source_ip="203.0.113.7",
        user_agent="test",
    )
    try:
        OPERATIONS[operation].run(context, parameters)
    except AWSError as reason:
        if reason.code != "AccessDeniedException":
            raise
        return False
    return True


def allow(account: TestAccount, condition: dict[str, Any], *actions: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions) or ["kms:*"], "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("iam").put_user_policy(UserName="ann", PolicyName="test", PolicyDocument=document)


VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


@pytest.mark.parametrize(
    ("condition", "direct", "by_s3", "by_ec2"),
    [
        (VIA_S3, False, True, False),
        ({"StringLike": {"kms:ViaService": ["ec2.*.amazonaws.com", "s3.*.amazonaws.com"]}}, False, True, True),
        ({"StringNotEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, True, False, True),
        ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}, False, False, False),
        ({"Bool": {"aws:ViaAWSService": "true"}}, False, True, True),
        ({"Bool": {"aws:ViaAWSService": "false"}}, True, False, False),
        ({"ForAnyValue:StringEquals": {"aws:CalledVia": [S3]}}, False, True, False),
        ({"StringEquals": {"aws:CalledViaFirst": S3}}, False, True, False),
        ({"StringEquals": {"aws:CalledViaLast": EC2}}, False, False, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True, False, False),
        ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True, True, True),
        ({"StringEquals": {"aws:username": "ann"}}, True, True, True),
    ],
)
def test_a_call_for_a_user_says_through_which_service(
    shop: tuple[TestAccount, TestUser, str], condition: dict[str, Any], direct: bool, by_s3: bool, by_ec2: bool
) -> None:
    account, ann, key = shop
    allow(account, condition)
    for service, expected in (("", direct), (S3, by_s3), (EC2, by_ec2)):
        assert let_through(of(ann, service), account, "Encrypt", KeyId=key, Plaintext=b"x") is expected


def test_an_aws_managed_key_is_used_through_its_service_only(shop: tuple[TestAccount, TestUser, str]) -> None:
    account, ann, _ = shop
    allow(account, {}, "kms:DescribeKey")
    account.client().describe_key(KeyId="alias/aws/s3")
    wanted = {"KeyId": "alias/aws/s3", "Plaintext": b"x"}
    assert let_through(of(ann, S3), account, "Encrypt", **wanted)
    assert not let_through(of(ann), account, "Encrypt", **wanted)
    assert not let_through(of(ann, EC2), account, "Encrypt", **wanted)


def test_a_grant_for_a_service_is_not_one_for_a_person(shop: tuple[TestAccount, TestUser, str]) -> None:
    account, ann, key = shop
    allow(account, {"Bool": {"kms:GrantIsForAWSResource": "true"}})
    wanted = {"KeyId": key, "GranteePrincipal": ann.arn, "Operations": ["Decrypt"], "DryRun": True}
    with pytest.raises(AWSError, match="DryRun"):
        let_through(of(ann, S3), account, "CreateGrant", **wanted)
    assert not let_through(of(ann), account, "CreateGrant", **wanted)


def key_for_service(account: TestAccount, condition: dict[str, Any]) -> str:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": S3},
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": condition,
        },
    ]
    return account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


@pytest.mark.parametrize(
    ("condition", "source_arn", "expected"),
    [
        ({}, "", True),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, "arn:aws:sns:us-east-1:111122223333:t", True),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, "arn:aws:sns:us-east-1:444455556666:t", False),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, "", False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::class-*"}}, "arn:aws:s3:::class-1", True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::class-*"}}, "arn:aws:s3:::other", False),
        ({"StringEquals": {"aws:PrincipalServiceName": S3}}, "", True),
        ({"Bool": {"aws:PrincipalIsAWSService": "true"}}, "", True),
        ({"Bool": {"aws:ViaAWSService": "true"}}, "", False),
    ],
)
def test_a_service_as_itself_says_for_which_resource(
    shop: tuple[TestAccount, TestUser, str], condition: dict[str, Any], source_arn: str, expected: bool
) -> None:
    account, _, _ = shop
    key = key_for_service(account, condition)
    who = Principal("service", account.account_id, "", "", invoked_by=S3, source_arn=source_arn)
    assert let_through(who, account, "Encrypt", KeyId=key, Plaintext=b"x") is expected
    other = replace(who, invoked_by=EC2)
    assert not let_through(other, account, "Encrypt", KeyId=key, Plaintext=b"x")
