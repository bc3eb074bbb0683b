"""Where the engine hands over audit records: returns when they are durable, raises TrailUnavailable when they cannot be made so."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from engine import clock
from engine.trail import changes, checkpoints
from engine.trail.groupcommit import GroupCommit
from engine.trail.journal import Journal
from engine.trail.record import ServiceEvent, service_event

_journal: GroupCommit | None = None
_opening = threading.Lock()
_may_create = True


def expect_journal() -> None:
    """In a server's workers: the journal was found at the start. If it is gone it is lost, and is not begun anew."""
    global _may_create
    _may_create = False


def journal() -> GroupCommit:
    """This process's handle on the journal: the data folder's file, or on PostgreSQL the database. Raises TrailUnavailable."""
    global _journal
    found = _journal
    if found is None:
        with _opening:
            found = _journal
            if found is None:
                found = _journal = _open(Path(settings.DATA) / "trail")
    return found


def hold_after(moment: float) -> None:
    """From this monotonic time on nothing is recorded, unless it is moved on; 0 for never. Where the journal is a file."""
    trail = journal()
    if isinstance(trail, Journal):
        trail.hold_after(moment)


def _forget() -> None:
    global _journal
    _journal = None


os.register_at_fork(after_in_child=_forget)  # a forked child opens its own


def _open(folder: Path) -> GroupCommit:
    if connection.vendor == "postgresql":
        from engine.trail.database import DatabaseJournal

        return DatabaseJournal()
    return Journal(folder, create=_may_create)


def record(records: list[bytes]) -> int:
    """Make the records durable, in order; the sequence number of the last. Raises TrailUnavailable."""
    return journal().append_all(records).sequence if records else 0


def record_change(records: list[bytes]) -> bool:
    """Make the records of a change part of its running transaction. True if they stand in the trail whatever becomes of it."""
    found = journal()
    if isinstance(found, Journal):
        changes.record_change(found, records, void)
        return True
    from engine.trail.database import append_in_transaction

    append_in_transaction(records)
    transaction.on_commit(checkpoints.advance_in_file, robust=True)  # committed as it is; the timer tries again
    return False


def void(event_id: str, account_id: str, region: str, reason: str) -> None:
    """Record that the change a durable record tells of never took place. The record itself stays: a trail is never edited."""
    record(
        [
            service_event(
                ServiceEvent(
                    account_id=account_id,
                    region=region,
                    source="kms.amazonaws.com",
                    name="EventVoided",
                    now=clock.now(account_id),
                    details={"voidedEventID": event_id, "reason": reason},
                )
            )
        ]
    )
