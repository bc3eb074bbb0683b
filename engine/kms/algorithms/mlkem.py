"""ML-KEM (FIPS 203), parameter sets 768 and 1024. The cryptography package has no ML-KEM-512."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import mlkem

from engine.kms.specs import KeySpec

_KINDS: dict[int, Any] = {768: mlkem.MLKEM768PrivateKey, 1024: mlkem.MLKEM1024PrivateKey}


def generate(spec: KeySpec) -> Any:
    return _KINDS[spec.size].generate()


def encapsulate(public: Any) -> tuple[bytes, bytes]:
    """(shared secret of 32 bytes, its encapsulation)."""
    secret, encapsulated = public.encapsulate()
    return secret, encapsulated


def decapsulate(private: Any, encapsulated: bytes) -> bytes:
    """The shared secret; an encapsulation that was changed gives another secret (FIPS 203). Raises ValueError for a wrong length."""
    secret: bytes = private.decapsulate(encapsulated)
    return secret
