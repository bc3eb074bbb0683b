"""Signatures of what is posted to others, in the form of Standard Webhooks (standardwebhooks.com, version 1).

The headers are `webhook-id` (the same for each attempt, so that a receiver can drop what it has), `webhook-timestamp` (seconds) and
`webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`. A secret is `whsec_` and base64 of 24 to 64 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets

_PREFIX = "whsec_"
_BYTES = range(24, 65)


class SecretError(ValueError):
    """The text is no secret of this form. It is not repeated in the message."""


def new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key(secret: str) -> bytes:
    """The HMAC key of a secret. Raises SecretError."""
    try:
        found = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not secret.startswith(_PREFIX) or len(found) not in _BYTES:
        raise SecretError("a secret is whsec_ and the base64 of 24 to 64 bytes")
    return found


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one message. Raises SecretError."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.digest(key(secret), signed, "sha256")).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{digest}"}
