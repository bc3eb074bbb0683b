"""Private keys of SAML providers, which open encrypted assertions, and whether assertions have to be encrypted.

A provider has two at most, for a change of keys; the newest is tried first. Nothing gives a key out.
Source: IAM User Guide, "Create a SAML identity provider in IAM" and "Troubleshoot SAML federation with IAM" (the sentences).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from engine.iam.credentials import GLOBAL, new_unique_id
from engine.iam.models import SAMLPrivateKey, SAMLProvider
from engine.vault import domain_keys
from engine.wire.errors import AWSError

REQUIRED, ALLOWED = "Required", "Allowed"
_KIND = "saml-private-key"
_MOST, _LEAST_BITS = 2, 2048
_ID = 22  # characters, the least that the model allows


def check(provider: SAMLProvider | None, parameters: dict[str, Any]) -> RSAPrivateKey | None:
    """The key that a request adds; None for none. Raises AWSError for what may not be asked for of this provider, or of a new one."""
    kept = [] if provider is None else [each.key_id for each in provider.private_keys.all()]
    removed = parameters.get("RemovePrivateKey")
    if removed is not None and "AddPrivateKey" in parameters:
        raise _refused(
            "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."
        )
    if removed is not None and removed not in kept:
        raise _refused("Failed to remove private key because the Key ID does not match a private key.")
    added = _read(parameters["AddPrivateKey"]) if "AddPrivateKey" in parameters else None
    if added is not None and len(kept) >= _MOST:
        raise AWSError("LimitExceeded", f"Private key limit of {_MOST} is reached.")
    left = [each for each in kept if each != removed]
    if mode_of(provider, parameters) == REQUIRED and not left and added is None:
        if removed is not None:
            raise _refused("Failed to remove private key.")
        raise _refused("Unable to set assertion encryption mode to Required because no private key is provided.")
    return added


def mode_of(provider: SAMLProvider | None, parameters: dict[str, Any]) -> str:
    before = ALLOWED if provider is None else provider.encryption_mode
    return str(parameters.get("AssertionEncryptionMode", before))


def _read(text: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(text.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise _refused("Invalid private key.") from reason
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise _refused("Invalid private key.")
    return key


def _refused(message: str) -> AWSError:
    return AWSError("InvalidInput", message)


def add(provider: SAMLProvider, key: RSAPrivateKey, now: datetime) -> None:
    key_id = new_unique_id("SAMLPK")[:_ID]
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = domain_keys.seal(_KIND, provider.account_id, GLOBAL, key_id, "", plain)
    SAMLPrivateKey.objects.create(provider=provider, key_id=key_id, wrapped=wrapped, created=now)


def of(provider: SAMLProvider) -> list[RSAPrivateKey]:
    """The newest first."""
    found = []
    for row in provider.private_keys.order_by("-created", "-pk"):
        plain = domain_keys.open_(_KIND, provider.account_id, GLOBAL, row.key_id, "", bytes(row.wrapped))
        key = load_der_private_key(plain, password=None)
        assert isinstance(key, RSAPrivateKey)  # what `add` stores
        found.append(key)
    return found


def entries(provider: SAMLProvider) -> list[dict[str, Any]]:
    rows = provider.private_keys.order_by("created", "pk")
    return [{"KeyId": row.key_id, "Timestamp": row.created} for row in rows]
