"""The ciphertext of keys whose material is in a PKCS#11 token, byte by byte in docs/ciphertext.md: AES-256-GCM by the token.

Additional data is the header and the encryption context in canonical order; with nonce and tag every bit of the blob and of the context is
authenticated. Such keys are of one Region and have one material, so the blob names the key alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from engine.kms.ciphertext import Reference, canonical, invalid

MAGIC = b"\x02\x01"  # format, version
NONCE, TAG = 12, 16
HEADER = len(MAGIC) + 6 + 16
OVERHEAD = HEADER + NONCE + TAG


def header_of(account_id: str, key_id: str) -> bytes:
    return b"".join((MAGIC, int(account_id).to_bytes(6, "big"), UUID(key_id).bytes))


def additional_data(header: bytes, context: Mapping[str, str] | None) -> bytes:
    return header + canonical(context)


def parse(blob: bytes) -> Reference:
    """Which key a blob was made under; material in a token has no ID. Raises InvalidCiphertextException for another format."""
    account = int.from_bytes(blob[2:8], "big")
    if len(blob) < OVERHEAD or blob[:2] != MAGIC or account >= 10**12:
        raise invalid()
    return Reference(f"{account:012d}", str(UUID(bytes=blob[8:HEADER])), "")


def parts(blob: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """(header, nonce, ciphertext, tag) of a blob. Raises InvalidCiphertextException for one of another format."""
    parse(blob)
    body = HEADER + NONCE
    return blob[:HEADER], blob[HEADER:body], blob[body:-TAG], blob[-TAG:]
