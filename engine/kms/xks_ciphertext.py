"""The ciphertext of KMS keys in external key stores, byte by byte in docs/ciphertext.md: encrypted twice.

The plaintext is encrypted under KMS's own key material first, by a key derived for each message; then the external key encrypts the
result. What the proxy gets and gives never is a plaintext. An HMAC under a second derived key covers every bit of the blob and the
encryption context, so a changed blob is known before the proxy is asked, whatever the proxy checks; and what a proxy decrypts wrongly does
not open under KMS's key. Multi-Region keys are not in key stores, so a blob's key has one Region.
Source: AWS KMS Developer Guide, "Double encryption".
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from engine.kms.ciphertext import Reference, canonical, invalid
from engine.xks.answers import MOST_METADATA, NONCES, TAG, Sealed
from engine.xks.failures import Failure, XksError

MAGIC = b"\x03\x01"  # format, version
_NONCE = 32
_GCM_NONCE = bytes(12)  # each message has a key of its own, so the nonce may be constant
_INNER_TAG = 16
_MAC = 32
_REFERENCE = len(MAGIC) + 6 + 16 + 32
_HEADER = _REFERENCE + _NONCE
_LENGTHS = 2  # of the external nonce and of the proxy's metadata, a byte each
_SMALLEST = _HEADER + _LENGTHS + min(NONCES) + TAG + _INNER_TAG + _MAC
_LABELS = {"inner": b"kmsconsole external ciphertext v1 inner", "mac": b"kmsconsole external ciphertext v1 mac"}

# By the external key: (plaintext, additional data) → what it encrypted, and back. Both may raise XksError.
ExternalEncrypt = Callable[[bytes, bytes], Sealed]
ExternalDecrypt = Callable[[Sealed, bytes], bytes]


def encrypt(
    material: bytes,
    reference: Reference,
    plaintext: bytes,
    context: Mapping[str, str] | None,
    external: ExternalEncrypt,
) -> bytes:
    """A ciphertext blob. `material` is KMS's, 32 bytes. Raises what `external` raises."""
    return encrypt_with_nonce(material, reference, plaintext, context, external, os.urandom(_NONCE))


def encrypt_with_nonce(
    material: bytes,
    reference: Reference,
    plaintext: bytes,
    context: Mapping[str, str] | None,
    external: ExternalEncrypt,
    nonce: bytes,
) -> bytes:
    """As `encrypt`, for the test vectors. A nonce must never be used twice."""
    header = _header(reference) + nonce
    additional = header + canonical(context)
    inner = AESGCM(_derived(material, nonce, "inner")).encrypt(_GCM_NONCE, plaintext, additional)
    digest = sha256(additional).digest()
    sealed = external(inner, digest)
    lengths = bytes((len(sealed.nonce), len(sealed.metadata)))
    outer = lengths + sealed.nonce + sealed.metadata + sealed.tag + sealed.ciphertext
    return header + outer + _mac(material, nonce, digest, outer)


def parse(blob: bytes) -> Reference:
    """Which key and material a blob was made under. Raises InvalidCiphertextException for what is no ciphertext of this format."""
    if len(blob) < _SMALLEST or blob[:2] != MAGIC:
        raise invalid()
    account = int.from_bytes(blob[2:8], "big")
    if account >= 10**12:
        raise invalid()
    return Reference(f"{account:012d}", str(UUID(bytes=blob[8:24])), blob[24:_REFERENCE].hex())


def decrypt(material: bytes, blob: bytes, context: Mapping[str, str] | None, external: ExternalDecrypt) -> bytes:
    """The plaintext of a blob whose reference was parsed.

    Raises InvalidCiphertextException if a bit of it or of the context differs, then without a call of `external`; XksError if what
    `external` gives is not what it was given, and what `external` raises.
    """
    header, outer, mac = blob[:_HEADER], blob[_HEADER:-_MAC], blob[-_MAC:]
    nonce = header[_REFERENCE:]
    additional = header + canonical(context)
    digest = sha256(additional).digest()
    if not hmac.compare_digest(_mac(material, nonce, digest, outer), mac):
        raise invalid()
    inner = external(_sealed(outer), digest)
    try:
        return AESGCM(_derived(material, nonce, "inner")).decrypt(_GCM_NONCE, inner, additional)
    except InvalidTag as reason:
        raise XksError(Failure.INVALID_CIPHERTEXT) from reason


def _sealed(outer: bytes) -> Sealed:
    external_nonce, metadata = outer[0], outer[1]
    if external_nonce not in NONCES or metadata > MOST_METADATA:
        raise invalid()
    ends = [_LENGTHS + external_nonce, _LENGTHS + external_nonce + metadata, _LENGTHS + external_nonce + metadata + TAG]
    if len(outer) < ends[2] + _INNER_TAG:
        raise invalid()
    return Sealed(outer[ends[2] :], outer[_LENGTHS : ends[0]], outer[ends[1] : ends[2]], outer[ends[0] : ends[1]])


def _header(reference: Reference) -> bytes:
    account, key = int(reference.account_id).to_bytes(6, "big"), UUID(reference.key_id)
    return MAGIC + account + key.bytes + bytes.fromhex(reference.material_id)


def _mac(material: bytes, nonce: bytes, digest: bytes, outer: bytes) -> bytes:
    """The digest, which has one length, stands for header and encryption context."""
    return hmac.digest(_derived(material, nonce, "mac"), digest + outer, "sha256")


def _derived(material: bytes, nonce: bytes, use: str) -> bytes:
    """SP 800-108 in counter mode with HMAC-SHA-256, as in the ordinary ciphertext, with a label for each use."""
    kdf = KBKDFHMAC(
        hashes.SHA256(), Mode.CounterMode, 32, 4, 4, CounterLocation.BeforeFixed, _LABELS[use], nonce, fixed=None
    )
    return kdf.derive(material)
