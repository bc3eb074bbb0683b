"""The ciphertext of keys in external key stores: twice encrypted, authenticated in every bit, and as docs/ciphertext.md has it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kms import ciphertext, xks_ciphertext
from engine.kms.ciphertext import Reference
from engine.wire.errors import AWSError
from engine.xks.answers import Sealed
from engine.xks.failures import Failure, XksError

PAGE = Path(__file__).parents[3] / "docs" / "ciphertext.md"
MATERIAL = bytes(range(32))
REFERENCE = Reference("111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab", "ab" * 32)
CONTEXT = {"purpose": "test", "tenant": "té"}


class ExternalKey:
    """An external key as a proxy of the specification uses it."""

    def __init__(self, key: bytes = bytes(range(32, 64)), nonce: bytes = b"", metadata: bytes = b"v1") -> None:
        self.key, self.nonce, self.metadata = AESGCM(key), nonce, metadata
        self.seen: list[bytes] = []
        self.calls = 0

    def encrypt(self, plaintext: bytes, additional: bytes) -> Sealed:
        self.seen.append(plaintext)
        nonce = self.nonce or os.urandom(12)
        sealed = self.key.encrypt(nonce, plaintext, _full(additional, self.metadata))
        return Sealed(sealed[:-16], nonce, sealed[-16:], self.metadata)

    def decrypt(self, sealed: Sealed, additional: bytes) -> bytes:
        self.calls += 1
        try:
            found = self.key.decrypt(sealed.nonce, sealed.ciphertext + sealed.tag, _full(additional, sealed.metadata))
        except InvalidTag:
            raise XksError(Failure.CIPHERTEXT_REJECTED) from None
        self.seen.append(found)
        return found


def _full(additional: bytes, metadata: bytes) -> bytes:
    return len(additional).to_bytes(2, "big") + additional + bytes([len(metadata)]) + metadata


def encrypt(external: ExternalKey, plaintext: bytes = b"hello") -> bytes:
    return xks_ciphertext.encrypt(MATERIAL, REFERENCE, plaintext, CONTEXT, external.encrypt)


@given(
    st.binary(max_size=4096),
    st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    st.sampled_from([12, 16]),
    st.binary(max_size=20),
)
@settings(max_examples=50)
def test_what_is_encrypted_opens(plaintext: bytes, context: dict[str, str], nonce: int, metadata: bytes) -> None:
    external = ExternalKey(nonce=os.urandom(nonce), metadata=metadata)
    blob = xks_ciphertext.encrypt(MATERIAL, REFERENCE, plaintext, context, external.encrypt)
    assert xks_ciphertext.parse(blob) == REFERENCE
    assert xks_ciphertext.decrypt(MATERIAL, blob, context, external.decrypt) == plaintext


def test_the_external_key_never_sees_the_plaintext() -> None:
    external = ExternalKey()
    xks_ciphertext.decrypt(MATERIAL, encrypt(external, b"secret of 16 octets"), CONTEXT, external.decrypt)
    assert len(external.seen) == 2
    assert all(b"secret" not in seen for seen in external.seen)


def test_the_largest_plaintext_is_within_what_a_proxy_must_take_and_kms_takes_back() -> None:
    external = ExternalKey(nonce=bytes(16), metadata=bytes(20))
    blob = encrypt(external, bytes(4096))
    assert len(external.seen[0]) <= 4300
    assert len(blob) <= 6144


def test_every_bit_is_authenticated_before_the_proxy_is_asked() -> None:
    external = ExternalKey()
    blob = encrypt(external)
    for position in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(AWSError, match="InvalidCiphertextException"):
            _open(bytes(changed), external)
    assert external.calls == 0


def _open(blob: bytes, external: ExternalKey) -> bytes:
    xks_ciphertext.parse(blob)
    return xks_ciphertext.decrypt(MATERIAL, blob, CONTEXT, external.decrypt)


@pytest.mark.parametrize("context", [None, {}, {"purpose": "test"}, {**CONTEXT, "more": ""}, {"tenant": "test"}])
def test_another_context_does_not_open(context: dict[str, str] | None) -> None:
    external = ExternalKey()
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        xks_ciphertext.decrypt(MATERIAL, encrypt(external), context, external.decrypt)
    assert external.calls == 0


def test_a_cut_or_lengthened_blob_does_not_open() -> None:
    external = ExternalKey()
    blob = encrypt(external)
    for length in range(len(blob)):
        with pytest.raises(AWSError, match="InvalidCiphertextException"):
            _open(blob[:length], external)
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        _open(blob + b"\0", external)


@pytest.mark.parametrize("lie", ["another message's", "octets of the right length", "the wrong length"])
def test_what_a_proxy_decrypts_wrongly_is_not_released(lie: str) -> None:
    external = ExternalKey()
    blob, other = encrypt(external, b"hello"), encrypt(external, b"world")
    del other
    said = {"another message's": external.seen[1], "octets of the right length": bytes(21), "the wrong length": b""}
    with pytest.raises(XksError) as caught:
        xks_ciphertext.decrypt(MATERIAL, blob, CONTEXT, lambda sealed, additional: said[lie])
    assert caught.value.failure is Failure.INVALID_CIPHERTEXT


def test_a_ciphertext_of_another_external_key_is_refused_by_the_proxy() -> None:
    blob = encrypt(ExternalKey(key=bytes(32)))
    with pytest.raises(XksError) as caught:
        xks_ciphertext.decrypt(MATERIAL, blob, CONTEXT, ExternalKey().decrypt)
    assert caught.value.failure is Failure.CIPHERTEXT_REJECTED


def test_the_external_key_alone_does_not_open() -> None:
    external = ExternalKey()
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        xks_ciphertext.decrypt(bytes(32), encrypt(external), CONTEXT, external.decrypt)


@given(st.binary(max_size=400).map(lambda rest: xks_ciphertext.MAGIC + rest))
def test_octets_of_any_kind_are_an_invalid_ciphertext(blob: bytes) -> None:
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        _open(blob, ExternalKey())


def test_the_formats_are_told_apart() -> None:
    external = ExternalKey()
    ordinary = ciphertext.encrypt(MATERIAL, REFERENCE, b"hello", None)
    assert encrypt(external)[:1] != ordinary[:1]
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        ciphertext.parse(encrypt(external))
    with pytest.raises(AWSError, match="InvalidCiphertextException"):
        xks_ciphertext.parse(ordinary)


def _vectors() -> list[list[str]]:
    section = PAGE.read_text().partition("### Test vectors of external key stores")[2].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def test_the_page_has_vectors() -> None:
    assert len(_vectors()) == 2


@pytest.mark.parametrize("row", _vectors(), ids=["no context", "context"])
def test_the_page_tells_the_bytes(row: list[str]) -> None:
    plaintext, context, nonce, metadata, expected = row
    external = ExternalKey(nonce=bytes.fromhex(nonce), metadata=bytes.fromhex(metadata))
    made = xks_ciphertext.encrypt_with_nonce(
        MATERIAL, REFERENCE, bytes.fromhex(plaintext), json.loads(context), external.encrypt, bytes(range(100, 132))
    )
    assert made.hex() == expected
    assert xks_ciphertext.decrypt(MATERIAL, made, json.loads(context), external.decrypt).hex() == plaintext
