"""Is the record complete and unchanged? The chain of a journal file, and what the stored checkpoint names (engine.trail.checkpoints).

All of an installation's trail is engine.trail.verification's to read. A start walks only what was written last, compares as well, and refuses to go on where records are missing; it also tells which
changes never took place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import orjson
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from engine import clock
from engine.trail import changes, checkpoints, journal_reader, log, recorder
from engine.trail.checkpoints import Checkpoint
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.journal_lines import GENESIS
from engine.trail.journal_reader import last_record, position_after, read, torn_bytes
from engine.trail.segments import Boundary


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken_at` is the sequence number at which the chain first breaks or ends too early (0: nowhere); `torn` the bytes of an unfinished
    last line; `missing` how many records the trail must have held and does not. Reading began at record `first`; a signed checkpoint covers the
    first `covered` records. `removed`: what was removed by the retention rule, a sentence each. `mended`: where what events are looked up by
    said something else than the records, and was made anew from them, a sentence each."""

    records: int
    last_hash: str
    broken_at: int
    reason: str
    torn: int
    missing: int = 0
    first: int = 1
    covered: int = 0
    removed: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.broken_at


def verify(path: Path, begin: Boundary | None = None) -> Verdict:
    """Read every record of a journal that is there, or those behind `begin`, and compare every hash of its chain."""
    if not journal_reader.exists(path):
        return Verdict(0, GENESIS.hex(), 0, "", 0)
    end, sequence, digest = begin or journal_reader.removed(path)
    try:
        for entry in read(path, end):
            if entry.sequence != sequence + 1:
                reason = out_of_place(entry.sequence, sequence + 1)
                return Verdict(sequence, digest.hex(), sequence + 1, reason, 0)
            if entry.digest != sha256(digest + entry.record).digest():
                return Verdict(sequence, digest.hex(), entry.sequence, _("its hash is not that of its content"), 0)
            sequence, digest, end = entry.sequence, entry.digest, entry.end
    except TrailUnavailable as reason_:
        return Verdict(sequence, digest.hex(), sequence + 1, str(reason_), 0)
    return Verdict(sequence, digest.hex(), 0, "", torn_bytes(path, end))


def in_account(account: str, problem: str) -> str:
    return _("account %(account)s: %(problem)s") % {"account": account, "problem": problem}


def out_of_place(sequence: int, expected: int) -> str:
    return _("record %(sequence)d stands where %(expected)d should") % {"sequence": sequence, "expected": expected}


# --- what the checkpoint names and the trail does not hold


