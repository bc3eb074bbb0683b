"""Requests of the XKS proxy API, read and checked: what is returned is of the specification, else ProxyError."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Any

import orjson

from kmsconsole.xks_proxy.errors import ProxyError

LARGEST_BODY = 64 * 1024
LARGEST_TEXT = 4300  # bytes of plaintext or ciphertext
LARGEST_ADDITIONAL_DATA = 8192
LARGEST_METADATA = 20
NONCES = (12, 16)
TAG = 16
_LONGEST = 2048  # characters of an ARN, and of what else requestMetadata has

# requestMetadata: the members that an operation needs. Others may be there, and newer ones than these.
_REQUIRED = {
    "health": ("kmsRequestId", "kmsOperation"),
    "metadata": ("awsPrincipalArn", "kmsOperation", "kmsRequestId"),
    "encrypt": ("awsPrincipalArn", "kmsKeyArn", "kmsOperation", "kmsRequestId"),
    "decrypt": ("awsPrincipalArn", "kmsKeyArn", "kmsOperation", "kmsRequestId"),
}
_OPAQUE = "kmsRequestId"  # for which the specification forbids every check: also an empty one is there
_KNOWN = (
    *("awsPrincipalArn", "awsSourceVpc", "awsSourceVpce", "kmsKeyArn"),
    *("kmsOperation", "kmsRequestId", "kmsViaService"),
)


@dataclass(frozen=True)
class Request:
    """`text`: plaintext or ciphertext. `metadata`: the known members of requestMetadata."""

    metadata: dict[str, str]
    text: bytes = field(default=b"", repr=False)
    additional_data: bytes = b""
    wants_integrity_value: bool = False
    nonce: bytes = b""
    tag: bytes = b""
    ciphertext_metadata: bytes = b""


def read(operation: str, content_type: str, body: bytes) -> Request:
    """Raises ProxyError."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _invalid("Content-Type must be application/json.")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as reason:
        raise _invalid("The body is no JSON.") from reason
    if not isinstance(found, dict):
        raise _invalid("The body must be a JSON object.")
    metadata = _metadata(operation, found.get("requestMetadata"))
    if operation not in ("encrypt", "decrypt"):
        return Request(metadata)
    if found.get("encryptionAlgorithm") != "AES_GCM":
        raise _invalid("encryptionAlgorithm must be AES_GCM.")
    additional = _octets(found, "additionalAuthenticatedData", LARGEST_ADDITIONAL_DATA, optional=True)
    if operation == "encrypt":
        algorithm = found.get("ciphertextDataIntegrityValueAlgorithm")
        if algorithm not in (None, "SHA_256"):
            raise _invalid("ciphertextDataIntegrityValueAlgorithm must be SHA_256.")
        plaintext = _octets(found, "plaintext", LARGEST_TEXT)
        return Request(metadata, plaintext, additional, algorithm is not None)
    request = Request(
        metadata,
        _octets(found, "ciphertext", LARGEST_TEXT),
        additional,
        nonce=_octets(found, "initializationVector", LARGEST_TEXT),
        tag=_octets(found, "authenticationTag", LARGEST_TEXT),
        ciphertext_metadata=_octets(found, "ciphertextMetadata", LARGEST_TEXT, optional=True),
    )
    if len(request.nonce) not in NONCES:
        raise _invalid("initializationVector must be of 12 or 16 bytes.")
    if len(request.tag) != TAG:
        raise _invalid("authenticationTag must be of 16 bytes.")
    if len(request.ciphertext_metadata) > LARGEST_METADATA:
        raise _invalid("ciphertextMetadata must be of at most 20 bytes.")
    return request


def _metadata(operation: str, found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise _invalid("requestMetadata is missing.")
    for name in _REQUIRED[operation]:
        if not found.get(name) and not (name == _OPAQUE and found.get(name) == ""):
            raise _invalid(f"{name} of requestMetadata is missing.")
    known = {name: found[name] for name in _KNOWN if found.get(name) is not None}
    for name, value in known.items():
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise _invalid(f"{name} of requestMetadata must be a string of at most {_LONGEST} characters.")
    return known


def _octets(found: dict[str, Any], name: str, largest: int, *, optional: bool = False) -> bytes:
    value = found.get(name)
    if value is None and optional:
        return b""
    if not isinstance(value, str):
        raise _invalid(f"{name} must be a Base64 string.")
    try:
        octets = b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, Base64Error):
        raise _invalid(f"{name} is no Base64.") from None  # the reason may have the text
    if len(octets) > largest:
        raise ProxyError("UnsupportedOperationException", f"{name} is larger than {largest} bytes.")
    return octets


def _invalid(message: str) -> ProxyError:
    return ProxyError("ValidationException", message)
