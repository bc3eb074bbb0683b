"""The index over the journal: an SQLite file that can be thrown away and rebuilt, brought up to date before every question.

It holds what events are looked up by and where each lies in the journal; the record itself is read from the journal. An index that does
not fit the journal that is there (exchanged, cut, put back from a backup) is made anew before it answers. A record of a damaged
journal that cannot be read is not found, and the log tells of it, as do pages by `unreadable`; whether the trail is whole is
engine.trail.verify's to say.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from engine.store.sqlite import turn
from engine.trail import journal_reader
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.indexed_fields import IndexedFields
from engine.trail.journal_lines import Entry, Line

logger = logging.getLogger(__name__)

_VERSION = 3  # of the tables; an index of another one is made anew
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
CREATE TABLE IF NOT EXISTS unreadable (start INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS position (
  id INTEGER PRIMARY KEY CHECK (id = 1), offset INTEGER NOT NULL, start INTEGER NOT NULL, head BLOB NOT NULL
);
INSERT OR IGNORE INTO position VALUES (1, 0, 0, x'');
"""
_TABLES = ("event", "resource", "last_use", "unreadable")
_BATCH = 5_000
_SECONDS = 30.0  # that one waits for others to index
_ARNS = 200  # keys whose removed events are let go of at once
_local = threading.local()


def connection(folder: Path) -> sqlite3.Connection:
    """This thread's connection to the index of a trail folder, brought up to date with its journal."""
    path = folder / "index.sqlite3"
    try:
        return _connection(path)
    except sqlite3.Error as reason:
        if not _is_damage(reason):
            raise
        _discard(path, reason)
    return _connection(path)


def _rows(folder: Path, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """What a question finds. Damage may lie where only the question looks: then too the index is made anew, once."""
    try:
        return connection(folder).execute(sql, values).fetchall()
    except sqlite3.Error as reason:
        if not _is_damage(reason):
            raise
        _discard(folder / "index.sqlite3", reason)
    return connection(folder).execute(sql, values).fetchall()


def _is_damage(reason: sqlite3.Error) -> bool:
    """Whether the index's own file is what is wrong: damaged, cut, no database, or without one of its tables.

    Otherwise it is locked, or there is no room or no permission: a new file would not help.
    """
    code = getattr(reason, "sqlite_errorcode", None)  # the sqlite3 module's own errors have none
    if code is None:
        return False
    if code == sqlite3.SQLITE_ERROR:
        return str(reason).startswith(("no such table", "no such column"))
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _discard(path: Path, reason: sqlite3.Error) -> None:
    logger.warning("the index %s is damaged (%s): it is made anew", path, reason)
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is not None:
        found.close()
    _local.found = None
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _connection(path: Path) -> sqlite3.Connection:
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is None or _local.path != path:
        found = sqlite3.connect(path, isolation_level=None, timeout=_SECONDS)
        _prepare(found)
        _local.found, _local.path = found, path
    catch_up(found, path.parent / "journal")
    return found


def _prepare(index: sqlite3.Connection) -> None:
    index.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384;")
    if index.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    with write_transaction(index):
        if index.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            _create_tables(index)


def _create_tables(index: sqlite3.Connection) -> None:
    """In place of all that is in the file. Inside a transaction."""
    sql = "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'trigger', 'view') AND name NOT LIKE 'sqlite_%'"
    for kind, name in index.execute(sql).fetchall():
        quoted = name.replace('"', '""')
        index.execute(f'DROP {kind} IF EXISTS "{quoted}"')
    for statement in _SCHEMA.split(";\n"):
        index.execute(statement)
    index.execute(f"PRAGMA user_version = {_VERSION}")


def catch_up(index: sqlite3.Connection, path: Path) -> None:
    """Index what the journal holds beyond the index's position, in batches; safe with any number of processes."""
    while _state(index, path) != _UP_TO_DATE:
        with write_transaction(index):
            state, done = _state(index, path), True
            if state == _STRANGE:
                _forget(index, path)
                done = False
            elif state == _BEHIND:
                done = not _index_batch(index, path)
        if done:  # only an incomplete line is left: its writer is still at it, or died
            return


_UP_TO_DATE, _BEHIND, _STRANGE = range(3)


def _state(index: sqlite3.Connection, path: Path) -> int:
    """How the index stands to the journal: what it was made of must still be there, and there may be more."""
    offset, start, head = index.execute("SELECT offset, start, head FROM position").fetchone()
    if not journal_reader.exists(path):
        return _STRANGE if offset else _UP_TO_DATE
    with journal_reader.Places(path) as places:
        if start >= journal_reader.removed(path).offset and head and places.at(start, len(head)) != head:
            return _STRANGE
        if offset < journal_reader.base(path).offset:
            return _BEHIND
        return _BEHIND if places.at(offset, 1).strip(b"\0") else _UP_TO_DATE


def _forget(index: sqlite3.Connection, path: Path) -> None:
    """Empty the index, to be filled anew. Inside a transaction."""
    logger.warning("the index of %s does not fit it: it is made anew", path)
    for table in _TABLES:
        index.execute(f"DELETE FROM {table}")  # noqa: S608
    index.execute("UPDATE position SET offset = 0, start = 0, head = x''")


def _index_batch(index: sqlite3.Connection, path: Path) -> bool:
    """Index the next lines of the journal. Whether there were any."""
    offset = index.execute("SELECT offset FROM position").fetchone()[0]
    lines = list(islice(journal_reader.lines(path, offset), _BATCH))
    if not lines:
        return False
    last = lines[-1]
    rows_of(path, lines).write(index)
    index.execute(
        "UPDATE position SET offset = ?, start = ?, head = ?", (last.end, last.start, last.text[:_HEAD_BYTES])
    )
    return True


_HEAD_BYTES = 90  # of a line: its number, its hash, and how its record begins


def is_as_made(index: sqlite3.Connection) -> bool:
    """Whether the file is sound and has the tables and indexes that were made, and nothing else that would change what they answer."""
    sql = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_SCHEMA)
        made = fresh.execute(sql).fetchall()
    sound: str = index.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return index.execute(sql).fetchall() == made and sound == "ok"


