"""Differences that readings of another endpoint's keys show: what a key was at one reading and is not at the next. Nothing else may tell of them,
where the endpoint keeps no record of calls, or keeps it for ninety days. The embedded engine's record tells of all that happens there.

Between which moments it happened is known, and not when, nor by whom.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from keys.inventory.models import InventoryKey, ObservedChange


def _text(value: Any) -> str:
    return str(value or "")


def _moment(value: datetime | None) -> str:
    return value.isoformat() if value is not None else ""


# Columns that somebody's change alone changes, or the dates that it set; each as the text that is kept.
COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "state": _text,
    "deletion_date": _moment,
    "valid_to": _moment,
    "description": _text,
    "aliases": lambda value: "\n".join(value),
    "tags": lambda value: "\n".join(f"{name}={value[name]}" for name in sorted(value)),
    "rotation": _text,
    "regionality": _text,
    "public": _text,
}


def follows(scope: str) -> bool:
    """Whether readings of a scope are compared: those of other endpoints (keys.endpoints.backends names them by a letter first)."""
    return not scope.isdigit()


def compare(place: Mapping[str, str], known: InventoryKey, values: Mapping[str, Any]) -> None:
    """Keep what differs between a row and what was read of its key just now. Within the transaction that writes the row."""
    found = {
        name: [before, after]
        for name, text in COLUMNS.items()
        if name in values and (before := text(getattr(known, name))) != (after := text(values[name]))
    }
    if found and known.readable:
        ObservedChange.objects.create(
            **place, key_id=known.key_id, after=known.read_at, before=timezone.now(), facts=json.dumps(found)
        )


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """A key as it was read last, and in what earlier readings differed, the oldest first."""

    key: InventoryKey
    differences: Sequence[ObservedChange]

    def at(self, moment: datetime) -> tuple[dict[str, str], frozenset[str]]:
        """(column → text as it was at a moment, which of them are not known). What a difference is about is not known from the reading before
        it on until the one that found it, and nothing is before the first reading."""
        texts = {name: text(getattr(self.key, name)) for name, text in COLUMNS.items()}
        unknown: set[str] = set()
        for each in reversed(self.differences):
            if each.before <= moment:
                break
            for name, (before, _after) in json.loads(each.facts).items():
                texts[name] = before
                (unknown.add if each.after is None or each.after < moment else unknown.discard)(name)
        if self.key.first_read is None or moment < self.key.first_read:
            unknown = set(COLUMNS)
        return texts, frozenset(unknown)

    def read_by(self, moment: datetime) -> datetime | None:
        """The last reading up to a moment of those that are known; None where there is none."""
        known = [self.key.first_read, self.key.read_at]
        known += [time for each in self.differences for time in (each.after, each.before)]
        return max((each for each in known if each is not None and each <= moment), default=None)
