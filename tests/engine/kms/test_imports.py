"""Imported material: which may come, which may come again, and where a multi-Region key waits for it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conftest import TestAccount
from tests.engine.kms.contract import refusal
from tests.engine.kms.test_life import bring, wrap

NEW = {"ImportType": "NEW_KEY_MATERIAL"}


def der(private: Any) -> bytes:
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def state_of(kms: Any, key_id: str) -> str:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]


def materials(kms: Any, key_id: str) -> list[tuple[str, str]]:
    listed = kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    return [(each["KeyMaterialState"], each["ImportState"]) for each in listed]


# --- what is refused


def test_material_without_an_expiry_must_say_so(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    assert refusal(bring, kms, key_id, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES") == (
        "ValidationException",
        "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
    )
    code, _ = refusal(bring, kms, key_id, os.urandom(32), ValidTo=datetime.now(UTC) + timedelta(days=1))
    assert code == "ValidationException"


@pytest.mark.parametrize("days", [-1, 366])
def test_an_expiry_lies_within_a_year(account: TestAccount, days: int) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    expires = datetime.now(UTC) + timedelta(days=days)
    code, _ = refusal(bring, kms, key_id, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=expires)
    assert code == "ValidationException"


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"])
def test_material_that_was_wrapped_for_another_token_does_not_open(account: TestAccount, algorithm: str) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    request = {"KeyId": key_id, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}
    one, other = kms.get_parameters_for_import(**request), kms.get_parameters_for_import(**request)
    assert refusal(
        kms.import_key_material,
        KeyId=key_id,
        ImportToken=one["ImportToken"],
        EncryptedKeyMaterial=wrap(other["PublicKey"], algorithm, os.urandom(32)),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    ) == ("InvalidCiphertextException", "")


@pytest.mark.parametrize(
    ("spec", "usage", "material"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", b"k" * 16),
        ("HMAC_512", "GENERATE_VERIFY_MAC", b"k" * 32),
        ("HMAC_224", "GENERATE_VERIFY_MAC", b"k" * 65),
        ("ECC_NIST_P256", "SIGN_VERIFY", der(ec.generate_private_key(ec.SECP384R1()))),
        ("ECC_NIST_P256", "SIGN_VERIFY", b"no key at all"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", der(ec.generate_private_key(ec.SECP256R1()))),
        ("RSA_3072", "SIGN_VERIFY", der(rsa.generate_private_key(public_exponent=65537, key_size=2048))),
    ],
)
def test_material_of_another_spec_is_refused(account: TestAccount, spec: str, usage: str, material: bytes) -> None:
    key_id = account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
    code, _ = refusal(bring, account.client(), key_id, material)
    assert code == "IncorrectKeyMaterialException"


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm", "wrapping"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSAES_PKCS1_V1_5", "RSA_2048"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "SM2PKE", "SM2"),
        ("RSA_2048", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_4096"),
        ("ECC_NIST_P521", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_2048"),
    ],
)
def test_a_wrapping_that_cannot_carry_the_material_is_refused(
    account: TestAccount, spec: str, usage: str, algorithm: str, wrapping: str
) -> None:
    key_id = account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
    code, _ = refusal(
        account.client().get_parameters_for_import,
        KeyId=key_id,
        WrappingAlgorithm=algorithm,
        WrappingKeySpec=wrapping,
    )
    assert code == "UnsupportedOperationException"


@pytest.mark.parametrize("member", ["ImportType", "KeyMaterialDescription", "KeyMaterialId"])
def test_an_hmac_key_has_one_material_without_a_name(account: TestAccount, member: str) -> None:
    key_id = account.create_key(Origin="EXTERNAL", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    value = {"ImportType": "NEW_KEY_MATERIAL", "KeyMaterialId": "0" * 64}.get(member, "words")
    code, _ = refusal(bring, account.client(), key_id, os.urandom(32), **{member: value})
    assert code == "ValidationException"


# --- which material


def test_new_material_cannot_be_named_before_it_is_known(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    assert refusal(bring, kms, key_id, os.urandom(32), KeyMaterialId="0" * 64, **NEW)[0] == "ValidationException"


def test_existing_material_must_exist(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    code, _ = refusal(bring, kms, key_id, os.urandom(32), ImportType="EXISTING_KEY_MATERIAL")
    assert code == "IncorrectKeyMaterialException"


def test_new_material_must_be_new(account: TestAccount) -> None:
    kms, key_id, material = account.client(), account.create_key(Origin="EXTERNAL"), os.urandom(32)
    bring(kms, key_id, material)
    assert refusal(bring, kms, key_id, material, **NEW)[0] == "IncorrectKeyMaterialException"


def test_only_one_new_material_waits_at_a_time(account: TestAccount) -> None:
    kms, key = account.client(), account.client().create_key(Origin="EXTERNAL")["KeyMetadata"]
    bring(kms, key["KeyId"], os.urandom(32))
    pending = bring(kms, key["KeyId"], os.urandom(32), **NEW)["KeyMaterialId"]
    code, message = refusal(bring, kms, key["KeyId"], os.urandom(32), **NEW)
    assert code == "KMSInvalidStateException"
    assert message.startswith("New key material (id: ")
    assert message.endswith(
        f"cannot be imported into KMS key {key['Arn']}, "
        f"because another key material (id: {pending}) is pending rotation."
    )


def test_a_material_id_in_the_request_must_be_that_of_the_material(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    one, other = os.urandom(32), os.urandom(32)
    named = bring(kms, key_id, one)["KeyMaterialId"]
    assert refusal(bring, kms, key_id, other, KeyMaterialId=named)[0] == "IncorrectKeyMaterialException"
    assert bring(kms, key_id, one, KeyMaterialId=named)["KeyMaterialId"] == named


def test_a_description_stays_until_it_is_replaced(account: TestAccount) -> None:
    kms, key_id, material = account.client(), account.create_key(Origin="EXTERNAL"), os.urandom(32)

    def described() -> str:
        listed = kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        return listed[0]["KeyMaterialDescription"]

    bring(kms, key_id, material, KeyMaterialDescription="from the safe")
    bring(kms, key_id, material)
    assert described() == "from the safe"
    bring(kms, key_id, material, KeyMaterialDescription="from the vault")
    assert described() == "from the vault"


def test_the_same_material_has_another_id_in_another_key(account: TestAccount) -> None:
    kms, material = account.client(), os.urandom(32)
    ids = {bring(kms, account.create_key(Origin="EXTERNAL"), material)["KeyMaterialId"] for _ in range(2)}
    assert len(ids) == 2


# --- several materials


def test_a_key_is_usable_only_with_all_materials_it_was_ever_rotated_to(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    old = os.urandom(32)
    first = bring(kms, key_id, old)["KeyMaterialId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    second = bring(kms, key_id, os.urandom(32), **NEW)["KeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"] == second
    assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == first
    deleted = kms.delete_imported_key_material(KeyId=key_id, KeyMaterialId=first)
    assert deleted["KeyMaterialId"] == first
    assert state_of(kms, key_id) == "PendingImport"
    assert materials(kms, key_id) == [("NON_CURRENT", "PENDING_IMPORT"), ("CURRENT", "IMPORTED")]
    bring(kms, key_id, old)
    assert state_of(kms, key_id) == "Enabled"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_deleting_without_a_name_deletes_the_current_material(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    assert "KeyMaterialId" not in kms.delete_imported_key_material(KeyId=key_id)
    current = bring(kms, key_id, os.urandom(32))["KeyMaterialId"]
    bring(kms, key_id, os.urandom(32), **NEW)
    assert kms.delete_imported_key_material(KeyId=key_id)["KeyMaterialId"] == current
    assert refusal(kms.delete_imported_key_material, KeyId=key_id, KeyMaterialId="0" * 64)[0] == "NotFoundException"


def test_material_pending_rotation_can_be_taken_back(account: TestAccount) -> None:
    kms, key = account.client(), account.client().create_key(Origin="EXTERNAL")["KeyMetadata"]
    bring(kms, key["KeyId"], os.urandom(32))
    pending = bring(kms, key["KeyId"], os.urandom(32), **NEW)["KeyMaterialId"]
    kms.delete_imported_key_material(KeyId=key["KeyId"], KeyMaterialId=pending)
    assert materials(kms, key["KeyId"]) == [("CURRENT", "IMPORTED")]
    assert refusal(kms.rotate_key_on_demand, KeyId=key["KeyId"]) == (
        "KMSInvalidStateException",
        f"No available key material pending rotation for the key: {key['Arn']}.",
    )


def test_a_key_expires_with_the_first_of_its_materials(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    soon, later = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) for days in (2, 9))
    bring(kms, key_id, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=soon)
    bring(kms, key_id, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=later, **NEW)
    kms.rotate_key_on_demand(KeyId=key_id)
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (metadata["ExpirationModel"], metadata["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", soon)
    account.move_clock(days=3)
    assert state_of(kms, key_id) == "PendingImport"


# --- multi-Region keys


@pytest.fixture
def pair(account: TestAccount) -> tuple[Any, Any, str]:
    """(client of the primary's Region, of the replica's, ID) of an EXTERNAL key in two Regions."""
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(Origin="EXTERNAL", MultiRegion=True)
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    account.move_clock(seconds=5)
    return here, there, key_id


def test_each_region_gets_the_same_material_the_primary_first(pair: tuple[Any, Any, str]) -> None:
    here, there, key_id = pair
    material = os.urandom(32)
    assert refusal(bring, there, key_id, material)[0] == "UnsupportedOperationException"
    made = bring(here, key_id, material)["KeyMaterialId"]
    assert (state_of(here, key_id), state_of(there, key_id)) == ("Enabled", "PendingImport")
    assert materials(there, key_id) == [("CURRENT", "PENDING_IMPORT")]
    assert refusal(bring, there, key_id, os.urandom(32))[0] == "IncorrectKeyMaterialException"
    assert bring(there, key_id, material)["KeyMaterialId"] == made
    blob = here.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_new_material_waits_until_every_region_has_it(pair: tuple[Any, Any, str]) -> None:
    here, there, key_id = pair
    old, new = os.urandom(32), os.urandom(32)
    for kms in (here, there):
        bring(kms, key_id, old)
    blob = here.encrypt(KeyId=key_id, Plaintext=b"old")["CiphertextBlob"]
    bring(here, key_id, new, **NEW)
    assert materials(here, key_id)[1] == ("PENDING_MULTI_REGION_IMPORT_AND_ROTATION", "IMPORTED")
    assert state_of(there, key_id) == "Enabled"
    assert refusal(here.rotate_key_on_demand, KeyId=key_id)[0] == "KMSInvalidStateException"
    bring(there, key_id, new)
    assert materials(here, key_id)[1] == ("PENDING_ROTATION", "IMPORTED")
    here.rotate_key_on_demand(KeyId=key_id)
    after = here.encrypt(KeyId=key_id, Plaintext=b"new")["CiphertextBlob"]
    assert [there.decrypt(CiphertextBlob=each)["Plaintext"] for each in (blob, after)] == [b"old", b"new"]


def test_taking_pending_material_from_the_primary_takes_it_everywhere(pair: tuple[Any, Any, str]) -> None:
    here, there, key_id = pair
    old, new = os.urandom(32), os.urandom(32)
    for kms in (here, there):
        bring(kms, key_id, old)
    pending = bring(here, key_id, new, **NEW)["KeyMaterialId"]
    bring(there, key_id, new)
    there.delete_imported_key_material(KeyId=key_id, KeyMaterialId=pending)
    assert materials(here, key_id)[1] == ("PENDING_ROTATION", "IMPORTED")
    assert refusal(here.rotate_key_on_demand, KeyId=key_id)[0] == "KMSInvalidStateException"
    here.delete_imported_key_material(KeyId=key_id, KeyMaterialId=pending)
    assert materials(here, key_id) == materials(there, key_id) == [("CURRENT", "IMPORTED")]


def test_a_replica_made_later_waits_for_all_materials(account: TestAccount) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(Origin="EXTERNAL", MultiRegion=True)
    old, new = os.urandom(32), os.urandom(32)
    bring(here, key_id, old)
    bring(here, key_id, new, **NEW)
    here.rotate_key_on_demand(KeyId=key_id)
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    account.move_clock(seconds=5)
    bring(there, key_id, new)
    assert state_of(there, key_id) == "PendingImport"
    bring(there, key_id, old)
    assert state_of(there, key_id) == "Enabled"
