"""Public keys as people pass them on: PEM text, and the fingerprint by which two people compare them."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization


def from_der(der: bytes) -> str:
    """SubjectPublicKeyInfo as PEM; empty for an algorithm the cryptography package does not know."""
    try:
        public = serialization.load_der_public_key(der)
    except (UnsupportedAlgorithm, ValueError):
        return ""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(der: bytes) -> str:
    """SHA-256 of the DER, in pairs of digits: what `openssl pkey -pubin -outform DER | sha256sum` prints."""
    return hashlib.sha256(der).hexdigest()
