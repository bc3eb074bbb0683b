"""What a principal may see of the keys, decided for all of them at once: no AWS API answers that."""

from __future__ import annotations

from engine.common_property import AllowedKeys, allowed_keys
from engine.denials import Denials, denied_actions, refusals
from engine.premises import Conflict, Premises
from engine.premises import both as both_premises
from engine.premises import hold as premises_hold
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
    "Conflict",
    "Denials",
    "Premises",
    "Resource",
    "Viewer",
    "allowed_keys",
    "both_premises",
    "changed_keys",
    "denied_actions",
    "entity_arn",
    "first_aliases",
    "is_allowed",
    "key_conditions",
    "key_resources",
    "latest_change",
    "premises_hold",
    "refusal",
    "refusals",
    "resource",
    "viewer",
]
