"""The ciphertext format: docs/ciphertext.md is the specification, and its vectors are opened here without our code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kms import ciphertext
from engine.kms.ciphertext import Reference
from engine.wire.errors import AWSError

MATERIAL = bytes(range(32))
NONCE = bytes(range(100, 132))
PAGE = (Path(__file__).parents[3] / "docs" / "ciphertext.md").read_text()
ROW = re.compile(r"\| (\d{12}) \| (\S+) \| `(..)` × 32 \| `(\w*)` \| `(\{.*\})` \| `(\w+)` \|")
VECTORS = [
    (Reference(account, key_id, material * 32), bytes.fromhex(plain), json.loads(context), bytes.fromhex(blob))
    for account, key_id, material, plain, context, blob in ROW.findall(PAGE)
]
contexts = st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5)


def test_the_page_has_vectors_for_both_kinds_of_key() -> None:
    assert [reference.key_id[:4] for reference, *_ in VECTORS] == ["1234", "mrk-"]


@pytest.mark.parametrize(("reference", "plaintext", "context", "blob"), VECTORS)
def test_a_published_vector_is_made_and_opened(
    reference: Reference, plaintext: bytes, context: dict[str, str], blob: bytes
) -> None:
    assert ciphertext.encrypt_with_nonce(MATERIAL, reference, plaintext, context, NONCE) == blob
    assert ciphertext.parse(blob) == reference
    assert ciphertext.decrypt(MATERIAL, blob, context) == plaintext


@pytest.mark.parametrize(("reference", "plaintext", "context", "blob"), VECTORS)
def test_a_published_vector_opens_with_the_cryptography_packages_kdf_and_gcm(
    reference: Reference, plaintext: bytes, context: dict[str, str], blob: bytes
) -> None:
    derive = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"kmsconsole ciphertext v2",
        context=NONCE,
        fixed=None,
    )
    key = derive.derive(MATERIAL)
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    canonical = b"".join(len(part).to_bytes(4, "big") + part for pair in pairs for part in pair)
    assert AESGCM(key).decrypt(bytes(12), blob[89:], blob[:89] + canonical) == plaintext


@given(plaintext=st.binary(max_size=4096), context=contexts)
@settings(max_examples=200, deadline=None)
def test_any_plaintext_and_context_come_back(plaintext: bytes, context: dict[str, str]) -> None:
    reference = Reference("111122223333", "mrk-" + "0a" * 16, "cd" * 32)
    blob = ciphertext.encrypt(MATERIAL, reference, plaintext, context)
    assert len(blob) == len(plaintext) + ciphertext.OVERHEAD
    assert ciphertext.decrypt(MATERIAL, blob, dict(reversed(context.items()))) == plaintext


@given(one=contexts, other=contexts)
def test_different_contexts_are_never_the_same_bytes(one: dict[str, str], other: dict[str, str]) -> None:
    assert (ciphertext.canonical(one) == ciphertext.canonical(other)) == (one == other)


@given(blob=st.binary(max_size=300))
def test_bytes_that_are_no_ciphertext_are_refused(blob: bytes) -> None:
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        ciphertext.decrypt(MATERIAL, blob[:1] + b"\x02" + blob[2:], {}) if len(blob) > 105 else ciphertext.parse(blob)


def test_every_single_bit_flip_is_refused(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    for position in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(ClientError) as refused:
            kms.decrypt(CiphertextBlob=bytes(flipped), EncryptionContext={"a": "b"})
        code = refused.value.response["Error"]["Code"]
        # With another account's number it names a key there, of which nobody learns whether there is one.
        elsewhere = position // 8 in range(3, 9) and int.from_bytes(flipped[3:9], "big") < 10**12
        assert code == ("AccessDeniedException" if elsewhere else "InvalidCiphertextException"), position


@pytest.mark.parametrize("context", [{}, {"a": "c"}, {"A": "b"}, {"a": "b", "c": "d"}])
def test_another_encryption_context_is_refused(kms: Any, context: dict[str, str]) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
    assert refused.value.response["Error"] == {"Code": "InvalidCiphertextException", "Message": ""}
