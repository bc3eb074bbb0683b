"""Encoded authorization messages: why a call was refused, for whoever may decode it (sts:DecodeAuthorizationMessage).

The message is sealed under the account's domain key, so only this account's decode it. Source: STS API Reference,
DecodeAuthorizationMessage.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import orjson

from engine.iam.credentials import GLOBAL
from engine.iam.decide import EXPLICIT_DENY, Decision
from engine.vault import domain_keys

_PURPOSE = "authorization-message"


def encode(decision: Decision) -> str:
    request = decision.request
    matched = {
        "items": [
            {"statementId": ref.statement.sid or "", "effect": "DENY" if not ref.statement.allows else "ALLOW"}
            for ref in decision.deciding
        ]
    }
    conditions = [
        {
            "key": name,
            "values": {"items": [{"value": each} for each in ((value,) if isinstance(value, str) else value)]},
        }
        for name, value in request.context.items()
    ]
    message: dict[str, Any] = {
        "allowed": decision.allowed,
        "explicitDeny": decision.reason == EXPLICIT_DENY,
        "matchedStatements": matched,
        "failures": {"items": []},
        "context": {
            "principal": {"id": request.principal.unique_id, "arn": request.principal.arn},
            "action": request.action,
            "resource": request.resource,
            "conditions": {"items": conditions},
        },
    }
    packed = zlib.compress(orjson.dumps(message))
    account_id = request.principal.account_id
    return base64.urlsafe_b64encode(domain_keys.seal(_PURPOSE, account_id, GLOBAL, "", "", packed)).decode()


def decode(account_id: str, encoded: str) -> str:
    """Raises ValueError for what is no message of this account."""
    try:
        sealed = base64.b64decode(encoded.encode(), altchars=b"-_", validate=True)
        return zlib.decompress(domain_keys.open_(_PURPOSE, account_id, GLOBAL, "", "", sealed)).decode()
    except (binascii.Error, zlib.error, ValueError) as reason:
        raise ValueError("not a message of this account") from reason
