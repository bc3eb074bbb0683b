"""ML-DSA (FIPS 204): the whole message (RAW), or its 64-byte representative mu computed elsewhere (EXTERNAL_MU)."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa

from engine.kms.specs import KeySpec

MU_BYTES = 64
_KINDS: dict[int, Any] = {44: mldsa.MLDSA44PrivateKey, 65: mldsa.MLDSA65PrivateKey, 87: mldsa.MLDSA87PrivateKey}


def generate(spec: KeySpec) -> Any:
    return _KINDS[spec.size].generate()


def sign(private: Any, algorithm: str, message: bytes, prehashed: bool) -> bytes:
    signature: bytes = private.sign_mu(message) if prehashed else private.sign(message)
    return signature


def verify(public: Any, algorithm: str, message: bytes, signature: bytes, prehashed: bool) -> bool:
    try:
        if prehashed:
            public.verify_mu(signature, message)
        else:
            public.verify(signature, message)
    except InvalidSignature:
        return False
    return True
