"""RSA: OAEP encryption, PKCS #1 v1.5 and PSS signatures (RFC 8017). PSS salts are as long as the digest, as in AWS KMS."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from engine.kms.specs import KeySpec

DIGESTS: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
OAEP: dict[str, hashes.HashAlgorithm] = {"RSAES_OAEP_SHA_1": hashes.SHA1(), "RSAES_OAEP_SHA_256": hashes.SHA256()}  # noqa: S303


def generate(spec: KeySpec) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=spec.size)


def plaintext_limit(size: int, algorithm: str) -> int:
    """The longest plaintext in bytes that OAEP takes with a modulus of `size` bits (RFC 8017, section 7.1.1)."""
    return size // 8 - 2 * OAEP[algorithm].digest_size - 2


def _oaep(algorithm: str) -> padding.OAEP:
    digest = OAEP[algorithm]
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)


def encrypt(public: Any, algorithm: str, plaintext: bytes) -> bytes:
    encrypted: bytes = public.encrypt(plaintext, _oaep(algorithm))
    return encrypted


def decrypt(private: Any, algorithm: str, ciphertext: bytes) -> bytes:
    """Raises ValueError for what does not open."""
    plaintext: bytes = private.decrypt(ciphertext, _oaep(algorithm))
    return plaintext


def _scheme(algorithm: str) -> tuple[Any, hashes.HashAlgorithm]:
    digest = DIGESTS[algorithm[-3:]]
    if algorithm.startswith("RSASSA_PSS"):
        return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size), digest
    return padding.PKCS1v15(), digest


def sign(private: Any, algorithm: str, message: bytes, prehashed: bool) -> bytes:
    scheme, digest = _scheme(algorithm)
    signature: bytes = private.sign(message, scheme, Prehashed(digest) if prehashed else digest)
    return signature


def verify(public: Any, algorithm: str, message: bytes, signature: bytes, prehashed: bool) -> bool:
    scheme, digest = _scheme(algorithm)
    try:
        public.verify(signature, message, scheme, Prehashed(digest) if prehashed else digest)
    except InvalidSignature:
        return False
    return True