@dataclass(frozen=True, slots=True)
class Gap:
    """Records from number `first` on that the checkpoint names and the trail does not hold. None is missing where the trail is as long
    as it must be, and is another one."""

    first: int
    missing: int
    since: str  # the time of the last record that is there; empty if none is
    until: datetime
    account: str = ""  # where each account has a chain of its own

    def sentence(self) -> str:
        """What is missing, as one sentence."""
        values = {
            "first": self.first,
            "last": self.first + self.missing - 1,
            "missing": self.missing,
            "since": self.since or _("the beginning"),
            "until": self.until.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        if not self.missing:
            said = _("record %(first)d is not the one that was recorded: the trail was exchanged before %(until)s")
        elif self.missing == 1:
            said = _("1 record is missing: number %(first)d, recorded between %(since)s and %(until)s")
        else:
            said = _(
                "%(missing)d records are missing: numbers %(first)d to %(last)d, recorded between %(since)s and %(until)s"
            )
        sentence = said % values
        return in_account(self.account, sentence) if self.account else sentence


def gap_in_journal(path: Path, checkpoint: Checkpoint | None) -> Gap | None:
    """What the file journal at `path` lacks of what `checkpoint` names."""
    if checkpoint is None or not checkpoint.records:
        return None
    if journal_reader.exists(path):
        found = next(read(path, position_after(path, checkpoint.records - 1)), None)
        if found is not None and (found.sequence, found.digest) == (checkpoint.records, checkpoint.digest):
            return None
        if found is not None:
            return Gap(checkpoint.records, 0, "", checkpoint.time)
    return _end_of(path, checkpoint.records, checkpoint.time)


def _end_of(path: Path, expected: int, until: datetime) -> Gap | None:
    """The gap of a journal that ends before its record `expected`."""
    last = last_record(path)
    held, since = (last.sequence, _time_of(last.record)) if last is not None else (0, "")
    return Gap(held + 1, expected - held, since, until) if held < expected else None


def _time_of(record: bytes | str) -> str:
    return str(orjson.loads(record)["eventTime"])


def gap_in_database(checkpoint: Checkpoint | None) -> Gap | None:
    """What the accounts' chains in the database lack of what `checkpoint` names: of the first account that lacks something."""
    from engine.trail.models import Event

    if checkpoint is None:
        return None
    for account, (number, digest) in sorted(checkpoint.accounts.items()):
        chain = Event.objects.filter(account=account)
        found = chain.filter(sequence=number).values_list("digest", flat=True).first()
        if found is not None and bytes(found) == digest:
            continue
        last = chain.filter(sequence__lte=number).order_by("-sequence").values_list("sequence", "record").first()
        held, since = (last[0], _time_of(last[1])) if last is not None else (0, "")
        return Gap(max(held, 1) if held == number else held + 1, number - held, since, checkpoint.time, account)
    return None


def _journal_path() -> Path:
    return Path(settings.DATA) / "trail" / "journal"


class RecordsMissing(TrailUnavailable):
    """The trail does not hold what was acknowledged: a start refuses to go on."""


def recover(*, first_checkpoint: bool = False) -> int:
    """At a server's start: cut off a torn tail, and void the records of changes whose transaction never committed.

    `first_checkpoint`: the installation is one from before checkpoints, which has none yet.
    Returns how many records were voided. Raises TrailUnavailable if the chain is broken or what it must hold is missing.
    """
    said = missing(first_checkpoint=first_checkpoint)
    if said:
        raise RecordsMissing(
            f"the data in {settings.DATA} is not complete: {said}. Put the missing part back or restore a "
            "backup; `kmsconsole accept_lost_records` goes on without it and records that"
        )
    journal = recorder.journal()
    last = journal.recover()
    log.recover()
    if not isinstance(journal, Journal):
        checkpoints.advance_in_file()
        return 0  # in a database a record stands or falls with its change
    mark = changes.committed()
    voided = 0
    if last > mark:
        reason = "the server stopped before the change was committed"
        voided = changes.void_uncommitted(journal, mark, recorder.void, reason)
    checkpoints.advance(*journal.durable_end())
    return voided


def missing(*, first_checkpoint: bool = False) -> str:
    """What this installation lacks of what it acknowledged, as a sentence, without reading all of the trail; empty if nothing.

    Raises TrailUnavailable.
    """
    try:
        checkpoint = None if first_checkpoint else checkpoints.stored()
    except checkpoints.CheckpointError as reason:
        raise RecordsMissing(
            f"{reason}: whether the audit trail is complete cannot be told. Restore a backup; "
            "`kmsconsole accept_lost_records` goes on and records that"
        ) from reason
    if connection.vendor == "postgresql":
        gap = gap_in_database(checkpoint)
        return "" if gap is None else gap.sentence()
    path, mark = _journal_path(), changes.committed()
    # Without a checkpoint it is an installation older than checkpoints.
    gap = gap_in_journal(path, checkpoint) if checkpoint else _end_of(path, mark, clock.real_now())
    if gap is not None:
        return gap.sentence()
    return _changes_missing(path, mark) if journal_reader.exists(path) else ""


def _changes_missing(path: Path, mark: int) -> str:
    """Changes that the journal records as made and the database does not know, as a sentence; empty if there are none.

    A crash leaves one at the most, since changes take turns. More than one: the database is an older one than the journal.
    """
    found = changes.uncommitted(path, mark)
    number = len({each.change for each in found})
    if number < 2:
        return ""
    said = _(
        "the database is older than the audit trail: %(number)d changes, recorded between %(since)s and %(until)s, are not in it"
    )
    return said % {"number": number, "since": found[0].time, "until": found[-1].time}
