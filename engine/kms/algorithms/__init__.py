"""What each key family can do, over `cryptography` only. One module a family; nothing here knows a key ID, a state or a policy.

Private material is PKCS#8 DER (asymmetric) or raw bytes (symmetric, HMAC); public keys are SubjectPublicKeyInfo DER.
"""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.hazmat.primitives import serialization

from engine.kms.algorithms import ecc, ed25519, mldsa, mlkem, rsa
from engine.kms.specs import KeySpec
from engine.remembered import Remembered
from engine.wire.errors import AWSError

_GENERATORS = {
    "rsa": rsa.generate,
    "ecc": ecc.generate,
    "ed25519": ed25519.generate,
    "mldsa": mldsa.generate,
    "mlkem": mlkem.generate,
}


def generate(spec: KeySpec) -> tuple[bytes, bytes]:
    """New material of a spec: (secret, public key DER). Symmetric and HMAC material has no public key."""
    if spec.family in ("symmetric", "mac"):
        return secrets.token_bytes(spec.size // 8), b""
    if spec.family not in _GENERATORS:
        raise AWSError("UnsupportedOperationException", f"KeySpec {spec.name} is not available here: {spec.lacking}.")
    private = _GENERATORS[spec.family](spec)
    return private_der(private), public_der(private)


def private_der(private: Any) -> bytes:
    encoded: bytes = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded


def public_der(private: Any) -> bytes:
    encoded: bytes = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def load_public(der: bytes) -> Any:
    """A public key object; loading costs more than most verifications."""
    return _public[der]


_public: Remembered[bytes, Any] = Remembered(serialization.load_der_public_key, entries=2048, longest=1024)


def load_private(der: bytes) -> Any:
    """A private key object of PKCS#8 DER that was made or checked here and came out of its envelope unchanged.

    Not cached here: whoever holds the key's snapshot keeps it there. An RSA key's numbers are not checked again, which takes as long as
    some hundred signatures: `wrapping.checked` has done so with what was imported.
    """
    return serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
