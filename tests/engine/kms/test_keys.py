"""Keys, identifiers, aliases, tags, policies: what boto3 gets back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from engine.kms.specs import SPECS
from tests.conftest import TestAccount

KMS = get_session().get_service_model("kms")
AVAILABLE = [
    (spec.name, usage) for spec in SPECS.values() if not spec.lacking and not spec.china_only for usage in spec.usages
]


def refusal(call: Any, *args: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(*args, **parameters)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_spec_table_has_exactly_the_specs_of_the_service_model() -> None:
    assert set(SPECS) == set(KMS.shape_for("KeySpec").enum)


def test_every_operation_of_the_service_model_has_a_row() -> None:
    from engine.kms.operations import OPERATIONS

    assert set(OPERATIONS) == set(KMS.operation_names)


@pytest.mark.parametrize(("spec", "usage"), AVAILABLE)
def test_a_key_of_each_spec_and_usage_is_created_and_described(kms: Any, spec: str, usage: str) -> None:
    made = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    assert (made["KeySpec"], made["KeyUsage"], made["KeyState"]) == (spec, usage, "Enabled")
    assert kms.describe_key(KeyId=made["Arn"])["KeyMetadata"] == made


def test_a_key_created_without_a_policy_gets_the_default_one(account: TestAccount) -> None:
    policy = json.loads(account.client().get_key_policy(KeyId=account.create_key())["Policy"])
    assert policy == {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": account.root_arn},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def test_an_asymmetric_key_needs_a_usage(kms: Any) -> None:
    assert refusal(kms.create_key, KeySpec="HMAC_256") == (
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    )


@pytest.mark.parametrize("identifier", ["fake-key-id", "134f2428cec14b25a1ae9048164dba47", "mrk-fake-key-id"])
def test_what_is_no_key_id_is_not_found(kms: Any, identifier: str) -> None:
    assert refusal(kms.describe_key, KeyId=identifier) == ("NotFoundException", f"Invalid keyId '{identifier}'")


def test_a_key_of_another_region_is_not_found(account: TestAccount) -> None:
    key = account.client().create_key()["KeyMetadata"]
    elsewhere = account.client(region="ap-southeast-1")
    arn = key["Arn"].replace("us-east-1", "ap-southeast-1")
    assert refusal(elsewhere.describe_key, KeyId=key["KeyId"]) == ("NotFoundException", f"Key '{arn}' does not exist")
    assert refusal(elsewhere.describe_key, KeyId=key["Arn"]) == ("NotFoundException", "Invalid arn us-east-1")


def test_an_arn_of_another_partition_is_no_keys(kms: Any) -> None:
    arn = kms.create_key()["KeyMetadata"]["Arn"].replace("arn:aws:", "arn:aws-cn:")
    assert refusal(kms.describe_key, KeyId=arn) == ("InvalidArnException", f"Invalid arn {arn}")


@pytest.mark.parametrize("form", ["id", "arn", "alias", "alias-arn"])
def test_a_key_is_found_by_each_form_of_identifier(kms: Any, form: str) -> None:
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/found", TargetKeyId=key["KeyId"])
    identifier = {
        "id": key["KeyId"],
        "arn": key["Arn"],
        "alias": "alias/found",
        "alias-arn": key["Arn"].replace(f"key/{key['KeyId']}", "alias/found"),
    }[form]
    assert kms.encrypt(KeyId=identifier, Plaintext=b"x")["KeyId"] == key["Arn"]


def test_keys_are_paged(account: TestAccount) -> None:
    kms = account.client()
    made = {account.create_key() for _ in range(5)}
    first = kms.list_keys(Limit=2)
    assert (len(first["Keys"]), first["Truncated"]) == (2, True)
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == made
    assert refusal(kms.list_keys, Marker="nonsense")[0] == "InvalidMarkerException"


def test_tags_that_each_page_lists_can_be_removed(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key(Tags=[{"TagKey": f"t{number}", "TagValue": ""} for number in range(5)])
    for page in kms.get_paginator("list_resource_tags").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2}):
        kms.untag_resource(KeyId=key_id, TagKeys=[tag["TagKey"] for tag in page["Tags"]])
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == []


def test_an_alias_moves_from_key_to_key(account: TestAccount) -> None:
    kms = account.client()
    one, two = account.create_key(), account.create_key()
    kms.create_alias(AliasName="alias/app", TargetKeyId=one)
    kms.update_alias(AliasName="alias/app", TargetKeyId=two)
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["KeyId"] == two
    kms.delete_alias(AliasName="alias/app")
    arn = f"arn:aws:kms:us-east-1:{account.account_id}:alias/app"
    assert refusal(kms.describe_key, KeyId="alias/app") == ("NotFoundException", f"Alias {arn} is not found.")


def test_alias_names_are_checked(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    code, message = refusal(kms.create_alias, AliasName="no-prefix", TargetKeyId=key_id)
    assert code == "ValidationException"
    assert message.startswith('Alias must start with the prefix "alias/".')
    assert refusal(kms.create_alias, AliasName="alias/aws/mine", TargetKeyId=key_id)[0] == "NotAuthorizedException"
    kms.create_alias(AliasName="alias/twice", TargetKeyId=key_id)
    assert refusal(kms.create_alias, AliasName="alias/twice", TargetKeyId=key_id)[0] == "AlreadyExistsException"


def test_tags_are_set_listed_and_removed(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}])
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "b", "TagValue": "2"}])
    kms.untag_resource(KeyId=key_id, TagKeys=["a"])
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == [{"TagKey": "b", "TagValue": "2"}]


def test_a_policy_that_locks_its_writer_out_is_refused(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    reader = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:DescribeKey", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reader]})
    assert refusal(kms.put_key_policy, KeyId=key_id, Policy=policy) == (
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    )
    kms.put_key_policy(KeyId=key_id, Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id
    assert refusal(kms.get_key_policy, KeyId=key_id)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    "policy", ["", "{", "[]", '{"Version":"2012-10-17","Statement":[]}', '{"Statement":[{"Effect":"Maybe"}]}']
)
def test_a_malformed_policy_is_refused(account: TestAccount, policy: str) -> None:
    code, _ = refusal(account.client().put_key_policy, KeyId=account.create_key(), Policy=policy or " ")
    assert code == "MalformedPolicyDocumentException"


def test_a_dry_run_changes_nothing_and_says_so(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key()
    code, message = refusal(kms.encrypt, KeyId=key_id, Plaintext=b"x", DryRun=True)
    assert (code, message) == (
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
