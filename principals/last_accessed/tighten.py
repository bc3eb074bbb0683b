"""A policy without the actions that were not used: what its statements allow is replaced by what of it was. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.public import vocabulary


@dataclass(frozen=True, slots=True)
class Tightened:
    """`document` is None where nothing would be left; `removed` are actions (service:Name) that the policy allowed."""

    document: dict[str, Any] | None
    removed: tuple[str, ...]


def tightened(document: dict[str, Any], used: Iterable[str], services: Iterable[str]) -> Tightened:
    """`services` are those of which it is known what was used. Denials, NotAction and patterns for any service stay as they are."""
    known, kept = frozenset(services), frozenset(used)
    made = copy.deepcopy(document)
    written = made["Statement"]
    statements: list[dict[str, Any]] = []
    removed: set[str] = set()
    for statement in written if isinstance(written, list) else [written]:
        if statement["Effect"] == "Allow" and "Action" in statement:
            listed = statement["Action"]
            actions, unused = _narrowed([listed] if isinstance(listed, str) else listed, kept, known)
            removed |= unused
            if not actions:
                continue
            if unused:
                statement["Action"] = actions
        statements.append(statement)
    made["Statement"] = statements
    return Tightened(made if statements else None, tuple(sorted(removed)))


def _narrowed(patterns: list[str], kept: frozenset[str], services: frozenset[str]) -> tuple[list[str], set[str]]:
    """The patterns without what of them is not `kept`, and that."""
    actions: list[str] = []
    removed: set[str] = set()
    for pattern in patterns:
        allowed = _allowed(pattern, services)
        unused = allowed - kept
        removed |= unused
        actions += sorted(allowed & kept) if unused else [pattern]
    return list(dict.fromkeys(actions)), removed


def _allowed(pattern: str, services: frozenset[str]) -> frozenset[str]:
    """The actions that a pattern is about; none where that is not known."""
    service = pattern.partition(":")[0].lower()
    return frozenset(vocabulary.matching(pattern)) if service in services else frozenset()
