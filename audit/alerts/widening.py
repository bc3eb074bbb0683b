"""Whether a key policy allows more than the one before it, by what its statements say. Pure.

It errs towards yes: a statement whose conditions changed may allow more or less, and is named.
"""

from __future__ import annotations

from keys.policy import policy_changes, policy_document
from keys.policy.policy_changes import ADDED, REMOVED, ElementChange, StatementChange

_NEGATED = ("NotAction", "NotPrincipal", "NotResource")


def widened(older: str, newer: str) -> list[str]:
    """The statements (Sid, or place in the policy) by which the newer policy may allow more; none if it does not."""
    change = policy_changes.difference(older, newer)
    if not change.readable:
        return []
    effects = _effects(newer)
    return [each.sid or f"#{each.number}" for each in change.statements if _allows_more(each, effects)]


def _effects(policy: str) -> list[str]:
    document = policy_document.shallow_json(policy)
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    listed = statements if isinstance(statements, list) else [statements]
    return [str(each.get("Effect")) if isinstance(each, dict) else "" for each in listed]


def _allows_more(change: StatementChange, effects: list[str]) -> bool:
    if change.mark == REMOVED:
        return any(each.name == "Effect" and "Deny" in each.removed for each in change.elements)
    allows = effects[change.number - 1] == "Allow"
    if change.mark == ADDED:
        return allows
    if any(each.name == "Effect" for each in change.elements):
        return allows
    return any(_matches_more(each) if allows else _matches_less(each) for each in change.elements)


def _matches_more(change: ElementChange) -> bool:
    """Whether the element may match more than before."""
    if change.name == "Sid":
        return False
    if change.name.startswith("Condition "):
        return True
    return bool(change.removed if change.name.startswith(_NEGATED) else change.added)


def _matches_less(change: ElementChange) -> bool:
    if change.name == "Sid":
        return False
    if change.name.startswith("Condition "):
        return True
    return bool(change.added if change.name.startswith(_NEGATED) else change.removed)
