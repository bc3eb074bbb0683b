"""The ciphertext of keys in a token: docs/ciphertext.md is the specification, and its vectors are opened without our code, and by a token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pkcs11 import Attribute, KeyType, ObjectClass

from engine.hsm.token import Token
from engine.kms import token_ciphertext
from engine.kms.ciphertext import Reference
from engine.wire.errors import AWSError
from tests.support.softhsm import MODULE, PIN, SoftHsm

ACCOUNT, KEY_ID = "111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab"
VALUE, NONCE = bytes(range(32)), bytes(range(100, 112))
PAGE = (Path(__file__).parents[4] / "docs" / "ciphertext.md").read_text()
SECTION = PAGE.partition("### Test vectors of keys in a CloudHSM key store")[2].partition("\n## ")[0]
VECTORS = [
    (bytes.fromhex(plain), json.loads(context), bytes.fromhex(blob))
    for plain, context, blob in re.findall(r"\| `(\w*)` \| `(\{.*\})` \| `(\w+)` \|", SECTION)
]


def canonical(context: dict[str, str]) -> bytes:
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    return b"".join(len(part).to_bytes(4, "big") + part for pair in pairs for part in pair)


def test_the_page_has_vectors() -> None:
    assert len(VECTORS) == 2


@pytest.mark.parametrize(("plaintext", "context", "blob"), VECTORS)
def test_a_published_vector_opens_with_the_cryptography_package(
    plaintext: bytes, context: dict[str, str], blob: bytes
) -> None:
    assert blob[:24] == b"\x02\x01" + int(ACCOUNT).to_bytes(6, "big") + UUID(KEY_ID).bytes
    assert AESGCM(VALUE).decrypt(blob[24:36], blob[36:], blob[:24] + canonical(context)) == plaintext


@pytest.mark.parametrize(("plaintext", "context", "blob"), VECTORS)
def test_a_published_vector_opens_in_a_token_that_has_the_vectors_key(
    plaintext: bytes, context: dict[str, str], blob: bytes, softhsm: SoftHsm, request: pytest.FixtureRequest
) -> None:
    label = f"vector {VECTORS.index((plaintext, context, blob))}"
    softhsm.make(label)
    token = Token(MODULE, label, PIN)
    object_id = UUID(KEY_ID).bytes
    token._call(
        lambda session: session.opened.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.ID: object_id,
                Attribute.VALUE: VALUE,
                Attribute.TOKEN: True,
                Attribute.ENCRYPT: True,
                Attribute.DECRYPT: True,
            }
        )
    )
    header, nonce, sealed, tag = token_ciphertext.parts(blob)
    assert token_ciphertext.parse(blob) == Reference(ACCOUNT, KEY_ID, "")
    assert (header, nonce) == (token_ciphertext.header_of(ACCOUNT, KEY_ID), NONCE)
    additional = token_ciphertext.additional_data(header, context)
    assert token.decrypt(object_id, nonce, sealed, tag, additional) == plaintext


@given(blob=st.binary(max_size=100))
def test_bytes_that_are_no_ciphertext_are_refused(blob: bytes) -> None:
    for each in (blob, b"\x02\x01" + blob[:40], b"\x02\x02" + blob, b"\x02\x01" + b"\xff" * 6 + blob):
        if len(each) < token_ciphertext.OVERHEAD or each[:2] != token_ciphertext.MAGIC or each[2:8] == b"\xff" * 6:
            with pytest.raises(AWSError, match="InvalidCiphertextException"):
                token_ciphertext.parse(each)
