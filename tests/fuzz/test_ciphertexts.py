"""A ciphertext in which anything was changed opens nothing: not a bit of it is malleable, and none of it brings the service down."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.conftest import TestUser, new_account
from tests.support import raw
from tests.support.mutations import changed_bytes

CONTEXT = {"purpose": "fuzz"}
REFUSALS = {"InvalidCiphertextException", "AccessDeniedException", "IncorrectKeyException", "ValidationException"}


@dataclass(frozen=True)
class Sealed:
    """A ciphertext and what opens it."""

    blob: bytes
    opens: dict[str, Any]


@dataclass(frozen=True)
class World:
    user: TestUser
    key_id: str
    sealed: list[Sealed]
    mac: tuple[bytes, dict[str, Any]]
    token: tuple[bytes, dict[str, Any]]


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    kms = account.client()
    key = account.create_key()
    context = {"EncryptionContext": CONTEXT}
    old = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key)
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")["PrivateKeyCiphertextBlob"]
    other = kms.encrypt(KeyId=account.create_key(), Plaintext=b"other")["CiphertextBlob"]
    rsa = account.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    oaep = {"KeyId": rsa, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    hmac = {
        "KeyId": account.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        "MacAlgorithm": "HMAC_SHA_256",
    }
    external = account.create_key(Origin="EXTERNAL")
    given_ = kms.get_parameters_for_import(
        KeyId=external, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    return World(
        account.administrator,
        key,
        [
            Sealed(kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"], {}),
            Sealed(old, {}),
            Sealed(kms.encrypt(KeyId=key, Plaintext=b"secret", **context)["CiphertextBlob"], context),
            Sealed(kms.encrypt(KeyId=key, Plaintext=b"x" * 4096)["CiphertextBlob"], {"KeyId": key}),
            Sealed(pair, {}),
            Sealed(other, {}),
            Sealed(kms.encrypt(**oaep, Plaintext=b"secret")["CiphertextBlob"], oaep),
        ],
        (kms.generate_mac(**hmac, Message=b"m")["Mac"], {**hmac, "Message": text(b"m")}),
        (given_["ImportToken"], {"KeyId": external, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}),
    )


def text(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


def send(world: World, operation: str, parameters: dict[str, Any]) -> raw.Answer:
    return raw.send(world.user, "kms", operation, json.dumps(parameters).encode())


@given(data=st.data())
def test_what_was_changed_opens_nothing(world: World, data: st.DataObject) -> None:
    sealed, other = data.draw(st.sampled_from(world.sealed)), data.draw(st.sampled_from(world.sealed))
    blob = data.draw(changed_bytes(sealed.blob, other.blob))
    assume(all(blob != each.blob for each in world.sealed))
    for answer in (
        send(world, "Decrypt", {"CiphertextBlob": text(blob), **sealed.opens}),
        send(world, "Decrypt", {"CiphertextBlob": text(blob), "KeyId": world.key_id, **sealed.opens}),
        send(world, "ReEncrypt", {"CiphertextBlob": text(blob), "DestinationKeyId": world.key_id}),
    ):
        assert answer.code in REFUSALS, answer
        assert (answer.status, b"Plaintext" in answer.body) == (400, False)


@given(data=st.data())
def test_any_bytes_open_nothing(world: World, data: st.DataObject) -> None:
    head = data.draw(st.integers(0, 80))
    sealed = data.draw(st.sampled_from(world.sealed))
    blob = sealed.blob[:head] + data.draw(st.binary(max_size=300))
    assume(blob != sealed.blob)
    answer = send(world, "Decrypt", {"CiphertextBlob": text(blob), **sealed.opens})
    assert answer.code in REFUSALS, answer


@given(data=st.data())
def test_a_ciphertext_opens_in_its_own_context_only(world: World, data: st.DataObject) -> None:
    context = data.draw(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3))
    assume(context != CONTEXT)
    blob = world.sealed[2].blob
    answer = send(world, "Decrypt", {"CiphertextBlob": text(blob), "EncryptionContext": context})
    assert answer.code in REFUSALS, answer


@given(data=st.data())
def test_a_changed_mac_is_never_right(world: World, data: st.DataObject) -> None:
    mac, rest = world.mac
    changed = data.draw(changed_bytes(mac, bytes(64)))
    assume(changed != mac)
    answer = send(world, "VerifyMac", {"Mac": text(changed), **rest})
    assert answer.code in {"KMSInvalidMacException", "ValidationException"}, answer


@given(data=st.data())
def test_a_changed_import_token_is_never_right(world: World, data: st.DataObject) -> None:
    token, rest = world.token
    changed = data.draw(changed_bytes(token, bytes(64)) | st.binary(max_size=100))
    assume(changed != token)
    answer = send(
        world, "ImportKeyMaterial", {"ImportToken": text(changed), "EncryptedKeyMaterial": text(b"x" * 256), **rest}
    )
    assert answer.code in {"InvalidImportTokenException", "ValidationException"}, answer
