"""Imported key material: unwrapping it, checking that it is what the key's spec wants, and naming it.

RSAES_OAEP wraps the material itself; RSA_AES_KEY_WRAP wraps an AES key with OAEP and the material with AES-KWP (RFC 5649).
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from engine.kms import algorithms
from engine.kms.algorithms import rsa as oaep
from engine.kms.algorithms.ecc import CURVES
from engine.kms.specs import KeySpec
from engine.wire.errors import AWSError

# HMAC keys may be brought in any length between these (AWS KMS Developer Guide, "Importing key material").
_HMAC_BYTES = {224: (28, 64), 256: (32, 64), 384: (48, 128), 512: (64, 128)}
_OAEP_OF_KEY_WRAP = {"RSA_AES_KEY_WRAP_SHA_1": "RSAES_OAEP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256": "RSAES_OAEP_SHA_256"}


def unwrap(private: Any, algorithm: str, wrapped: bytes) -> bytes:
    """The material. Raises InvalidCiphertextException if it does not open."""
    try:
        if algorithm in _OAEP_OF_KEY_WRAP:
            size = private.key_size // 8
            key = oaep.decrypt(private, _OAEP_OF_KEY_WRAP[algorithm], wrapped[:size])
            return keywrap.aes_key_unwrap_with_padding(key, wrapped[size:])
        return oaep.decrypt(private, algorithm, wrapped)
    except (ValueError, keywrap.InvalidUnwrap) as reason:
        raise AWSError("InvalidCiphertextException", "") from reason


def checked(spec: KeySpec, material: bytes) -> tuple[bytes, bytes]:
    """(secret, public key DER) of material that fits `spec`. Raises IncorrectKeyMaterialException."""
    if spec.family == "symmetric":
        if len(material) != spec.size // 8:
            raise _incorrect()
        return material, b""
    if spec.family == "mac":
        shortest, longest = _HMAC_BYTES[spec.size]
        if not shortest <= len(material) <= longest:
            raise _incorrect()
        return material, b""
    try:
        private = serialization.load_der_private_key(material, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise _incorrect() from reason
    if not _fits(spec, private):
        raise _incorrect()
    return algorithms.private_der(private), algorithms.public_der(private)


def _fits(spec: KeySpec, private: Any) -> bool:
    if spec.family == "rsa":
        return isinstance(private, rsa.RSAPrivateKey) and private.key_size == spec.size
    if spec.family == "ecc":
        return isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == CURVES[spec.curve].name
    return spec.family == "ed25519" and isinstance(private, ed25519.Ed25519PrivateKey)


def _incorrect() -> AWSError:
    return AWSError(
        "IncorrectKeyMaterialException", "The key material does not have the length and format of the key's spec."
    )


def material_id(account_id: str, key_id: str, secret: bytes) -> str:
    """The ID of material: the same for the same bytes in the same key, telling nothing of them (keyed by the material itself)."""
    return hmac.new(secret, f"kmsconsole material id|{account_id}|{key_id}".encode(), sha256).hexdigest()
