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
            patterns = [listed] if isinstance(listed, str) else listed
            actions: list[str] = []
            for pattern in patterns:
                allowed = _allowed(pattern, known)
                if allowed is None:
                    actions.append(pattern)
                    continue
                unused = allowed - kept
                removed |= unused
                actions += [pattern] if not unused else sorted(allowed & kept)
            if not actions:
                continue
            if actions != patterns:
                statement["Action"] = list(dict.fromkeys(actions))
        statements.append(statement)
    made["Statement"] = statements
    return Tightened(made if statements else None, tuple(sorted(removed)))


def _allowed(pattern: str, services: frozenset[str]) -> frozenset[str] | None:
    """The actions that a pattern is about; None where that is not known."""
    service = pattern.partition(":")[0].lower()
    return frozenset(vocabulary.matching(pattern)) if service in services else None
