"""What a principal may see of the keys, decided for all of them at once: no AWS API answers that."""

from __future__ import annotations

from engine.visibility import (
    Viewer,
    changed_keys,
    denied_actions,
    is_allowed,
    key_conditions,
    latest_change,
    refusals,
    viewer,
)

__all__ = [
    "Viewer",
    "changed_keys",
    "denied_actions",
    "is_allowed",
    "key_conditions",
    "latest_change",
    "refusals",
    "viewer",
]
