"""The index over the journal: an SQLite file that can be thrown away and rebuilt, brought up to date before every question.

It holds what events are looked up by and where each lies in the journal; the record itself is read from the journal.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from engine.trail import journal
from engine.trail.facts import Facts

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  sequence INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, event_id TEXT NOT NULL, time INTEGER NOT NULL,
  account TEXT NOT NULL, region TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL, error TEXT NOT NULL,
  principal TEXT NOT NULL, user TEXT NOT NULL, access_key TEXT NOT NULL, read_only INTEGER NOT NULL, voided INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS event_account ON event (account, sequence);
CREATE INDEX IF NOT EXISTS event_name ON event (account, name, sequence);
CREATE INDEX IF NOT EXISTS event_user ON event (account, user, sequence);
CREATE INDEX IF NOT EXISTS event_error ON event (account, error, sequence) WHERE error <> '';
CREATE INDEX IF NOT EXISTS event_access_key ON event (access_key, sequence);
CREATE INDEX IF NOT EXISTS event_id ON event (event_id);
CREATE TABLE IF NOT EXISTS resource (
  account TEXT NOT NULL, arn TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (account, arn, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_use (
  kind TEXT NOT NULL, subject TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (id INTEGER PRIMARY KEY CHECK (id = 1), offset INTEGER NOT NULL);
INSERT OR IGNORE INTO position VALUES (1, 0);
"""
_BATCH = 5_000
_local = threading.local()


def connection(folder: Path) -> sqlite3.Connection:
    """This thread's connection to the index of a trail folder, brought up to date with its journal."""
    path = folder / "index.sqlite3"
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is None or _local.path != path:
        found = sqlite3.connect(path, isolation_level=None, timeout=30)
        found.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        _local.found, _local.path = found, path
    catch_up(found, folder / "journal")
    return found


def catch_up(index: sqlite3.Connection, path: Path) -> None:
    """Index what the journal holds beyond the index's position, in batches; safe with any number of processes."""
    if not path.exists():
        return
    while journal.has_more(path, index.execute("SELECT offset FROM position").fetchone()[0]):
        index.execute("BEGIN IMMEDIATE")
        try:
            offset = index.execute("SELECT offset FROM position").fetchone()[0]
            done = _index_batch(index, path, offset)
            index.execute("UPDATE position SET offset = ?", (done,))
            index.execute("COMMIT")
        except BaseException:
            index.execute("ROLLBACK")
            raise
        if done == offset:  # only an incomplete line is left: its writer is still at it, or died
            return


def _index_batch(index: sqlite3.Connection, path: Path, offset: int) -> int:
    for entry in islice(journal.read(path, offset), _BATCH):
        _index_entry(index, entry)
        offset = entry.end
    return offset


def _index_entry(index: sqlite3.Connection, entry: journal.Entry) -> None:
    facts = Facts.of(entry.record)
    if facts.voids:
        index.execute("UPDATE event SET voided = 1 WHERE event_id = ?", (facts.voids,))
    index.execute(
        "INSERT OR REPLACE INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
        (
            entry.sequence,
            entry.start,
            entry.end,
            facts.event_id,
            facts.time,
            facts.account,
            facts.region,
            facts.source,
            facts.name,
            facts.error,
            facts.principal,
            facts.user,
            facts.access_key,
            facts.read_only,
        ),
    )
    for arn in facts.resources:
        index.execute("INSERT OR REPLACE INTO resource VALUES (?,?,?)", (facts.account, arn, entry.sequence))
        if facts.used:
            index.execute("INSERT OR REPLACE INTO last_use VALUES ('key',?,?)", (arn, entry.sequence))
    for kind, subject in (("access-key", facts.access_key), ("role", facts.role)):
        if subject:
            index.execute("INSERT OR REPLACE INTO last_use VALUES (?,?,?)", (kind, subject, entry.sequence))


class Shelf:
    """Where engine.trail.query finds events on one machine: by the index, in the journal of `folder`."""

    events = "event"
    events_of_key = "resource CROSS JOIN event ON event.sequence = resource.sequence"
    columns = "event.sequence, event.start, event.end, event.voided"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        return connection(self._folder).execute(sql, tuple(values)).fetchall()

    def records(self, rows: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
        with open(self._folder / "journal", "rb") as file:
            for _, start, end, voided in rows:
                line = os.pread(file.fileno(), end - start, start)
                record = orjson.loads(line[:-1].split(b" ", 2)[2])
                if voided:
                    record["voided"] = True
                yield record

    def last_use(self, kind: str, account_id: str, subject: str) -> list[tuple[Any, ...]]:
        del account_id  # a subject has one owner
        return self.rows(
            f"SELECT {self.columns} FROM last_use JOIN event USING (sequence) WHERE kind = ? AND subject = ?",  # noqa: S608
            (kind, subject),
        )

    def uses_since(self, account_id: str, arn_prefix: str, after: int) -> list[tuple[str, int, int]]:
        """(key ARN, time, sequence) of each key's last use, of those later than the event `after`."""
        del account_id  # it is in the ARN
        return self.rows(
            "SELECT last_use.subject, event.time, event.sequence FROM last_use JOIN event USING (sequence) "
            "WHERE kind = 'key' AND subject >= ? AND subject < ? AND last_use.sequence > ?",
            (arn_prefix, arn_prefix + "~", after),
        )
