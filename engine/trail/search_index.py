"""The search index over the trail: an SQLite file in the trail's folder that can be thrown away and rebuilt.

The events of an account are cut into blocks of 65,536 sequence numbers. For each block, and each term of engine.trail.event_terms, one row
says which events of the block have it: a set of bits, so that terms are combined and counted without reading an event; what facets are
counted by is beside them (engine.trail.facet_index). Rows of one block lie together: writing goes on at the end of the file, and a question
reads block by block, newest first.

It is made of what engine.trail.query's event store has, whichever that is, an account at a time, and only when somebody searches: no call
waits for it. An account whose index does not fit the store (another journal, a backup put back) is indexed anew. An index of another
version is made anew.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.trail import event_terms, facet_index, places, query
from engine.trail.columns import Combination
from engine.trail.index import write_transaction
from engine.trail.query import EventStore
from engine.trail.times import Span

logger = logging.getLogger(__name__)

BATCH = 5_000  # events that one transaction takes in
_PATIENCE = 30.0  # seconds that who writes waits for another
_VERSION = 4  # of the tables, and of what event_terms makes of a record; an index of another one is made anew
_TABLES = {
    "account": "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sequence INTEGER NOT NULL, event_id TEXT NOT NULL",
    "scope": "id INTEGER PRIMARY KEY, account INTEGER NOT NULL, region TEXT NOT NULL, hidden INTEGER NOT NULL, "
    "UNIQUE (account, region, hidden)",
    # `late`: how far, in seconds, an event of the block is at most behind the latest time before it in the block
    "span": "account INTEGER NOT NULL, block INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
    "late INTEGER NOT NULL, PRIMARY KEY (account, block)",
    "term": "scope INTEGER NOT NULL, block INTEGER NOT NULL, field INTEGER NOT NULL, value TEXT NOT NULL, "
    "events INTEGER NOT NULL, places BLOB NOT NULL, PRIMARY KEY (scope, block, field, value)",
    **facet_index.TABLES,
}
_WITHOUT_ROWID = ("term", "facet_count")
_OF_SCOPE = ("term", *facet_index.TABLES)
# Fields by number, which must stay; `ALL` has one value, "", with every event.
ALL, TEXT, IDENTIFIER = facet_index.EVERYTHING[0], 1, 2
NUMBERS = {name: number for number, name in enumerate(event_terms.FIELDS, start=10)}
_COLUMNS = tuple(tuple(NUMBERS[name] for name in names) for names in facet_index.COLUMNS)
_local = threading.local()


def connection(folder: Path) -> sqlite3.Connection:
    """This thread's connection to the index in a trail's folder, as it is. A file that is damaged is made anew."""
    path = folder / "search.sqlite3"
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is not None and _local.path == path:
        return found
    try:
        found = _open(path)
    except sqlite3.DatabaseError as reason:
        if isinstance(reason, sqlite3.OperationalError):  # locked, no room, no permission: a new file would not help
            raise
        discard(folder, reason)
        found = _open(path)
    _local.found, _local.path = found, path
    return found


def discard(folder: Path, reason: Exception) -> None:
    logger.warning("the search index in %s is damaged (%s): it is made anew", folder, reason)
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is not None:
        found.close()
    _local.found = None
    for ending in ("", "-wal", "-shm"):
        (folder / f"search.sqlite3{ending}").unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # with PostgreSQL nothing else is in it at first
    index = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
    index.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
    if index.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return index
    with write_transaction(index):
        if index.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            for table, made_of in _TABLES.items():
                index.execute(f"DROP TABLE IF EXISTS {table}")
                index.execute(f"CREATE TABLE {table} ({made_of}){' WITHOUT ROWID' if table in _WITHOUT_ROWID else ''}")
            index.execute(f"PRAGMA user_version = {_VERSION}")
    return index


# --- indexing


def catch_up(folder: Path, store: EventStore, account_id: str, seconds: float, patience: float = _PATIENCE) -> int:
    """Take in what the store has of an account beyond the index, for about so many seconds; how many numbers are left then (0: it is up
    to date). Safe with any number of threads and processes: where another one has been writing for as long as the `patience`, it goes on
    alone."""
    index, until = connection(folder), time.monotonic() + seconds
    index.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    try:
        while True:
            with write_transaction(index):
                taken = _take_in(index, store, account_id)
            if taken < BATCH:
                return 0
            if time.monotonic() > until:
                return left(folder, store, account_id)
    except sqlite3.OperationalError as reason:
        if reason.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return left(folder, store, account_id)
    finally:
        index.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")


def make_anew(folder: Path) -> None:
    """Have every account indexed anew when somebody searches next: no event is the one that the index says it went up to."""
    index = connection(folder)
    with write_transaction(index):
        index.execute("UPDATE account SET event_id = ''")


def left(folder: Path, store: EventStore, account_id: str) -> int:
    """How many numbers the store has beyond the index."""
    return query.latest_sequence(account_id, store) - _position(connection(folder), account_id)[1]


def is_behind(folder: Path, store: EventStore, account_id: str) -> bool:
    """Whether the store has events that the index has not, or another history."""
    account, position, event_id = _position(connection(folder), account_id)
    newer = store.rows(
        f"SELECT event.sequence FROM {store.events} WHERE event.account = ? AND event.sequence > ? LIMIT 1",  # noqa: S608
        (account_id, position),
    )
    return bool(newer) or (account != 0 and not _fits(store, account_id, position, event_id))


def _position(index: sqlite3.Connection, account_id: str) -> tuple[int, int, str]:
    """(number of the account in the index, 0 if it is new; the last event that was taken in)."""
    row = index.execute("SELECT id, sequence, event_id FROM account WHERE name = ?", (account_id,)).fetchone()
    return row or (0, 0, "")


def _fits(store: EventStore, account_id: str, sequence: int, event_id: str) -> bool:
    return sequence <= store.removed() or query.event_id_at(account_id, sequence, store) == event_id


def _take_in(index: sqlite3.Connection, store: EventStore, account_id: str) -> int:
    """Index the next events of an account; how many there were. Inside a transaction."""
    account, position, event_id = _position(index, account_id)
    if account and not _fits(store, account_id, position, event_id):
        logger.warning("the search index of account %s does not fit the trail: it is made anew", account_id)
        for table in _OF_SCOPE:
            of = "scope IN (SELECT id FROM scope WHERE account = ?)"
            index.execute(f"DELETE FROM {table} WHERE {of}", (account,))  # noqa: S608
        index.execute("DELETE FROM span WHERE account = ?", (account,))
        index.execute("UPDATE account SET sequence = 0, event_id = '' WHERE id = ?", (account,))
        position = 0
    rows = store.rows(
        f"SELECT {store.columns} FROM {store.events} WHERE event.account = ? AND event.sequence > ? "  # noqa: S608
        f"ORDER BY event.sequence LIMIT {BATCH}",
        (account_id, position),
    )
    if not rows:
        return 0
    if not account:
        account = _new(index, "INSERT INTO account (name, sequence, event_id) VALUES (?, 0, '')", account_id)
    batch = _Batch(index, account)
    last = ""
    for sequence, record in query.numbered(store, rows):
        try:
            batch.add(sequence, record)
            last = record["eventID"]
        except (LookupError, TypeError, ValueError, AttributeError) as reason:
            logger.error("event %d of account %s cannot be indexed: %r", sequence, account_id, reason)
    batch.write()
    _seal(index, account, position // places.BLOCK, rows[-1][0] // places.BLOCK)
    if rows[-1][0] != batch.latest:  # the last one cannot be read: its number is what the index went up to
        last = query.event_id_at(account_id, rows[-1][0], store) or ""
    index.execute("UPDATE account SET sequence = ?, event_id = ? WHERE id = ?", (rows[-1][0], last, account))
    return len(rows)


def _seal(index: sqlite3.Connection, account: int, first: int, behind: int) -> None:
    """Of the blocks from `first` on, before the one that the next events are of, keep the numbers for facets."""
    of = "scope IN (SELECT id FROM scope WHERE account = ?) AND block >= ? AND block < ?"
    sql = f"SELECT DISTINCT scope, block FROM facet_column WHERE {of}"  # noqa: S608
    for scope_, block in index.execute(sql, (account, first, behind)).fetchall():
        facet_index.seal(index, scope_, block, IDENTIFIER)


def _new(index: sqlite3.Connection, sql: str, *values: Any) -> int:
    number = index.execute(sql, values).lastrowid
    if number is None:
        raise sqlite3.IntegrityError("a row was not made")
    return number


class _Postings:
    """The terms of some events of one block: field → value → places, each list ascending; strings that words are taken from → places;
    entries of identifiers by their bucket; and what columns get."""

    __slots__ = ("columns", "identifiers", "places", "texts")

    def __init__(self) -> None:
        self.columns: dict[int, list[tuple[int, Combination]]] = {number: [] for number in range(len(_COLUMNS))}
        self.places: dict[int, defaultdict[str, list[int]]] = {
            number: defaultdict(list) for number in (ALL, *NUMBERS.values())
        }
        self.texts: defaultdict[str, list[int]] = defaultdict(list)
        self.identifiers: defaultdict[str, list[bytes]] = defaultdict(list)


class _Batch:
    """Postings of some events, in memory until they are written in the order of their rows."""

    def __init__(self, index: sqlite3.Connection, account: int) -> None:
        self._index, self._account, self.latest = index, account, 0
        self._scopes: dict[tuple[str, bool], int] = {}
        self._postings: defaultdict[tuple[int, int], _Postings] = defaultdict(_Postings)
        self._spans: dict[int, Span] = {}

    def add(self, sequence: int, record: dict[str, Any]) -> None:
        moment = event_terms.moment(record)
        terms = [(NUMBERS[name], value) for name, values in event_terms.FIELDS.items() for value in values(record)]
        texts = set(event_terms.indexed_texts(record))
        identifiers = event_terms.identifiers(record)
        block, place = divmod(sequence, places.BLOCK)
        scope = self._scope(record["awsRegion"], event_terms.is_read_by_console(record))
        postings = self._postings[scope, block]
        postings.places[ALL][""].append(place)
        by_field: defaultdict[int, set[str]] = defaultdict(set)
        for field, value in terms:
            if value:
                value = event_terms.stored(value)
                by_field[field].add(value)
                _append(postings.places[field][value], place)
        for number, fields in enumerate(_COLUMNS):
            combination = tuple(tuple(sorted(by_field[field])) if field in by_field else () for field in fields)
            if any(combination):
                postings.columns[number].append((place, combination))
        for text in texts:
            postings.texts[text].append(place)
        for identifier in identifiers:
            bucket, entry = places.hashed(identifier)
            postings.identifiers[bucket].append(entry + place.to_bytes(2, "little"))
        span = self._span(block, moment)
        self._spans[block] = Span(
            block, min(span.first, moment), max(span.last, moment), max(span.late, span.last - moment)
        )
        self.latest = sequence

    def _scope(self, region: str, hidden: bool) -> int:
        found = self._scopes.get((region, hidden))
        if found is None:
            found = scope(self._index, self._account, region, hidden)
            if found is None:
                sql = "INSERT INTO scope (account, region, hidden) VALUES (?, ?, ?)"
                found = _new(self._index, sql, self._account, region, int(hidden))
            self._scopes[region, hidden] = found
        return found

    def _stored(self, scope: int, block: int, field: int, values: Mapping[str, Any]) -> dict[str, tuple[int, bytes]]:
        """What the index has of some values of a field in a block."""
        sql = "SELECT events, places FROM term WHERE scope = ? AND block = ? AND field = ? AND value = ?"
        found = {}
        for value in values:
            row = self._index.execute(sql, (scope, block, field, value)).fetchone()
            if row is not None:
                found[value] = row
        return found

    def _span(self, block: int, moment: int) -> Span:
        if block not in self._spans:
            sql = "SELECT first, last, late FROM span WHERE account = ? AND block = ?"
            stored = self._index.execute(sql, (self._account, block)).fetchone()
            self._spans[block] = Span(block, *stored) if stored else Span(block, moment, moment, 0)
        return self._spans[block]

    def write(self) -> None:
        write = "INSERT OR REPLACE INTO term VALUES (?, ?, ?, ?, ?, ?)"
        for (scope_, block), postings in sorted(self._postings.items(), key=lambda each: each[0]):
            for field, by_value in sorted({**postings.places, TEXT: _words(postings.texts)}.items()):
                stored = self._stored(scope_, block, field, by_value)
                rows = []
                for value in sorted(by_value):
                    events, text = stored.get(value, (0, b""))
                    rows.append((scope_, block, field, value, *places.extended(events, text, by_value[value])))
                self._index.executemany(write, rows)
            stored = self._stored(scope_, block, IDENTIFIER, postings.identifiers)
            rows = []
            for bucket, entries in sorted(postings.identifiers.items()):
                events, text = stored.get(bucket, (0, b""))
                rows.append((scope_, block, IDENTIFIER, bucket, events + len(entries), text + b"".join(entries)))
            self._index.executemany(write, rows)
            facet_index.extend(self._index, scope_, block, postings.columns)
        for span in self._spans.values():
            row = (self._account, span.block, span.first, span.last, span.late)
            self._index.execute("INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?)", row)


def _append(found: list[int], place: int) -> None:
    if not found or found[-1] != place:
        found.append(place)


def _words(texts: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Word → places, of strings: most strings are met again and again, and each is cut into words once."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for text, of_text in texts.items():
        for word in event_terms.indexed_words(text):
            found[word] += of_text
    return {word: sorted(set(of_word)) for word, of_word in found.items()}


def forget_removed(folder: Path, last: int) -> None:
    """Let go of the blocks of which every record was removed, up to record `last`; searches leave the others out by themselves."""
    index, block = connection(folder), (last + 1) // places.BLOCK
    for (scope_,) in index.execute("SELECT id FROM scope").fetchall():
        blocks = "SELECT DISTINCT block FROM term WHERE scope = ? AND block < ?"
        for (each,) in index.execute(blocks, (scope_, block)).fetchall():
            with write_transaction(index):
                for table in _OF_SCOPE:
                    index.execute(f"DELETE FROM {table} WHERE scope = ? AND block = ?", (scope_, each))  # noqa: S608
    with write_transaction(index):
        index.execute("DELETE FROM span WHERE block < ?", (block,))


# --- reading


def account_number(index: sqlite3.Connection, account_id: str) -> int:
    """The number of an account in the index; 0 if it has none."""
    return _position(index, account_id)[0]


def newest(index: sqlite3.Connection, account_id: str) -> int:
    """The number of the last event that was taken in."""
    return _position(index, account_id)[1]


def scope(index: sqlite3.Connection, account: int, region: str, hidden: bool) -> int | None:
    """The number of an account's events of one Region: those that lists hide at first (`hidden`), or the others."""
    sql = "SELECT id FROM scope WHERE account = ? AND region = ? AND hidden = ?"
    row = index.execute(sql, (account, region, int(hidden))).fetchone()
    return row[0] if row else None


