"""The policies that a call was given, of its record."""

from __future__ import annotations

from typing import Any

from keys.policy import policy_document

_PARAMETERS = ("policy", "policyDocument", "assumeRolePolicyDocument")


def policies_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(parameter, text)."""
    given = record.get("requestParameters") or {}
    found = [(name, given[name]) for name in _PARAMETERS if isinstance(given.get(name), str)]
    return [(name, policy_document.pretty(text)) for name, text in found if text]
