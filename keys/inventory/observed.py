"""Differences that readings of another endpoint's keys show: what a key was at one reading and is not at the next. Nothing else may tell of them,
where the endpoint keeps no record of calls, or keeps it for ninety days. The embedded engine's record tells of all that happens there.

Between which moments it happened is known, and not when, nor by whom. Of a key that the list no longer has, the last reading is kept as a
final difference, so that the past still has the key. Why it is no longer there is not known: it was deleted, or may no longer be listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from keys.inventory import reads
from keys.inventory.models import InventoryKey, ObservedChange

MOST_GONE = 10_000  # disappearances that are kept of a list; the oldest are forgotten first
GONE = "gone"  # the facts of a disappearance, in place of a column
_IS_GONE = f'{{"{GONE}"'  # how such facts begin
# What else of a key is kept when it is no longer listed.
_OF_KEY = ("arn", "spec", "usage", "origin", "created", "first_read")


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

# What a reading may not be told → the column.
_UNTOLD = {reads.ALIASES: "aliases", reads.TAGS: "tags", reads.ROTATION: "rotation", reads.POLICY: "public"}


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


def keep_gone(place: Mapping[str, str], known: InventoryKey) -> None:
    """Keep a row whose key is no longer listed. Within the transaction that deletes it."""
    if known.readable and known.manager == "CUSTOMER" and known.created is not None:
        kept = {name: getattr(known, name) for name in (*_OF_KEY, *COLUMNS)}
        facts = json.dumps({GONE: kept}, default=_moment)
        ObservedChange.objects.create(
            **place, key_id=known.key_id, after=known.read_at, before=timezone.now(), facts=facts
        )


def forget_oldest_gone(place: Mapping[str, str]) -> None:
    """Keep the newest `MOST_GONE` disappearances of a list, and nothing of what came before one that is forgotten."""
    gone = ObservedChange.objects.filter(**place, facts__startswith=_IS_GONE).order_by("-before", "-pk")
    for each in gone[MOST_GONE:]:
        ObservedChange.objects.filter(**place, key_id=each.key_id, before__lte=each.before).delete()


def is_gone(change: ObservedChange) -> bool:
    return change.facts.startswith(_IS_GONE)


def _kept_key(gone: ObservedChange) -> InventoryKey:
    """The row that `keep_gone` kept."""
    kept = json.loads(gone.facts)[GONE]
    for name in ("created", "first_read", "deletion_date", "valid_to"):
        kept[name] = datetime.fromisoformat(kept[name]) if kept[name] else None
    return InventoryKey(
        account_id=gone.account_id,
        region=gone.region,
        key_id=gone.key_id,
        manager="CUSTOMER",
        read_at=gone.after,
        **kept,
    )


def last_state(gone: ObservedChange) -> str:
    """The state that the last reading before a disappearance found."""
    return str(json.loads(gone.facts)[GONE]["state"])


def _stays(key: InventoryKey | None, differences: Sequence[ObservedChange]) -> list[ObservedRow]:
    """Each time that a key was in the list, the oldest first. `key` is None where it is not listed now; `differences` are all of the key, the
    oldest first."""
    stays: list[ObservedRow] = []
    since: list[ObservedChange] = []
    for each in differences:
        if is_gone(each):
            stays.append(ObservedRow(_kept_key(each), since, each))
            since = []
        else:
            since.append(each)
    if key is not None:
        stays.append(ObservedRow(key, since))
    return stays


def listed_again(key: InventoryKey | None, differences: Sequence[ObservedChange]) -> list[datetime]:
    """When readings found a key in the list again that had left it. As for `_stays`."""
    return [each.key.first_read for each in _stays(key, differences)[1:] if each.key.first_read is not None]


def row_at(key: InventoryKey | None, differences: Sequence[ObservedChange], moment: datetime) -> ObservedRow | None:
    """What readings tell of a key around a moment: it may have left the list and come back. As for `_stays`."""
    stays = _stays(key, differences)
    begun = [each for each in stays if each.key.first_read is not None and each.key.first_read <= moment]
    return begun[-1] if begun else next(iter(stays), None)


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """A key as it was read last, and in what earlier readings differed, the oldest first. `gone`: that a later reading did not list it."""

    key: InventoryKey
    differences: Sequence[ObservedChange]
    gone: ObservedChange | None = None

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
        for bit, name in _UNTOLD.items():  # what the last reading was not told
            if (self.key.unread or 0) & bit and (not texts[name] or (self.key.read_at or moment) <= moment):
                unknown.add(name)
        if self.gone is not None and (self.gone.after is None or self.gone.after < moment):
            unknown = set(COLUMNS)
        return texts, frozenset(unknown)

    def gone_by(self, moment: datetime) -> datetime | None:
        """When a reading up to a moment first did not list the key; None while it was listed."""
        return self.gone.before if self.gone is not None and self.gone.before <= moment else None

    def read_by(self, moment: datetime) -> datetime | None:
        """The last reading up to a moment of those that are known; None where there is none."""
        known = [self.key.first_read, self.key.read_at]
        known += [time for each in self.differences for time in (each.after, each.before)]
        return max((each for each in known if each is not None and each <= moment), default=None)
