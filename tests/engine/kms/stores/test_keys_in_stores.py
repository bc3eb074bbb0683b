"""Keys whose material is in a PKCS#11 token: made, used and destroyed there. Over SoftHSM."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.hsm.token import Token
from engine.kms import models, token_ciphertext
from engine.kms.stores import orphans
from tests.engine.kms.contract import METHODS, refusal
from tests.engine.kms.stores.conftest import Store
from tests.support import key_stores
from tests.support.softhsm import MODULE

CONTEXT = {"purpose": "test", "tenant": "té"}


def test_a_key_in_a_store_says_which_store_and_cluster(store: Store) -> None:
    made = store.kms.describe_key(KeyId=store.key_id)["KeyMetadata"]
    assert (made["Origin"], made["CustomKeyStoreId"], made["CloudHsmClusterId"], made["KeyState"]) == (
        "AWS_CLOUDHSM",
        store.store_id,
        store.cluster.cluster_id,
        "Enabled",
    )
    assert "CurrentKeyMaterialId" not in made


def test_what_is_encrypted_comes_back_in_its_context_alone(store: Store) -> None:
    blob = store.encrypt(b"secret", EncryptionContext=CONTEXT)
    assert store.decrypt(blob, EncryptionContext=CONTEXT) == b"secret"
    assert store.decrypt(blob, EncryptionContext=CONTEXT, KeyId=store.key_id) == b"secret"
    for other in ({}, {"purpose": "test"}, {**CONTEXT, "tenant": "te"}):
        assert refusal(store.decrypt, blob, EncryptionContext=other) == ("InvalidCiphertextException", "")


def test_data_keys_come_back(store: Store) -> None:
    data_key = store.kms.generate_data_key(KeyId=store.key_id, KeySpec="AES_256", EncryptionContext=CONTEXT)
    assert store.decrypt(data_key["CiphertextBlob"], EncryptionContext=CONTEXT) == data_key["Plaintext"]
    sealed = store.kms.generate_data_key_without_plaintext(KeyId=store.key_id, NumberOfBytes=20)["CiphertextBlob"]
    assert len(store.decrypt(sealed)) == 20


@pytest.mark.parametrize("operation", ["generate_data_key_pair", "generate_data_key_pair_without_plaintext"])
def test_data_key_pairs_are_refused(store: Store, operation: str) -> None:
    """Source: AWS KMS API Reference, GenerateDataKeyPair: no KMS key in a custom key store."""
    found = refusal(getattr(store.kms, operation), KeyId=store.key_id, KeyPairSpec="ECC_NIST_P256")
    assert found[0] == "UnsupportedOperationException"


def test_a_ciphertext_goes_from_a_store_to_another_key_and_back(store: Store) -> None:
    plain_key = store.account.create_key()
    there = store.kms.re_encrypt(CiphertextBlob=store.encrypt(), DestinationKeyId=plain_key)
    assert store.decrypt(there["CiphertextBlob"], KeyId=plain_key) == b"secret"
    back = store.kms.re_encrypt(CiphertextBlob=there["CiphertextBlob"], DestinationKeyId=store.key_id)
    assert store.decrypt(back["CiphertextBlob"], KeyId=store.key_id) == b"secret"


def test_a_flipped_bit_is_refused_wherever_it_is(store: Store) -> None:
    """Every bit of the header, which is our own, and one of each byte behind it, which is AES-GCM's."""
    blob = store.encrypt(b"s", EncryptionContext={"a": "b"})
    header = token_ciphertext.HEADER
    for position in [*range(header * 8), *range(header * 8, len(blob) * 8, 8)]:
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        code, _message = refusal(store.decrypt, bytes(flipped), EncryptionContext={"a": "b"})
        elsewhere = position // 8 in range(2, 8) and int.from_bytes(flipped[2:8], "big") < 10**12
        assert code == ("AccessDeniedException" if elsewhere else "InvalidCiphertextException"), position


def test_a_ciphertext_of_another_key_of_the_token_is_refused_under_this_ones_name(store: Store) -> None:
    other = key_stores.key_in(store.kms, store.store_id)["KeyId"]
    blob = bytearray(store.kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"])
    blob[8:24] = store.encrypt()[8:24]
    assert refusal(store.decrypt, bytes(blob)) == ("InvalidCiphertextException", "")


def test_a_key_of_this_service_opens_no_ciphertext_of_a_token(store: Store) -> None:
    plain_key = store.account.create_key()
    blob = bytearray(store.encrypt())
    blob[8:24] = store.kms.encrypt(KeyId=plain_key, Plaintext=b"x")["CiphertextBlob"][9:25]
    assert refusal(store.decrypt, bytes(blob)) == ("InvalidCiphertextException", "")


def test_a_store_gives_random_bytes_while_it_is_connected(store: Store) -> None:
    random = store.kms.generate_random(NumberOfBytes=24, CustomKeyStoreId=store.store_id)["Plaintext"]
    assert len(random) == 24
    store.disconnect()
    code, _message = refusal(store.kms.generate_random, NumberOfBytes=24, CustomKeyStoreId=store.store_id)
    assert code == "CustomKeyStoreInvalidStateException"


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "EnableKeyRotation": {},
    "DisableKeyRotation": {},
    "RotateKeyOnDemand": {},
    "GetKeyRotationStatus": {},
    "ListKeyRotations": {},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ImportKeyMaterial": {"ImportToken": b"x", "EncryptedKeyMaterial": b"x"},
    "DeleteImportedKeyMaterial": {},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}


