"""The records that a transparency log is made of, in their order: of the file journal, whose one log holds all accounts, or of an
account's chain on PostgreSQL, where each account has a log of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from django.conf import settings
from django.db import connection

from engine.trail import journal_reader, leaves, recorder
from engine.trail.journal import Journal
from engine.trail.journal_reader import position_after, read
from engine.trail.segments import BEGINNING, Boundary

_CHUNK = 2_000


class Record(NamedTuple):
    """`sequence` counts from 1; `digest` is the chain's hash behind the record, `text` the record's JSON as it was hashed."""

    sequence: int
    digest: bytes
    text: bytes


class Records(Protocol):
    account: str  # empty where one log holds all accounts

    def end(self) -> int:
        """How many records are known to be durable."""

    def after(self, number: int) -> Iterator[Record]:
        """The records behind record `number`, of those that were not removed. Raises TrailUnavailable where one cannot be read."""

    def one(self, number: int) -> Record | None:
        """Record `number`, which may be remembered; None if there is none. Raises as `after`."""
        found = next(self.after(number - 1), None)
        return found if found is not None and found.sequence == number else None

    def removed(self) -> Boundary:
        """The end of the records that were removed; of none where none was."""
        return BEGINNING

    def removed_leaves(self, number: int) -> Iterator[bytes]:
        """The hashes, as the tree has them, of the removed records behind record `number`. Raises TrailUnavailable."""
        del number
        return iter(())


class JournalRecords(Records):
    account = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    def end(self) -> int:
        journal = recorder.journal()
        return journal.durable_end()[0] if isinstance(journal, Journal) else 0

    def after(self, number: int) -> Iterator[Record]:
        if not journal_reader.exists(self.path):
            return
        for entry in read(self.path, position_after(self.path, number) if number else 0):
            yield Record(entry.sequence, entry.digest, entry.record)

    def one(self, number: int) -> Record | None:
        found = journal_reader.record(self.path, number) if journal_reader.exists(self.path) else None
        return Record(found.sequence, found.digest, found.record) if found is not None else None

    def removed(self) -> Boundary:
        return journal_reader.removed(self.path)

    def removed_leaves(self, number: int) -> Iterator[bytes]:
        yield from leaves.of_removed(self.path.parent, number)


class DatabaseRecords(Records):
    def __init__(self, account: str) -> None:
        self.account = account

    def end(self) -> int:
        from engine.trail.models import Head

        return Head.objects.filter(account=self.account).values_list("sequence", flat=True).first() or 0

    def after(self, number: int) -> Iterator[Record]:
        from engine.trail.models import Event

        chain = Event.objects.filter(account=self.account).order_by("sequence")
        while True:
            rows = chain.filter(sequence__gt=number).values_list("sequence", "digest", "record")[:_CHUNK]
            found = [Record(sequence, bytes(digest), text.encode()) for sequence, digest, text in rows]
            if not found:
                return
            yield from found
            number = found[-1].sequence


def of_account(account_id: str) -> Records:
    """The records of the log that holds those of an account."""
    if connection.vendor == "postgresql":
        return DatabaseRecords(account_id)
    return JournalRecords(Path(settings.DATA) / "trail" / "journal")


def every() -> list[Records]:
    """Of each log of this installation."""
    return [records for records, _end in ends()]


def ends() -> list[tuple[Records, int]]:
    """The records of each log, and how many are durable, by one question."""
    if connection.vendor != "postgresql":
        only = of_account("")
        return [(only, only.end())]
    from engine.trail.models import Head

    rows = Head.objects.order_by("account").values_list("account", "sequence")
    return [(DatabaseRecords(account), sequence) for account, sequence in rows]
