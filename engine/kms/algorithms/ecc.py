"""Elliptic curves: ECDSA signatures (DER, ANSI X9.62) and ECDH (the raw x coordinate, NIST SP 800-56A)."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from engine.kms.algorithms.rsa import DIGESTS
from engine.kms.specs import KeySpec

CURVES: dict[str, ec.EllipticCurve] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


def generate(spec: KeySpec) -> Any:
    return ec.generate_private_key(CURVES[spec.curve])


def _scheme(algorithm: str, prehashed: bool) -> ec.ECDSA:
    digest = DIGESTS[algorithm[-3:]]
    return ec.ECDSA(Prehashed(digest) if prehashed else digest)


def sign(private: Any, algorithm: str, message: bytes, prehashed: bool) -> bytes:
    signature: bytes = private.sign(message, _scheme(algorithm, prehashed))
    return signature


def verify(public: Any, algorithm: str, message: bytes, signature: bytes, prehashed: bool) -> bool:
    try:
        public.verify(signature, message, _scheme(algorithm, prehashed))
    except InvalidSignature:
        return False
    return True


def agree(private: Any, public: Any) -> bytes:
    """The shared secret with the owner of `public`. Raises ValueError if the curves differ."""
    secret: bytes = private.exchange(ec.ECDH(), public)
    return secret