def test_what_a_key_in_a_store_never_does_is_unsupported(store: Store) -> None:
    for operation, parameters in UNSUPPORTED.items():
        code, _message = refusal(getattr(store.kms, METHODS[operation]), KeyId=store.key_id, **parameters)
        assert code == "UnsupportedOperationException", operation


@pytest.mark.parametrize(
    "parameters",
    [{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
     {"MultiRegion": True}],
)  # fmt: skip
def test_only_symmetric_keys_of_one_region_are_made_in_a_store(store: Store, parameters: dict[str, Any]) -> None:
    code, _message = refusal(key_stores.key_in, store.kms, store.store_id, **parameters)
    assert code == "UnsupportedOperationException"


def test_a_keys_material_is_made_in_the_token_and_destroyed_at_the_keys_date(store: Store) -> None:
    token = Token(MODULE, store.cluster.label, store.cluster.pin)
    material = bytes.fromhex(store.key_id.replace("-", ""))
    assert token.has(material)
    store.kms.schedule_key_deletion(KeyId=store.key_id, PendingWindowInDays=7)
    store.account.move_clock(days=8)
    assert refusal(store.kms.describe_key, KeyId=store.key_id)[0] == "NotFoundException"
    end = time.monotonic() + 10
    while token.has(material):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_material_of_a_key_that_went_while_its_store_was_away_is_destroyed_when_it_is_back(store: Store) -> None:
    token = Token(MODULE, store.cluster.label, store.cluster.pin)
    material = bytes.fromhex(store.key_id.replace("-", ""))
    store.kms.schedule_key_deletion(KeyId=store.key_id, PendingWindowInDays=7)
    store.disconnect()
    store.account.move_clock(days=8)
    assert refusal(store.kms.describe_key, KeyId=store.key_id)[0] == "NotFoundException"
    assert token.has(material)
    store.connect()
    end = time.monotonic() + 10
    while token.has(material) or models.OrphanedMaterial.objects.filter(key_id=store.key_id).exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_key_that_is_refused_at_last_leaves_nothing_in_the_token(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def fail(row: models.Key, context: Any) -> None:
        made.append(row.key_id)
        raise RuntimeError("no room")

    monkeypatch.setattr("engine.kms.policies.remember", fail)
    with pytest.raises(store.kms.exceptions.KMSInternalException):
        key_stores.key_in(store.kms, store.store_id)
    assert not Token(MODULE, store.cluster.label, store.cluster.pin).has(bytes.fromhex(made[0].replace("-", "")))
    assert not models.OrphanedMaterial.objects.filter(key_id=made[0]).exists()


class Killed(BaseException):
    """Stands for the end of the process, as far as nothing after it is done."""


def test_material_whose_key_was_never_stored_is_destroyed_at_the_next_connection(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died in between."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("engine.kms.policies.remember", die)
        patch.setattr("engine.kms.stores.new_keys.destroy_material", lambda store, key: None)
        with pytest.raises(Killed):
            key_stores.key_in(store.kms, store.store_id)
    (left,) = models.OrphanedMaterial.objects.filter(store__store_id=store.store_id)
    token, material = Token(MODULE, store.cluster.label, store.cluster.pin), bytes.fromhex(left.key_id.replace("-", ""))
    assert token.has(material)
    store.disconnect()
    store.connect()
    end = time.monotonic() + 10
    while token.has(material) or models.OrphanedMaterial.objects.filter(pk=left.pk).exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert store.decrypt(store.encrypt()) == b"secret"


def test_no_key_is_made_of_material_that_may_be_destroyed_and_none_of_it_is_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was connected anew meanwhile, which swept what was no key's, before the token had made this."""
    original, made = orphans.expect, []

    def expect(at: Any, key_id: str) -> None:
        original(at, key_id)
        orphans.forget(key_id)
        made.append(bytes.fromhex(key_id.replace("-", "")))

    monkeypatch.setattr(orphans, "expect", expect)
    before = store.kms.list_keys()["Keys"]
    with pytest.raises(store.kms.exceptions.KMSInternalException):
        key_stores.key_in(store.kms, store.store_id)
    assert store.kms.list_keys()["Keys"] == before
    assert not Token(MODULE, store.cluster.label, store.cluster.pin).has(made[0])
    assert not models.OrphanedMaterial.objects.filter(store__store_id=store.store_id).exists()
