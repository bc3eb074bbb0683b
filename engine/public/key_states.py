"""Key states, and what an operation answers in each. Pure."""

from __future__ import annotations

from engine.kms.states import (
    DISABLED,
    ENABLED,
    PENDING_DELETION,
    PENDING_IMPORT,
    PENDING_REPLICA_DELETION,
    refusal,
    wrong_origin,
)

__all__ = [
    "DISABLED",
    "ENABLED",
    "PENDING_DELETION",
    "PENDING_IMPORT",
    "PENDING_REPLICA_DELETION",
    "refusal",
    "wrong_origin",
]
