"""Changes and their records where the journal is a file: the record is durable before its change is committed, so a crash between
the two leaves a record of nothing. Whoever changes something next, in any worker, says so in the trail first.

Before a change appends its record it leaves the number that the record cannot be below in memory that all workers share
(`changes` in the trail's folder); its commit moves the stored mark to the record's own number. A mark below what was left there
means that the change never came to be. Changes take turns by the database's write lock, so there is at most one such change.
After a power failure the shared number may be gone: a server's start looks at everything beyond the mark.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from engine.store.models import TrailMark
from engine.trail import checkpoints
from engine.trail.journal import Journal
from engine.trail.journal_reader import position_after, read

_BYTES = 8

Void = Callable[[str, str, str, str], None]  # event ID, account ID, Region, reason


def committed() -> int:
    """The number of the last record whose change was committed."""
    return TrailMark.objects.filter(id=1).values_list("sequence", flat=True).first() or 0


def record_change(journal: Journal, records: list[bytes], void: Void) -> None:
    """Make the records of a change durable inside its transaction. Raises TrailUnavailable."""
    mark = committed()
    shared = _shared(os.getpid(), journal.path.parent)
    if int.from_bytes(shared[:_BYTES]) > mark:
        void_uncommitted(journal, mark, void, "its transaction was never committed")
    shared[:_BYTES] = (journal.position()[1] + 1).to_bytes(_BYTES)
    for each in records:
        last = journal.append_all([each])
    checkpoints.mark_change(last.sequence, last.digest)


@cache
def _shared(process: int, folder: Path) -> mmap.mmap:
    del process  # a forked child maps it anew
    descriptor = os.open(folder / "changes", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < _BYTES:
            os.ftruncate(descriptor, _BYTES)
        return mmap.mmap(descriptor, _BYTES)
    finally:
        os.close(descriptor)


def void_uncommitted(journal: Journal, mark: int, void: Void, reason: str) -> int:
    """Void each record of a change beyond `mark` that is not voided yet. Returns how many. No change may be under way."""
    found = uncommitted(journal.path, mark)
    for each in found:
        void(each.event_id, each.account_id, each.region, reason)
    return len(found)


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """A record of a change that was not committed. Records of one change have the same `change`."""

    event_id: str
    account_id: str
    region: str
    change: str
    time: str


# What is recorded inside a change's transaction: calls of the API and of the console, and these events of the service itself.
_CHANGING_TYPES = ("AwsApiCall", "AwsConsoleAction")
_CHANGING_EVENTS = ("RootKeyRotated",)


def uncommitted(path: Path, mark: int) -> list[Uncommitted]:
    """The records of changes beyond `mark` that are not voided, in order."""
    found: dict[str, Uncommitted] = {}
    for entry in read(path, position_after(path, mark)):
        event = orjson.loads(entry.record)
        name, event_id = event["eventName"], event["eventID"]
        if name == "EventVoided":
            found.pop(event["serviceEventDetails"]["voidedEventID"], None)
        elif name in _CHANGING_EVENTS or (
            event["eventType"] in _CHANGING_TYPES and not event["readOnly"] and "errorCode" not in event
        ):
            change = event.get("requestID") or (name if name in _CHANGING_EVENTS else event_id)
            account_id = event["recipientAccountId"]
            found[event_id] = Uncommitted(event_id, account_id, event["awsRegion"], change, event["eventTime"])
    return list(found.values())
