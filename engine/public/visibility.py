"""What a principal may see of the keys, decided for all of them at once: no AWS API answers that."""

from __future__ import annotations

from engine.common_property import AllowedKeys, allowed_keys
from engine.denials import Denials, denied_actions, refusals
from engine.refusal import Resource, entity_arn, key_resources, refusal, resource
from engine.visibility import (
    Viewer,
    changed_keys,
    first_aliases,
    is_allowed,
    key_conditions,
    latest_change,
    viewer,
)

__all__ = [
    "AllowedKeys",
    "Denials",
    "Resource",
    "Viewer",
    "allowed_keys",
    "changed_keys",
    "denied_actions",
    "entity_arn",
    "first_aliases",
    "is_allowed",
    "key_conditions",
    "key_resources",
    "latest_change",
    "refusal",
    "refusals",
    "resource",
    "viewer",
]
