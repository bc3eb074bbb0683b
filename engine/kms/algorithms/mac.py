"""HMAC (FIPS 198-1, RFC 2104) with SHA-2."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac

_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "HMAC_SHA_224": hashes.SHA224(),
    "HMAC_SHA_256": hashes.SHA256(),
    "HMAC_SHA_384": hashes.SHA384(),
    "HMAC_SHA_512": hashes.SHA512(),
}


def compute(key: bytes, algorithm: str, message: bytes) -> bytes:
    mac = hmac.HMAC(key, _DIGESTS[algorithm])
    mac.update(message)
    return mac.finalize()


def verify(key: bytes, algorithm: str, message: bytes, given: bytes) -> bool:
    mac = hmac.HMAC(key, _DIGESTS[algorithm])
    mac.update(message)
    try:
        mac.verify(given)
    except InvalidSignature:
        return False
    return True
