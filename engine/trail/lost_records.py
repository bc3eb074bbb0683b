"""Going on after records of the audit trail were lost: what is missing is recorded, and the checkpoint begins anew.

Only an administrator on the machine asks for it (`kmsconsole accept_lost_records`), with no server running.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.transaction import on_commit

from engine import clock, durable_files
from engine.store import transaction
from engine.trail import changes, checkpoints, log, recorder, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.journal_reader import base, read
from engine.trail.record import ServiceEvent, service_event

_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was missing, and where the journal is kept as it was found (file journal)."""

    sentence: str
    kept: Path | None


def accept(reason: str, accounts: Sequence[str]) -> Accepted | None:
    """Record in `accounts` what is missing and let the trail go on from what is there. None if nothing is missing.

    Raises TrailUnavailable, OSError or DatabaseError.
    """
    if not _missing():
        return None
    kept = None
    if connection.vendor != "postgresql":
        kept = _keep_what_is_whole(Path(settings.DATA) / "trail")
    sentence = _missing()  # of what is kept: behind a break in the chain nothing can be appended
    journal = recorder.journal()
    journal.recover()
    if isinstance(journal, Journal):  # of a database that was exchanged for an older one
        changes.void_uncommitted(
            journal, changes.committed(), recorder.void, "the database that held the change is lost"
        )
    details = {"missing": sentence, "reason": reason, "checkpointNotReached": checkpoints.stored_text()}
    records = [
        service_event(
            ServiceEvent(
                account_id=account_id,
                region=_REGION,
                source="kms.amazonaws.com",
                name="AuditRecordsLost",
                now=clock.now(account_id),
                details=details,
            )
        )
        for account_id in accounts
    ]
    with transaction.write():
        if isinstance(journal, Journal):
            checkpoints.restart(*journal.durable_end())
        else:  # once what is recorded here is committed
            on_commit(partial(checkpoints.advance_in_file, anew=True))
        recorder.record_change(records)
    log.begin_anew_where_lost()
    return Accepted(sentence, kept)


def _missing() -> str:
    """What is missing as a sentence; empty if nothing is."""
    try:
        return verify.missing()
    except verify.RecordsMissing as reason:
        return str(reason.__cause__)


def _keep_what_is_whole(trail: Path) -> Path | None:
    """Cut the journal where its chain first breaks; it is copied before as it was found. The copy's path; None if there is no journal."""
    journal, kept = trail / "journal", None
    if journal.exists():
        kept = trail / f"journal.found-{datetime.now().strftime('%Y%m%dT%H%M%S')}"
        with open(journal, "rb") as found, durable_files.new_file(kept) as copy:
            found.seek(base(journal).offset)  # what is sealed stays where it is
            shutil.copyfileobj(found, copy)
        with open(journal, "r+b") as file:
            file.truncate(_whole_bytes(journal))
    (trail / "lock").unlink(missing_ok=True)  # what it says of the journal is of another one
    return kept


def _whole_bytes(journal: Path) -> int:
    end, sequence, digest = base(journal)
    try:
        for entry in read(journal, end):
            if not entry.follows(sequence, digest):
                break
            sequence, digest, end = entry.sequence, entry.digest, entry.end
    except TrailUnavailable:
        return end
    return end
