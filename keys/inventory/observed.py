"""Differences that readings of another endpoint's keys show: what a key was at one reading and is not at the next. Nothing else may tell of them,
where the endpoint keeps no record of calls, or keeps it for ninety days. The embedded engine's record tells of all that happens there.

Between which moments it happened is known, and not when, nor by whom.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
