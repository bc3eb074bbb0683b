"""Quotas and the rules between accounts and partitions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.kms_operations import CROSS_ACCOUNT
from tests.conftest import TestAccount
from tests.engine.kms.contract import METHODS, MODEL, refusal


def test_a_key_has_fifty_aliases(account: TestAccount) -> None:
    kms, one, other = account.client(), account.create_key(), account.create_key()
    for number in range(50):
        kms.create_alias(AliasName=f"alias/a{number}", TargetKeyId=one)
    kms.create_alias(AliasName="alias/other", TargetKeyId=other)
    assert refusal(kms.create_alias, AliasName="alias/a50", TargetKeyId=one)[0] == "LimitExceededException"
    assert refusal(kms.update_alias, AliasName="alias/other", TargetKeyId=one)[0] == "LimitExceededException"
    kms.update_alias(AliasName="alias/a0", TargetKeyId=one)
    pages = kms.get_paginator("list_aliases").paginate(KeyId=one, PaginationConfig={"PageSize": 20})
    assert len([alias for page in pages for alias in page["Aliases"]]) == 50


def test_a_key_has_fifty_tags(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key(Tags=[{"TagKey": f"t{number}", "TagValue": ""} for number in range(50)])
    more = {"TagKey": "t50", "TagValue": ""}
    assert refusal(kms.tag_resource, KeyId=key_id, Tags=[more])[0] == "LimitExceededException"
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "t0", "TagValue": "changed"}])


def test_a_policy_has_32_kilobytes(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    policy = json.loads(kms.get_key_policy(KeyId=key_id)["Policy"])
    text = json.dumps(policy)
    kms.put_key_policy(KeyId=key_id, Policy=text + " " * (32768 - len(text)))
    too_long = text + " " * (32769 - len(text))
    assert refusal(kms.put_key_policy, KeyId=key_id, Policy=too_long)[0] == "LimitExceededException"
    assert refusal(kms.create_key, Policy=too_long)[0] == "LimitExceededException"


def test_shared_keys_are_asked_for_apart_and_there_are_none(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    assert kms.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []
    for owners in (["SELF"], ["SELF", "OTHER_ACCOUNTS_VIA_RAM"]):
        assert [key["KeyId"] for key in kms.list_keys(ResourceOwners=owners)["Keys"]] == [key_id]


# --- accounts


def test_the_operations_across_accounts_are_those_of_the_api_reference() -> None:
    found = set()
    for name in MODEL.operation_names:
        words = re.sub("<[^>]+>", "", MODEL.operation_model(name).documentation)
        if re.search(r"Cross-account use:\s*Yes", words):
            found.add(name)
    assert found == CROSS_ACCOUNT


@pytest.fixture
def shared(account: TestAccount, other_account: TestAccount) -> tuple[Any, str]:
    """Another account's administrator, and the ARN of a key whose policy gives that account everything."""
    key = account.client().create_key()["KeyMetadata"]
    policy = json.loads(account.client().get_key_policy(KeyId=key["KeyId"])["Policy"])
    policy["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": other_account.root_arn}, "Action": "kms:*", "Resource": "*"}
    )
    account.client().put_key_policy(KeyId=key["KeyId"], Policy=json.dumps(policy))
    return other_account.client(), key["Arn"]


@pytest.mark.parametrize(
    ("operation", "rest"),
    [
        ("EnableKey", {}),
        ("ScheduleKeyDeletion", {}),
        ("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        ("ListResourceTags", {}),
        ("GetKeyPolicy", {}),
        ("PutKeyPolicy", {"Policy": "{}"}),
        ("UpdateKeyDescription", {"Description": "theirs"}),
        ("RotateKeyOnDemand", {}),
        ("ListKeyRotations", {}),
        ("GetKeyLastUsage", {}),
    ],
)
def test_what_belongs_to_the_owner_is_not_done_by_others_whatever_policies_say(
    shared: tuple[Any, str], operation: str, rest: dict[str, Any]
) -> None:
    theirs, arn = shared
    code, message = refusal(getattr(theirs, METHODS[operation]), KeyId=arn, **rest)
    assert code == "AccessDeniedException"
    assert message.endswith(
        f"is not authorized to perform: kms:{operation} on resource: {arn} "
        f"because no resource-based policy allows the kms:{operation} action"
    )


def test_what_others_may_do_they_do_by_the_arn(shared: tuple[Any, str], account: TestAccount) -> None:
    theirs, arn = shared
    assert theirs.describe_key(KeyId=arn)["KeyMetadata"]["AWSAccountId"] == account.account_id
    assert theirs.get_key_rotation_status(KeyId=arn)["KeyId"] == arn
    made = theirs.create_grant(KeyId=arn, GranteePrincipal=account.root_arn, Operations=["Encrypt"])
    assert [each["GrantId"] for each in theirs.list_grants(KeyId=arn)["Grants"]] == [made["GrantId"]]
    theirs.revoke_grant(KeyId=arn, GrantId=made["GrantId"])
    blob = theirs.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert theirs.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    account.client().create_alias(AliasName="alias/shared", TargetKeyId=arn)
    alias = arn.rpartition(":")[0] + ":alias/shared"
    assert theirs.generate_data_key(KeyId=alias, KeySpec="AES_256")["KeyId"] == arn
    assert refusal(theirs.encrypt, KeyId=arn.rpartition("/")[2], Plaintext=b"x")[0] == "NotFoundException"
    assert refusal(theirs.create_alias, AliasName="alias/theirs", TargetKeyId=arn)[0] == "AccessDeniedException"


# --- partitions


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_carry_the_partition_of_their_region(account: TestAccount, region: str, partition: str) -> None:
    kms = account.client(region=region)
    key = kms.create_key()["KeyMetadata"]
    assert key["Arn"] == f"arn:{partition}:kms:{region}:{account.account_id}:key/{key['KeyId']}"
    kms.create_alias(AliasName="alias/here", TargetKeyId=key["Arn"])
    alias = f"arn:{partition}:kms:{region}:{account.account_id}:alias/here"
    assert kms.encrypt(KeyId=alias, Plaintext=b"x")["KeyId"] == key["Arn"]
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"] == f"arn:{partition}:iam::{account.account_id}:root"


def test_a_key_is_not_replicated_out_of_its_partition(account: TestAccount) -> None:
    key_id = account.create_key(MultiRegion=True)
    for region in ("cn-north-1", "us-east-1", "xx-nowhere-1"):
        assert refusal(account.client().replicate_key, KeyId=key_id, ReplicaRegion=region)[0] == "ValidationException"
    account.client().replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    assert refusal(account.client().replicate_key, KeyId=key_id, ReplicaRegion="eu-west-1")[0] == (
        "AlreadyExistsException"
    )


def test_sm2_is_for_china_and_not_available_there_yet(account: TestAccount) -> None:
    kms = account.client(region="cn-north-1")
    code, message = refusal(kms.create_key, KeySpec="SM2", KeyUsage="SIGN_VERIFY")
    assert code == "UnsupportedOperationException"
    assert message == "KeySpec SM2 is not available here: SM2 is not in the cryptography package."
