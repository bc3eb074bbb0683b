"""A proxy's answers, read strictly: of the specification in every member that is used, or XksError(INVALID_RESPONSE).

Members that the specification does not know are passed over: a proxy may be newer. Nothing of a wrong answer is handed on.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NoReturn

import orjson

from engine.xks.connection import HttpAnswer
from engine.xks.failures import ERROR_NAMES, Failure, XksError

NONCES = (12, 16)  # bytes of an initialization vector
TAG = 16
MOST_METADATA = 20
_MOST_MANAGERS = 10
_MOST_USAGES = 10
_LONGEST_TEXT = 1024  # characters of what an answer names; the specification sets no limit
_LONGEST_MESSAGE = 512


@dataclass(frozen=True)
class Manager:
    """An external key manager behind a proxy. `health_status`: ACTIVE, DEGRADED or UNAVAILABLE."""

    id: str
    model: str
    health_status: str


@dataclass(frozen=True)
class Health:
    fleet_size: int
    vendor: str
    model: str
    manager_vendor: str
    managers: tuple[Manager, ...]


@dataclass(frozen=True)
class KeyMetadata:
    spec: str
    usage: tuple[str, ...]
    status: str

    @property
    def is_suitable(self) -> bool:
        """Whether a KMS key may be made of it."""
        return self.spec == "AES_256" and {"ENCRYPT", "DECRYPT"} <= set(self.usage) and self.status == "ENABLED"


@dataclass(frozen=True)
class Sealed:
    """What an external key has encrypted."""

    ciphertext: bytes
    nonce: bytes
    tag: bytes
    metadata: bytes = b""


def members(operation: str, answer: HttpAnswer) -> dict[str, Any]:
    """The JSON object of a successful answer. Raises XksError for the error that a proxy answers."""
    if answer.content_type != "application/json":
        _invalid()
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        _invalid()
    if not isinstance(found, dict):
        _invalid()
    if answer.status == 200:
        return found
    if answer.status < 400:
        _invalid()
    name, message = found.get("errorName"), found.get("errorMessage", "")
    failure, operations = ERROR_NAMES.get(name, (None, frozenset())) if isinstance(name, str) else (None, frozenset())
    if failure is None or operation not in operations:
        _invalid()
    raise XksError(failure, message if _is_message(message) else "")


def health(found: dict[str, Any]) -> Health:
    size, entries = found.get("xksProxyFleetSize"), found.get("ekmFleetDetails")
    if type(size) is not int or size < 1 or not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_MANAGERS:
        _invalid()
    managers = []
    for each in entries:
        if not isinstance(each, dict):
            _invalid()
        status = _one_of(each, "healthStatus", ("ACTIVE", "DEGRADED", "UNAVAILABLE"))
        managers.append(Manager(_text(each, "id"), _text(each, "model"), status))
    return Health(
        size, _text(found, "xksProxyVendor"), _text(found, "xksProxyModel"), _text(found, "ekmVendor"), tuple(managers)
    )


def key_metadata(found: dict[str, Any]) -> KeyMetadata:
    usage = found.get("keyUsage")
    if not isinstance(usage, list) or len(usage) > _MOST_USAGES or not all(isinstance(each, str) for each in usage):
        _invalid()
    return KeyMetadata(_text(found, "keySpec"), tuple(usage), _one_of(found, "keyStatus", ("ENABLED", "DISABLED")))


def encrypted(found: dict[str, Any], plaintext_length: int, additional_data: bytes) -> Sealed:
    """The answer to an Encrypt request that asked for a ciphertext data integrity value, which is checked."""
    sealed = Sealed(
        _octets(found, "ciphertext"),
        _octets(found, "initializationVector"),
        _octets(found, "authenticationTag"),
        _octets(found, "ciphertextMetadata") if found.get("ciphertextMetadata") is not None else b"",
    )
    if (
        len(sealed.ciphertext) != plaintext_length
        or len(sealed.nonce) not in NONCES
        or len(sealed.tag) != TAG
        or len(sealed.metadata) > MOST_METADATA
    ):
        _invalid()
    if not hmac.compare_digest(
        _octets(found, "ciphertextDataIntegrityValue"), integrity_value(sealed, additional_data)
    ):
        _invalid()
    return sealed


def integrity_value(sealed: Sealed, additional_data: bytes) -> bytes:
    """The ciphertext data integrity value (SHA_256), Appendix C of the specification."""
    return sha256(additional_data + sealed.metadata + sealed.nonce + sealed.ciphertext + sealed.tag).digest()


def decrypted(found: dict[str, Any], ciphertext_length: int) -> bytes:
    plaintext = _octets(found, "plaintext")
    if len(plaintext) != ciphertext_length:
        _invalid()
    return plaintext


def _invalid() -> NoReturn:
    raise XksError(Failure.INVALID_RESPONSE) from None


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        _invalid()
    return value


def _one_of(found: dict[str, Any], name: str, values: tuple[str, ...]) -> str:
    value = _text(found, name)
    if value not in values:
        _invalid()
    return value


def _octets(found: dict[str, Any], name: str) -> bytes:
    """Standard Base64 (RFC 4648, section 4) in its one canonical spelling."""
    value = found.get(name)
    if not isinstance(value, str):
        _invalid()
    try:
        octets = b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, Base64Error):
        _invalid()
    if b64encode(octets).decode() != value:
        _invalid()
    return octets


def _is_message(value: object) -> bool:
    return isinstance(value, str) and len(value) < _LONGEST_MESSAGE and value.isascii() and value.isprintable()
