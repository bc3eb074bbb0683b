"""The policies that a call was given, of its record."""

from __future__ import annotations

from typing import Any

from keys.policy import policy_document

_PARAMETERS = ("policy", "policyDocument", "assumeRolePolicyDocument")


def policies_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(parameter, text) as it is shown."""
    return [(name, policy_document.pretty(text)) for name, text in given_policies(record)]


def given_policies(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The same, as the call had them."""
    given = record.get("requestParameters") or {}
    return [(name, given[name]) for name in _PARAMETERS if isinstance(given.get(name), str) and given[name]]
