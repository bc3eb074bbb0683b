"""Rotation, import, multi-Region keys, grants, AWS managed keys: the life of keys through boto3, with the account's clock moved."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.conftest import TestAccount


def code_of(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


# --- rotation


def test_automatic_rotation_makes_a_material_for_each_date_that_passed(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"old")["CiphertextBlob"]
    account.move_clock(days=200)
    rotations = kms.list_key_rotations(KeyId=key_id)["Rotations"]
    assert [each["RotationType"] for each in rotations] == ["AUTOMATIC", "AUTOMATIC"]
    assert rotations[1]["RotationDate"] - rotations[0]["RotationDate"] == timedelta(days=90)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"old"
    status = kms.get_key_rotation_status(KeyId=key_id)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    assert status["NextRotationDate"] > rotations[1]["RotationDate"]


def test_a_disabled_key_rotates_when_it_is_enabled_again(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    kms.disable_key(KeyId=key_id)
    account.move_clock(days=100)
    assert kms.list_key_rotations(KeyId=key_id)["Rotations"] == []
    kms.enable_key(KeyId=key_id)
    assert len(kms.list_key_rotations(KeyId=key_id)["Rotations"]) == 1


def test_a_key_that_is_pending_deletion_is_not_rotated_and_says_so(account: TestAccount) -> None:
    """Source: AWS KMS API Reference, GetKeyRotationStatus."""
    kms, key_id = account.client(), account.create_key()
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=key_id)
    told = kms.get_key_rotation_status(KeyId=key_id)
    assert (told["KeyRotationEnabled"], "RotationPeriodInDays" in told) == (False, False)
    kms.cancel_key_deletion(KeyId=key_id)
    told = kms.get_key_rotation_status(KeyId=key_id)
    assert (told["KeyRotationEnabled"], told["RotationPeriodInDays"]) == (True, 90)


def test_rotation_on_demand_ends_at_25(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key_id)
    assert code_of(kms.rotate_key_on_demand, KeyId=key_id) == "LimitExceededException"
    pages = kms.get_paginator("list_key_rotations").paginate(KeyId=key_id, PaginationConfig={"PageSize": 10})
    assert len([each for page in pages for each in page["Rotations"]]) == 25


def test_asymmetric_keys_do_not_rotate(account: TestAccount) -> None:
    key_id = account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    assert code_of(account.client().enable_key_rotation, KeyId=key_id) == "UnsupportedOperationException"


# --- import


def wrap(public_der: bytes, algorithm: str, material: bytes) -> bytes:
    public = serialization.load_der_public_key(public_der)
    assert isinstance(public, rsa.RSAPublicKey)
    digest = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()
    oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
    if algorithm.startswith("RSAES"):
        return public.encrypt(material, oaep)
    key = os.urandom(32)
    return public.encrypt(key, oaep) + keywrap.aes_key_wrap_with_padding(key, material)


def bring(kms: Any, key_id: str, material: bytes, algorithm: str = "RSA_AES_KEY_WRAP_SHA_256", **more: Any) -> Any:
    given = kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
    more = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", **more}
    return kms.import_key_material(
        KeyId=key_id,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrap(given["PublicKey"], algorithm, material),
        **more,
    )


@pytest.mark.parametrize(
    "algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"]
)
def test_symmetric_material_is_imported_under_each_algorithm(account: TestAccount, algorithm: str) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"
    bring(kms, key_id, os.urandom(32), algorithm)
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_deleted_material_comes_back_only_as_itself(account: TestAccount) -> None:
    kms, key_id, material = account.client(), account.create_key(Origin="EXTERNAL"), os.urandom(32)
    first = bring(kms, key_id, material)["KeyMaterialId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    kms.delete_imported_key_material(KeyId=key_id)
    assert code_of(kms.decrypt, CiphertextBlob=blob) == "KMSInvalidStateException"
    with pytest.raises(kms.exceptions.IncorrectKeyMaterialException):
        bring(kms, key_id, os.urandom(32))
    assert bring(kms, key_id, material)["KeyMaterialId"] == first
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_expired_material_is_gone_until_it_is_imported_again(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    expires = datetime.now(UTC) + timedelta(days=2)
    bring(kms, key_id, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=expires)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["ValidTo"]
    account.move_clock(days=3)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_an_import_token_is_good_for_24_hours_and_for_its_key(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    given = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    request = {
        "ImportToken": given["ImportToken"],
        "EncryptedKeyMaterial": wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", os.urandom(32)),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
    other = account.create_key(Origin="EXTERNAL")
    assert code_of(kms.import_key_material, KeyId=other, **request) == "InvalidImportTokenException"
    account.move_clock(hours=25)
    assert code_of(kms.import_key_material, KeyId=key_id, **request) == "ExpiredImportTokenException"


def test_new_imported_material_is_turned_to_on_demand(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    bring(kms, key_id, os.urandom(32))
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"old")["CiphertextBlob"]
    bring(kms, key_id, os.urandom(32), ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second")
    states = [
        (each["KeyMaterialState"], each["ImportState"])
        for each in kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    ]
    assert states == [("CURRENT", "IMPORTED"), ("PENDING_ROTATION", "IMPORTED")]
    kms.rotate_key_on_demand(KeyId=key_id)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"old"


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048", "HMAC_256"])
def test_other_kinds_of_material_are_imported(account: TestAccount, spec: str) -> None:
    usage = "GENERATE_VERIFY_MAC" if spec.startswith("HMAC") else "SIGN_VERIFY"
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
    private: Any = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if spec == "RSA_2048"
        else ec.generate_private_key(ec.SECP256R1())
    )
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bring(kms, key_id, os.urandom(32) if spec == "HMAC_256" else der)
    if spec == "HMAC_256":
        assert kms.generate_mac(KeyId=key_id, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
        return
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert kms.get_public_key(KeyId=key_id)["PublicKey"] == public


def test_a_key_with_aws_material_takes_no_import(account: TestAccount) -> None:
    kms, key = account.client(), account.client().create_key()["KeyMetadata"]
    with pytest.raises(ClientError) as refused:
        kms.get_parameters_for_import(
            KeyId=key["KeyId"], WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
        )
    assert refused.value.response["Error"]["Message"] == (
        f"{key['Arn']} origin is AWS_KMS which is not valid for this operation."
    )


# --- multi-Region


def test_a_replica_opens_what_its_primary_encrypted_also_after_rotation(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True)
    assert key_id.startswith("mrk-")
    made = here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")["ReplicaKeyMetadata"]
    assert (made["KeyState"], made["MultiRegionConfiguration"]["MultiRegionKeyType"]) == ("Creating", "REPLICA")
    account.move_clock(seconds=5)
    here.rotate_key_on_demand(KeyId=key_id)
    blob = here.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    opened = there.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"x", made["Arn"])


def test_a_primary_waits_for_its_replicas_to_go(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True)
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    account.move_clock(seconds=5)
    answer = here.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert (answer["KeyState"], "DeletionDate" in answer) == ("PendingReplicaDeletion", False)
    there.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    account.move_clock(days=8)
    assert code_of(there.describe_key, KeyId=key_id) == "NotFoundException"
    assert here.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    account.move_clock(days=8)
    assert code_of(here.describe_key, KeyId=key_id) == "NotFoundException"


def test_the_primary_region_moves(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True)
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    account.move_clock(seconds=5)
    here.update_primary_region(KeyId=key_id, PrimaryRegion="eu-west-1")
    configuration = there.describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
    assert (configuration["MultiRegionKeyType"], configuration["PrimaryKey"]["Region"]) == ("PRIMARY", "eu-west-1")


# --- grants


def test_a_grant_allows_what_it_says_until_it_is_revoked(account: TestAccount) -> None:
    kms, key_id, user = account.client(), account.create_key(), account.create_user("grantee")
    theirs = user.client()
    assert code_of(theirs.encrypt, KeyId=key_id, Plaintext=b"x") == "AccessDeniedException"
    grant = kms.create_grant(KeyId=key_id, GranteePrincipal=user.arn, Operations=["Encrypt"])
    assert theirs.encrypt(KeyId=key_id, Plaintext=b"x", GrantTokens=[grant["GrantToken"]])["CiphertextBlob"]
    assert code_of(theirs.describe_key, KeyId=key_id) == "AccessDeniedException"
    kms.revoke_grant(KeyId=key_id, GrantId=grant["GrantId"])
    assert code_of(theirs.encrypt, KeyId=key_id, Plaintext=b"x") == "AccessDeniedException"


@pytest.mark.parametrize(
    ("constraint", "context", "allowed"),
    [
        ("EncryptionContextEquals", {"team": "blue"}, True),
        ("EncryptionContextEquals", {"team": "blue", "more": "x"}, False),
        ("EncryptionContextSubset", {"team": "blue", "more": "x"}, True),
        ("EncryptionContextSubset", {"team": "red"}, False),
        ("EncryptionContextSubset", {}, False),
    ],
)
def test_a_grants_constraint_is_held(
    account: TestAccount, constraint: str, context: dict[str, str], allowed: bool
) -> None:
    key_id, user = account.create_key(), account.create_user("grantee")
    account.client().create_grant(
        KeyId=key_id, GranteePrincipal=user.arn, Operations=["Encrypt"], Constraints={constraint: {"team": "blue"}}
    )
    theirs = user.client()
    if allowed:
        assert theirs.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext=context)["KeyId"]
    else:
        assert (
            code_of(theirs.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionContext=context) == "AccessDeniedException"
        )


def test_a_named_grant_asked_for_twice_is_one_grant(account: TestAccount) -> None:
    kms, key_id, user = account.client(), account.create_key(), account.create_user("grantee")
    wanted = {"KeyId": key_id, "GranteePrincipal": user.arn, "Operations": ["Encrypt", "Decrypt"], "Name": "same"}
    assert kms.create_grant(**wanted)["GrantId"] == kms.create_grant(**wanted)["GrantId"]
    assert len(kms.list_grants(KeyId=key_id)["Grants"]) == 1


def test_the_retiring_principal_retires_a_grant(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    grantee, retiring = account.create_user("grantee"), account.create_user("retiring")
    grant = kms.create_grant(
        KeyId=key_id, GranteePrincipal=grantee.arn, RetiringPrincipal=retiring.arn, Operations=["Encrypt"]
    )
    assert [each["GrantId"] for each in kms.list_retirable_grants(RetiringPrincipal=retiring.arn)["Grants"]] == [
        grant["GrantId"]
    ]
    assert code_of(grantee.client().retire_grant, GrantToken=grant["GrantToken"]) == "AccessDeniedException"
    retiring.client().retire_grant(GrantToken=grant["GrantToken"])
    assert kms.list_grants(KeyId=key_id)["Grants"] == []


# --- AWS managed keys, last use


def test_an_aws_managed_key_is_made_when_first_asked_for_and_takes_no_administration(account: TestAccount) -> None:
    kms = account.client()
    key = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert key["KeyManager"] == "AWS"
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    assert code_of(kms.disable_key, KeyId=key["KeyId"]) == "AccessDeniedException"
    assert code_of(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == "AccessDeniedException"


def test_the_last_use_of_a_key_comes_from_the_trail(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    assert kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"] == {}
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    kms.describe_key(KeyId=key_id)
    assert kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"]["Operation"] == "Encrypt"


# --- across accounts


def test_another_account_needs_both_sides(account: TestAccount, other_account: TestAccount) -> None:
    kms = account.client()
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    theirs = other_account.client()
    assert code_of(theirs.encrypt, KeyId=arn, Plaintext=b"x") == "AccessDeniedException"
    policy = json.loads(kms.get_key_policy(KeyId=arn)["Policy"])
    policy["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": other_account.root_arn}, "Action": "kms:Encrypt", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=arn, Policy=json.dumps(policy))
    assert theirs.encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn
    nobody = other_account.create_user("nobody").client()
    assert code_of(nobody.encrypt, KeyId=arn, Plaintext=b"x") == "AccessDeniedException"