def spans(index: sqlite3.Connection, account: int, *, newest_first: bool = True) -> list[Span]:
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT block, first, last, late FROM span WHERE account = ? ORDER BY block {order}"  # noqa: S608
    return [Span(*row) for row in index.execute(sql, (account,))]


def bits(index: sqlite3.Connection, scope: int, block: int, field: int, value: str = "") -> int:
    """The events of a block that have a term."""
    sql = "SELECT events, places FROM term WHERE scope = ? AND block = ? AND field = ? AND value = ?"
    row = index.execute(sql, (scope, block, field, value)).fetchone()
    return places.unpacked(*row) if row else 0


def number(index: sqlite3.Connection, scope: int, block: int, field: int, value: str) -> int:
    """How many events of a block have a value."""
    sql = "SELECT events FROM term WHERE scope = ? AND block = ? AND field = ? AND value = ?"
    row = index.execute(sql, (scope, block, field, value)).fetchone()
    return row[0] if row else 0


def bits_of_prefix(index: sqlite3.Connection, scope: int, block: int, field: int, prefix: str) -> int:
    """The events of a block that have a term which begins so."""
    sql = "SELECT events, places FROM term WHERE scope = ? AND block = ? AND field = ? AND value >= ? AND value < ?"
    found = 0
    for row in index.execute(sql, (scope, block, field, prefix, f"{prefix}\U0010ffff")):
        found |= places.unpacked(*row)
    return found


def bits_of_identifier(index: sqlite3.Connection, scope: int, block: int, identifier: str) -> int:
    """The events of a block that may have an identifier: of another event a hash may be the same, so each is to be looked at."""
    bucket, entry = places.hashed(identifier)
    sql = "SELECT places FROM term WHERE scope = ? AND block = ? AND field = ? AND value = ?"
    row = index.execute(sql, (scope, block, IDENTIFIER, bucket)).fetchone()
    return places.of_identifier(row[0], entry) if row else 0
