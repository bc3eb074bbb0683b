"""Condition keys of policies: what each is made of, and the values that a key has. Pure."""

from __future__ import annotations

from engine.iam.condition_keys import (
    CALLER_ACCOUNT,
    KeyFacts,
    Values,
    is_known_beforehand,
    is_of_request,
    of_encryption_context,
    of_key,
    says_who,
)

__all__ = [
    "CALLER_ACCOUNT",
    "KeyFacts",
    "Values",
    "is_known_beforehand",
    "is_of_request",
    "of_encryption_context",
    "of_key",
    "says_who",
]
