"""The actions that policies name, by service, and what is known of each KMS operation. Pure."""

from __future__ import annotations

from engine.iam.vocabulary import CONSOLE, SERVICES, actions, matching
from engine.kms_operations import (
    CONTEXT_ACTIONS,
    CRYPTOGRAPHIC,
    MAKES_CIPHERTEXT,
    READ,
    USE,
    WRITE,
    actions_of,
    actions_of_kind,
    grantable_on_kind,
    is_about_key,
    kind_of_call,
    kind_of_key,
)

__all__ = [
    "CONSOLE",
    "CONTEXT_ACTIONS",
    "CRYPTOGRAPHIC",
    "MAKES_CIPHERTEXT",
    "READ",
    "SERVICES",
    "USE",
    "WRITE",
    "actions",
    "actions_of",
    "actions_of_kind",
    "grantable_on_kind",
    "is_about_key",
    "kind_of_call",
    "kind_of_key",
    "matching",
]
