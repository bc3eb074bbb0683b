"""Ed25519 (RFC 8032): ED25519_SHA_512 over the whole message. Ed25519ph is not in the cryptography package and is refused."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from engine.kms.specs import KeySpec
from engine.wire.errors import AWSError

LACKING = "ED25519_PH_SHA_512"


def generate(spec: KeySpec) -> Any:
    return ed25519.Ed25519PrivateKey.generate()


def _refuse_prehashed(algorithm: str) -> None:
    if algorithm == LACKING:
        raise AWSError(
            "UnsupportedOperationException",
            f"{LACKING} is not available here: Ed25519ph is not in the cryptography package.",
        )


def sign(private: Any, algorithm: str, message: bytes, prehashed: bool) -> bytes:
    _refuse_prehashed(algorithm)
    signature: bytes = private.sign(message)
    return signature


def verify(public: Any, algorithm: str, message: bytes, signature: bytes, prehashed: bool) -> bool:
    _refuse_prehashed(algorithm)
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True
