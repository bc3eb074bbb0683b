"""Multi-Region keys: what replicas share with their primary, what each has of its own, and which moves are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.kms.contract import METHODS, refusal
from tests.engine.kms.test_life import bring


@pytest.fixture
def replicated(account: TestAccount) -> tuple[Any, Any, str]:
    """(client beside the primary, client beside the replica, key ID), after both are ready."""
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True, Description="first", Tags=[{"TagKey": "of", "TagValue": "primary"}])
    made = here.replicate_key(
        KeyId=key_id, ReplicaRegion="eu-west-1", Description="second", Tags=[{"TagKey": "of", "TagValue": "replica"}]
    )
    assert made["ReplicaTags"] == [{"TagKey": "of", "TagValue": "replica"}]
    account.move_clock(seconds=5)
    return here, there, key_id


def test_a_replica_names_its_current_material_once_it_is_created(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True)
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    creating = there.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (creating["KeyState"], "CurrentKeyMaterialId" in creating) == ("Creating", False)
    account.move_clock(seconds=5)
    current = [kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"] for kms in (here, there)]
    assert current[0] == current[1]


def test_a_region_takes_one_replica(replicated: tuple[Any, Any, str]) -> None:
    here, _, key_id = replicated
    assert refusal(here.replicate_key, KeyId=key_id, ReplicaRegion="eu-west-1") == (
        "AlreadyExistsException",
        "You can create only one replica of each primary key in each AWS Region.",
    )


def test_a_ciphertext_is_opened_in_its_keys_regions_only(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    blob = here.encrypt(KeyId=account.create_key(), Plaintext=b"x")["CiphertextBlob"]
    code, message = refusal(there.decrypt, CiphertextBlob=blob)
    assert code == "AccessDeniedException"
    assert "because the resource does not exist in this Region" in message
    beyond = there.create_key()["KeyMetadata"]["KeyId"]
    code, message = refusal(there.re_encrypt, CiphertextBlob=blob, DestinationKeyId=beyond)
    assert code == "AccessDeniedException"
    assert "kms:ReEncryptFrom on the resource associated with this ciphertext" in message


def test_description_tags_and_state_are_each_keys_own(replicated: tuple[Any, Any, str]) -> None:
    here, there, key_id = replicated
    there.disable_key(KeyId=key_id)
    seen = [
        (
            kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"],
            kms.list_resource_tags(KeyId=key_id)["Tags"][0]["TagValue"],
            kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"],
        )
        for kms in (here, there)
    ]
    assert seen == [("first", "primary", "Enabled"), ("second", "replica", "Disabled")]


def test_rotation_is_shared_and_set_on_the_primary_alone(replicated: tuple[Any, Any, str]) -> None:
    here, there, key_id = replicated
    here.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=100)
    shown = [kms.get_key_rotation_status(KeyId=key_id) for kms in (here, there)]
    assert [each["RotationPeriodInDays"] for each in shown] == [100, 100]
    assert shown[0]["NextRotationDate"] == shown[1]["NextRotationDate"]
    for operation in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):
        assert refusal(getattr(there, METHODS[operation]), KeyId=key_id)[0] == "UnsupportedOperationException"
    here.disable_key_rotation(KeyId=key_id)
    assert not there.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]


def test_a_scheduled_rotation_reaches_every_region(account: TestAccount, replicated: tuple[Any, Any, str]) -> None:
    here, there, key_id = replicated
    here.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    account.move_clock(days=91)
    blob = here.encrypt(KeyId=key_id, Plaintext=b"after")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"after"
    current = [kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"] for kms in (here, there)]
    assert current[0] == current[1]
    assert len(here.list_key_rotations(KeyId=key_id)["Rotations"]) == 1


def test_the_primary_moves_to_a_replica_only(replicated: tuple[Any, Any, str]) -> None:
    here, there, key_id = replicated
    here.update_primary_region(KeyId=key_id, PrimaryRegion="us-east-1")
    assert refusal(here.update_primary_region, KeyId=key_id, PrimaryRegion="ap-south-1")[0] == "NotFoundException"
    assert refusal(there.update_primary_region, KeyId=key_id, PrimaryRegion="eu-west-1")[0] == (
        "UnsupportedOperationException"
    )
    shown = here.describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
    assert shown["PrimaryKey"]["Region"] == "us-east-1"


def test_the_list_of_materials_says_what_was_said_of_each_import(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    bring(kms, key_id, b"k" * 32, KeyMaterialDescription="from the safe")
    (entry,) = kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert (entry["KeyMaterialDescription"], entry["ExpirationModel"], "ValidTo" in entry) == (
        "from the safe",
        "KEY_MATERIAL_DOES_NOT_EXPIRE",
        False,
    )


def test_permission_is_asked_in_the_region_of_each_key(account: TestAccount) -> None:
    """API Reference, ReplicateKey and UpdatePrimaryRegion, "Required permissions"."""

    def allowed_in(region: str, *actions: str) -> dict[str, Any]:
        condition = {"StringEquals": {"aws:RequestedRegion": region}}
        return {"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}

    statements = [
        allowed_in("us-east-1", "kms:ReplicateKey", "kms:UpdatePrimaryRegion"),
        allowed_in("eu-west-1", "kms:CreateKey", "kms:TagResource", "kms:PutKeyPolicy", "kms:UpdatePrimaryRegion"),
    ]
    bob = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    here = account.client(user=bob)
    replica = {"KeyId": account.create_key(MultiRegion=True), "Tags": [{"TagKey": "a", "TagValue": "b"}]}
    code, message = refusal(here.replicate_key, **replica, ReplicaRegion="eu-central-1")
    assert (code, "kms:CreateKey" in message) == ("AccessDeniedException", True)
    here.replicate_key(**replica, ReplicaRegion="eu-west-1")
    account.client().replicate_key(KeyId=replica["KeyId"], ReplicaRegion="eu-central-1")
    account.move_clock(seconds=5)
    code, message = refusal(here.update_primary_region, KeyId=replica["KeyId"], PrimaryRegion="eu-central-1")
    assert (code, ":eu-central-1:" in message) == ("AccessDeniedException", True)
    here.update_primary_region(KeyId=replica["KeyId"], PrimaryRegion="eu-west-1")


def test_the_record_of_each_region_tells_what_happened_to_its_key(
    replicated: tuple[Any, Any, str], account: TestAccount
) -> None:
    """Developer Guide, "AWS KMS log entries", ReplicateKey and UpdatePrimaryRegion: an entry in each of the two Regions."""
    here, _, key_id = replicated
    here.update_primary_region(KeyId=key_id, PrimaryRegion="eu-west-1")

    def recorded(region: str) -> list[tuple[str, list[str]]]:
        found = account.client("cloudtrail", region=region).lookup_events(
            LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "kms.amazonaws.com"}]
        )["Events"]
        events = [json.loads(event["CloudTrailEvent"]) for event in reversed(found)]
        return [(event["eventName"], [each["ARN"].split(":")[3] for each in event["resources"]]) for event in events]

    assert recorded("us-east-1")[1:] == [
        ("ReplicateKey", ["us-east-1", "eu-west-1"]),
        ("UpdatePrimaryRegion", ["us-east-1"]),
    ]
    assert recorded("eu-west-1") == [("CreateKey", ["eu-west-1"]), ("UpdatePrimaryRegion", ["eu-west-1"])]
