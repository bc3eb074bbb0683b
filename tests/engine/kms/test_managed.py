"""AWS managed keys: made at first use, used only through their service, administered by nobody, rotated every year."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.iam import credentials
from engine.kms.managed import SERVICES
from tests.conftest import TestAccount
from tests.engine.kms.contract import METHODS, refusal


@pytest.fixture
def managed(account: TestAccount) -> dict[str, Any]:
    return account.client().describe_key(KeyId="alias/aws/s3")["KeyMetadata"]


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls from now on come through a service, as a forwarded session's do in AWS; the signature is still the caller's."""
    find = credentials.find

    def by(service: str) -> None:
        def found(access_key_id: str, token: str) -> Any:
            known = find(access_key_id, token)
            return replace(known, principal=replace(known.principal, invoked_by=service))

        monkeypatch.setattr(credentials, "find", found)

    return by


@pytest.mark.parametrize("form", ["alias/aws/{}", "arn:aws:kms:us-east-1:{account}:alias/aws/{}"])
def test_describing_a_services_alias_makes_its_key_once(account: TestAccount, form: str) -> None:
    kms = account.client()
    named = form.format("ebs", account=account.account_id)
    key = kms.describe_key(KeyId=named)["KeyMetadata"]
    assert (key["KeyManager"], key["KeyState"], key["Origin"]) == ("AWS", "Enabled", "AWS_KMS")
    assert key["Description"] == "Default key that protects my EBS data when no other key is defined"
    assert kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"] == key
    listed = {each["AliasName"]: each for each in kms.list_aliases(Limit=100)["Aliases"]}
    assert listed["alias/aws/ebs"]["TargetKeyId"] == key["KeyId"]
    assert [name for name in listed if "TargetKeyId" not in listed[name]] == sorted(SERVICES.keys() - {"alias/aws/ebs"})


def test_an_alias_of_no_service_makes_no_key(account: TestAccount) -> None:
    alias = f"arn:aws:kms:us-east-1:{account.account_id}:alias/aws/nothing"
    expected = ("NotFoundException", f"Alias {alias} is not found.")
    assert refusal(account.client().describe_key, KeyId="alias/aws/nothing") == expected
    assert account.client().list_keys()["Keys"] == []


def test_using_a_services_alias_makes_no_key(account: TestAccount) -> None:
    assert refusal(account.client().encrypt, KeyId="alias/aws/s3", Plaintext=b"x")[0] == "NotFoundException"


def test_the_policy_is_the_services(account: TestAccount, managed: dict[str, Any]) -> None:
    policy = json.loads(account.client().get_key_policy(KeyId=managed["KeyId"])["Policy"])
    through, direct = policy["Statement"]
    assert through["Principal"] == {"AWS": "*"}
    assert through["Condition"]["StringEquals"] == {
        "kms:CallerAccount": account.account_id,
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
    }
    assert direct["Principal"] == {"AWS": account.root_arn}
    assert direct["Action"] == ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]


@pytest.mark.parametrize(
    ("operation", "rest"),
    [
        ("EnableKey", {}),
        ("DisableKey", {}),
        ("ScheduleKeyDeletion", {}),
        ("CancelKeyDeletion", {}),
        ("EnableKeyRotation", {}),
        ("DisableKeyRotation", {}),
        ("RotateKeyOnDemand", {}),
        ("UpdateKeyDescription", {"Description": "mine"}),
        ("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        ("UntagResource", {"TagKeys": ["a"]}),
        ("PutKeyPolicy", {"Policy": "{}"}),
        ("CreateGrant", {"Operations": ["Decrypt"]}),
        ("ReplicateKey", {"ReplicaRegion": "eu-west-1"}),
        ("Encrypt", {"Plaintext": b"x"}),
        ("GenerateDataKey", {"KeySpec": "AES_256"}),
    ],
)
def test_nobody_administers_it_or_uses_it_directly(
    account: TestAccount, managed: dict[str, Any], operation: str, rest: dict[str, Any]
) -> None:
    more = {"GranteePrincipal": account.root_arn} if operation == "CreateGrant" else {}
    call = getattr(account.client(), METHODS[operation])
    assert refusal(call, KeyId=managed["KeyId"], **rest, **more)[0] == "AccessDeniedException"


@pytest.mark.parametrize("operation", ["create_alias", "update_alias", "delete_alias"])
def test_reserved_aliases_are_the_services_own(account: TestAccount, managed: dict[str, Any], operation: str) -> None:
    target = {} if operation == "delete_alias" else {"TargetKeyId": account.create_key()}
    assert refusal(getattr(account.client(), operation), AliasName="alias/aws/s3", **target) == (
        "NotAuthorizedException",
        "",
    )


def test_no_other_alias_points_to_it(account: TestAccount, managed: dict[str, Any]) -> None:
    kms = account.client()
    assert refusal(kms.create_alias, AliasName="alias/mine", TargetKeyId=managed["KeyId"])[0] == (
        "AccessDeniedException"
    )


def test_everybody_in_the_account_reads_about_it(account: TestAccount, managed: dict[str, Any]) -> None:
    kms, key_id = account.client(), managed["KeyId"]
    assert kms.list_grants(KeyId=key_id)["Grants"] == []
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == []
    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is True
    assert kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"] == {}


def test_it_is_used_through_its_service_and_no_other(
    account: TestAccount, managed: dict[str, Any], through: Any
) -> None:
    """By any principal of the account, policies or none."""
    theirs = account.create_user("uploader").client()
    through("s3.amazonaws.com")
    made = theirs.generate_data_key(KeyId="alias/aws/s3", KeySpec="AES_256", EncryptionContext={"aws:s3:arn": "x"})
    assert made["KeyId"] == managed["Arn"]
    opened = theirs.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"aws:s3:arn": "x"})
    assert opened["Plaintext"] == made["Plaintext"]
    through("rds.amazonaws.com")
    assert refusal(theirs.generate_data_key, KeyId="alias/aws/s3", KeySpec="AES_256")[0] == "AccessDeniedException"


def test_it_is_no_other_accounts(
    account: TestAccount, other_account: TestAccount, managed: dict[str, Any], through: Any
) -> None:
    through("s3.amazonaws.com")
    code, _ = refusal(other_account.client().generate_data_key, KeyId=managed["Arn"], KeySpec="AES_256")
    assert code == "AccessDeniedException"


def test_it_rotates_every_year(account: TestAccount, managed: dict[str, Any]) -> None:
    kms, key_id = account.client(), managed["KeyId"]
    status = kms.get_key_rotation_status(KeyId=key_id)
    assert (status["RotationPeriodInDays"], status["NextRotationDate"]) == (
        365,
        managed["CreationDate"] + timedelta(days=365),
    )
    account.move_clock(days=800)
    rotations = kms.list_key_rotations(KeyId=key_id)["Rotations"]
    assert [each["RotationType"] for each in rotations] == ["AUTOMATIC", "AUTOMATIC"]
    assert rotations[1]["RotationDate"] - rotations[0]["RotationDate"] == timedelta(days=365)
