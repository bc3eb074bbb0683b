"""The symmetric ciphertext, byte by byte in docs/ciphertext.md.

A per-message key is derived from the key material and a random nonce by NIST SP 800-108 (counter mode, HMAC-SHA-256); the message
is sealed with AES-256-GCM under it. Additional data is the header and the encryption context in canonical order, so every bit of
the blob and of the context is authenticated. The blob names key and material but no Region: a multi-Region replica opens it.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.wire.errors import AWSError

_MAGIC = b"\x01\x02"  # format, version
_SINGLE_REGION, _MULTI_REGION = 0, 1
_NONCE = 32
_GCM_NONCE = bytes(12)  # each message has a key of its own, so the nonce may be constant
_LABEL = b"kmsconsole ciphertext v2"
_FIXED_BEFORE, _FIXED_AFTER = (1).to_bytes(4, "big") + _LABEL + b"\0", (256).to_bytes(4, "big")
_TAG = 16
HEADER = len(_MAGIC) + 1 + 6 + 16 + 32 + _NONCE
OVERHEAD = HEADER + _TAG


@dataclass(frozen=True, slots=True)
class Reference:
    """Which key and material a ciphertext was made under."""

    account_id: str
    key_id: str
    material_id: str


def encrypt(material: bytes, reference: Reference, plaintext: bytes, context: Mapping[str, str] | None) -> bytes:
    """A ciphertext blob, OVERHEAD bytes longer than the plaintext. `material` is 32 bytes."""
    return encrypt_under(material, header_of(reference), plaintext, context)


def encrypt_with_nonce(
    material: bytes, reference: Reference, plaintext: bytes, context: Mapping[str, str] | None, nonce: bytes
) -> bytes:
    """As `encrypt`, for the test vectors. A nonce must never be used twice."""
    return _seal(material, header_of(reference), plaintext, context, nonce)


def encrypt_under(material: bytes, header: bytes, plaintext: bytes, context: Mapping[str, str] | None) -> bytes:
    """As `encrypt`, for a reference whose `header_of` the caller keeps."""
    return _seal(material, header, plaintext, context, os.urandom(_NONCE))


def _seal(
    material: bytes, reference: bytes, plaintext: bytes, context: Mapping[str, str] | None, nonce: bytes
) -> bytes:
    header = reference + nonce
    sealed = AESGCM(_message_key(material, nonce)).encrypt(_GCM_NONCE, plaintext, header + canonical(context))
    return header + sealed


def parse(blob: bytes) -> Reference:
    """The reference of a blob. Raises InvalidCiphertextException for what is no ciphertext of this format."""
    if len(blob) < OVERHEAD or blob[:2] != _MAGIC or blob[2] > _MULTI_REGION:
        raise invalid()
    return _unpack(blob[: HEADER - _NONCE])


@lru_cache(maxsize=20_000)
def _unpack(header: bytes) -> Reference:
    account = int.from_bytes(header[3:9], "big")
    if account >= 10**12:
        raise invalid()
    key = UUID(bytes=header[9:25])
    key_id = f"mrk-{key.hex}" if header[2] == _MULTI_REGION else str(key)
    return Reference(f"{account:012d}", key_id, header[25:57].hex())


def decrypt(material: bytes, blob: bytes, context: Mapping[str, str] | None) -> bytes:
    """The plaintext of a blob whose reference was parsed. Raises InvalidCiphertextException if a bit of it or of the context differs."""
    nonce = blob[HEADER - _NONCE : HEADER]
    try:
        return AESGCM(_message_key(material, nonce)).decrypt(
            _GCM_NONCE, blob[HEADER:], blob[:HEADER] + canonical(context)
        )
    except InvalidTag as reason:
        raise invalid() from reason


def invalid() -> AWSError:
    return AWSError("InvalidCiphertextException", "")


def canonical(context: Mapping[str, str] | None) -> bytes:
    """The encryption context as bytes: pairs sorted by the UTF-8 of their names, each string preceded by its length (4 bytes)."""
    if not context:
        return b""
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    return b"".join(
        len(name).to_bytes(4, "big") + name + len(value).to_bytes(4, "big") + value for name, value in pairs
    )


def header_of(reference: Reference) -> bytes:
    """The part of the header that is the same in all ciphertexts of a key material."""
    multi_region = reference.key_id.startswith("mrk-")
    key = UUID(reference.key_id.removeprefix("mrk-"))
    kind = _MULTI_REGION if multi_region else _SINGLE_REGION
    return b"".join(
        (
            _MAGIC,
            bytes((kind,)),
            int(reference.account_id).to_bytes(6, "big"),
            key.bytes,
            bytes.fromhex(reference.material_id),
        )
    )


def _message_key(material: bytes, nonce: bytes) -> bytes:
    """SP 800-108 in counter mode: 256 bits are one block of its HMAC-SHA-256, with the counter 1 before the fixed input."""
    return hmac.digest(material, _FIXED_BEFORE + nonce + _FIXED_AFTER, "sha256")