def make_anew(folder: Path) -> None:
    """Take the whole journal in once more, into tables that are new."""
    path = folder / "index.sqlite3"
    logger.warning("the index %s says something else than the records: it is made anew", path)
    try:
        index = _connection(path)
        with write_transaction(index):
            _create_tables(index)
    except sqlite3.Error as reason:
        if not _is_damage(reason):
            raise
        _discard(path, reason)
    connection(folder)


class Rows:
    """What a batch of events adds to the tables, table by table: a last use is written once however often a key was used."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.resources: list[tuple[str, str, int]] = []
        self.last_uses: dict[tuple[str, str], int] = {}
        self.voids: list[tuple[str]] = []
        self.unreadable: list[tuple[int]] = []

    def write(self, index: sqlite3.Connection) -> None:
        index.executemany("INSERT OR REPLACE INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)", self.events)
        index.executemany("UPDATE event SET voided = 1 WHERE event_id = ?", self.voids)
        index.executemany("INSERT OR REPLACE INTO resource VALUES (?,?,?)", self.resources)
        uses = ((kind, subject, sequence) for (kind, subject), sequence in self.last_uses.items())
        index.executemany("INSERT OR REPLACE INTO last_use VALUES (?,?,?)", uses)
        index.executemany("INSERT OR REPLACE INTO unreadable VALUES (?)", self.unreadable)


def forget_removed(folder: Path) -> None:
    """Let go of what the index has of removed records, a piece at a time: questions go on meanwhile."""
    path = folder / "journal"
    last = journal_reader.removed(path).sequence
    index = connection(folder)
    index.execute("DELETE FROM unreadable WHERE start < ?", (journal_reader.removed(path).offset,))
    first = index.execute("SELECT min(sequence) FROM event").fetchone()[0]
    if first is None or first > last:
        return
    arns = index.execute("SELECT DISTINCT account, arn FROM resource").fetchall()
    for begin in range(0, len(arns), _ARNS):
        with write_transaction(index):
            sql = "DELETE FROM resource WHERE account = ? AND arn = ? AND sequence <= ?"
            index.executemany(sql, ((*each, last) for each in arns[begin : begin + _ARNS]))
    with write_transaction(index):
        index.execute("DELETE FROM last_use WHERE sequence <= ?", (last,))
    for until in range(first + _BATCH, last + _BATCH, _BATCH):  # last, since they tell that there is more to do
        with write_transaction(index):
            index.execute("DELETE FROM event WHERE sequence <= ?", (min(until, last),))


@contextmanager
def write_transaction(index: sqlite3.Connection) -> Iterator[None]:
    """Of an index: all of what is done within is in it, or nothing. Whoever asks while others index waits in line, and finds it done."""
    path = index.execute("PRAGMA database_list").fetchone()[2]
    try:
        with turn.taken(path, _SECONDS):
            index.execute("BEGIN IMMEDIATE")
            try:
                yield
                index.execute("COMMIT")
            except BaseException:
                index.execute("ROLLBACK")
                raise
    except turn.NoTurn as reason:
        raise sqlite3.OperationalError(f"database is locked: {reason}") from reason


def rows_of(path: Path, lines: Iterable[Line]) -> Rows:
    """What lines of the journal at `path` are in the tables."""
    rows = Rows()
    for line in lines:
        _index_line(rows, path, line)
    return rows


def _index_line(rows: Rows, path: Path, line: Line) -> None:
    try:
        entry = line.entry(path)
        facts = IndexedFields.of(entry.record)
    except (TrailUnavailable, ValueError, LookupError, TypeError, AttributeError) as reason:
        logger.error("audit journal %s: the line at byte %d cannot be read: %r", path, line.start, reason)
        rows.unreadable.append((line.start,))
        return
    _add(rows, entry, facts)


def _add(rows: Rows, entry: Entry, facts: IndexedFields) -> None:
    if facts.voids:
        rows.voids.append((facts.voids,))
    rows.events.append(
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
        )
    )
    for arn in facts.resources:
        rows.resources.append((facts.account, arn, entry.sequence))
        if facts.used:
            rows.last_uses["key", arn] = entry.sequence
    for kind, subject in (("access-key", facts.access_key), ("role", facts.role)):
        if subject:
            rows.last_uses[kind, subject] = entry.sequence


class EventStore:
    """Where engine.trail.query finds events on one machine: by the index, in the journal of `folder`."""

    events = "event"
    events_of_key = "resource CROSS JOIN event ON event.sequence = resource.sequence"
    columns = "event.sequence, event.start, event.end, event.voided"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        return _rows(self._folder, sql, tuple(values))

    def as_it_is(self) -> EventStore:
        return _CurrentStore(self._folder)

    def records(self, rows: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
        path = self._folder / "journal"
        with journal_reader.Places(path) as places:
            for sequence, start, end, voided in rows:
                record = _record(places.at(start, end - start), sequence)
                if record is None and sequence > self.removed():  # one that was removed the index is still to forget
                    record = self._found_again(sequence)
                if record is None:
                    continue
                if voided:
                    record["voided"] = True
                yield record

    def _found_again(self, sequence: int) -> dict[str, Any] | None:
        """A record that does not lie where the index says: the index is made anew. None if it cannot be read at all."""
        index = connection(self._folder)
        with write_transaction(index):
            _forget(index, self._folder / "journal")
        sql = "SELECT start, end FROM event WHERE sequence = ?"
        for start, end in _rows(self._folder, sql, (sequence,)):
            with journal_reader.Places(self._folder / "journal") as places:
                return _record(places.at(start, end - start), sequence)
        return None

    def unreadable(self) -> int:
        """How many lines of the journal cannot be read, as far as it was found: what they say is in no answer."""
        return int(self.rows("SELECT count(*) FROM unreadable", ())[0][0])

    def removed(self) -> int:
        return journal_reader.removed(self._folder / "journal").sequence

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


class _CurrentStore(EventStore):
    """A store whose index is not compared with the journal again for each question."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._index = connection(folder)

    def rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._index.execute(sql, tuple(values)).fetchall()
        except sqlite3.Error:  # damaged, or made anew by somebody
            return super().rows(sql, values)


def _record(line: bytes, sequence: int) -> dict[str, Any] | None:
    """The record of a journal line, if the line is that of this number and whole."""
    number, _, rest = line.partition(b" ")
    if number != b"%d" % sequence or not line.endswith(b"\n"):
        return None
    try:
        record: dict[str, Any] = orjson.loads(rest.partition(b" ")[2])
    except ValueError:
        return None
    return record
