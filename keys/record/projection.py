"""The embedded record's changes, kept in order of their own (keys.record.models), so that no page of the past reads a million uses of keys.

It follows the record when a page of the past is asked for, never while the API answers, in pieces of `_WINDOW` events and for as long as the
page may wait; the next page goes on where it stopped. An event that was voided later is taken out again. A record that is another one
(put back from a backup, exchanged) is noticed by the last change that was kept, and read anew. Before records are removed by the retention
rule it takes in all that they tell.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db.models import QuerySet

from keys.record import events, iam_events, snapshots
from keys.record.models import HistoryEvent, HistoryState

KEY, IAM = "key", "iam"
_KINDS = {**dict.fromkeys(snapshots.KEY_EVENTS, KEY), **dict.fromkeys(iam_events.NAMES, IAM)}
_VOIDED = "EventVoided"
NAMES = (*_KINDS, _VOIDED)
_WINDOW = 50_000  # numbers of the record that one piece spans; what is not of these names is not read
_PARTS = ("eventID", "eventName", "eventTime", "awsRegion", "sourceIPAddress", "requestParameters", "responseElements")


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of the record: `done` of `total` were looked through."""

    done: int
    total: int

    @property
    def whole(self) -> bool:
        return self.done >= self.total

    @property
    def percent(self) -> int:
        return 100 if self.whole else 100 * self.done // max(1, self.total)


def catch_up(account_id: str, seconds: float) -> Progress:
    """Read on from where it stopped, for about so long."""
    end = time.monotonic() + seconds
    latest = events.latest_sequence(account_id)
    state = HistoryState.objects.get_or_create(account_id=account_id)[0]
    if not _is_of_this_record(state, latest):
        forget(account_id)
        state = HistoryState.objects.get_or_create(account_id=account_id)[0]
    while state.through < latest:
        until = min(latest, state.through + _WINDOW)
        _take_over(state, until)
        if time.monotonic() > end:
            break
    return Progress(state.through, latest)


def forget(account_id: str) -> None:
    """Drop what is kept: the next page of the past makes it anew."""
    HistoryEvent.objects.filter(account_id=account_id).delete()
    HistoryState.objects.filter(account_id=account_id).delete()


def _is_of_this_record(state: HistoryState, latest: int) -> bool:
    removed = events.removed_through()
    if state.through > max(latest, removed):
        return False
    return (
        state.last_sequence <= removed
        or events.event_id_at(state.account_id, state.last_sequence) == state.last_event_id
    )


def _take_over(state: HistoryState, until: int) -> None:
    rows: list[HistoryEvent] = []
    voided: list[str] = []
    for sequence, record in events.changes(state.account_id, NAMES, state.through, until):
        if record["eventName"] == _VOIDED:
            voided.append(record["serviceEventDetails"]["voidedEventID"])
        elif not record.get("errorCode") and not record.get("voided"):
            rows += _rows(state.account_id, sequence, record)
    # Another worker may be at the same piece: both write the same.
    HistoryEvent.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    if voided:
        HistoryEvent.objects.filter(account_id=state.account_id, event_id__in=voided).delete()
    state.through = until
    last = next((row for row in reversed(rows) if row.event_id not in voided), None)
    if last is not None:
        state.last_sequence, state.last_event_id = last.sequence, last.event_id
    changed = {"through": until, "last_sequence": state.last_sequence, "last_event_id": state.last_event_id}
    HistoryState.objects.filter(account_id=state.account_id, through__lt=until).update(**changed)


def _rows(account_id: str, sequence: int, record: dict[str, Any]) -> Iterator[HistoryEvent]:
    identity = record.get("userIdentity", {})
    kept = {name: record[name] for name in _PARTS if record.get(name) is not None}
    kept["userIdentity"] = {name: identity[name] for name in ("arn", "invokedBy") if identity.get(name)}
    kept["resources"] = [{"ARN": each["ARN"]} for each in record.get("resources") or ()]
    kind = _KINDS[record["eventName"]]
    named = [each["ARN"] for each in kept["resources"]] if kind == KEY else [IAM]
    text = json.dumps(kept, separators=(",", ":"))
    for entity in dict.fromkeys(named):
        yield HistoryEvent(
            account_id=account_id,
            kind=kind,
            entity=entity,
            sequence=sequence,
            event_id=record["eventID"],
            time=datetime.fromisoformat(record["eventTime"]),
            record=text,
        )


def begins(account_id: str) -> datetime | None:
    """When what is known of an account begins: changes stay known when their records are removed by the retention rule."""
    mine = HistoryEvent.objects.filter(account_id=account_id).order_by("sequence").values_list("time", flat=True)
    kept = [mine.filter(kind=kind).first() for kind in (KEY, IAM)]  # each by the index of its order
    known = [each for each in (*kept, events.begins(account_id)) if each is not None]
    return min(known, default=None)


def of_key(account_id: str, arn: str, until: datetime) -> list[dict[str, Any]]:
    return _records(HistoryEvent.objects.filter(account_id=account_id, entity=arn, time__lte=until))


def of_kind(
    account_id: str, kind: str, until: datetime | None = None, after: datetime | None = None
) -> list[dict[str, Any]]:
    return _records(_of_kind(account_id, kind, until, after))


def stream(account_id: str, kind: str, until: datetime, after: datetime | None) -> Iterator[dict[str, Any]]:
    """The same one by one, however many: in the order they happened, one that names several keys once."""
    found = _of_kind(account_id, kind, until, after).order_by("sequence").values_list("sequence", "record")
    last = None
    for sequence, text in found.iterator(chunk_size=1_000):
        if sequence != last:
            yield {**orjson.loads(text), "sequence": sequence}
        last = sequence


def number(account_id: str, kind: str, until: datetime, after: datetime | None) -> int:
    """How many there are; one that names several keys counts for each."""
    return _of_kind(account_id, kind, until, after).count()


def _of_kind(account_id: str, kind: str, until: datetime | None, after: datetime | None) -> QuerySet[HistoryEvent]:
    found = HistoryEvent.objects.filter(account_id=account_id, kind=kind)
    if until is not None:
        found = found.filter(time__lte=until)
    if after is not None:
        found = found.filter(time__gt=after)
    return found


def is_in_order(account_id: str, kind: str, moment: datetime) -> bool:
    """Whether every change up to `moment` stands in the record before every later one (its times are whole seconds)."""
    mine = HistoryEvent.objects.filter(account_id=account_id, kind=kind)
    last = mine.filter(time__lte=moment).order_by("-sequence").values_list("sequence", flat=True).first()
    first = mine.filter(time__gt=moment).order_by("sequence").values_list("sequence", flat=True).first()
    return last is None or first is None or last < first


def _records(found: QuerySet[HistoryEvent]) -> list[dict[str, Any]]:
    """In the order they happened; one that names several keys once. Each has its number as `sequence`."""
    numbered: Iterable[tuple[int, str]] = found.order_by("sequence").values_list("sequence", "record")
    return [{**orjson.loads(text), "sequence": sequence} for sequence, text in dict(numbered).items()]
