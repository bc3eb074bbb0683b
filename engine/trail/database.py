"""The trail in PostgreSQL: one hash chain per account, one order per account, written by any number of nodes.

A record's hash is over the previous hash of its account (32 bytes) and its JSON, as in the file journal. Appending takes the
account's head row, so records of one account are numbered one after another; accounts do not wait for each other. A change's
record is part of the change's own transaction: they stand or fall together, and nothing ever has to be voided.

Other records are committed without waiting for the disk, which lets go of the heads at once, and are then made durable by one
WAL flush behind them; whatever an answer has seen was committed, and so is flushed, before the answer's own record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

import orjson
import psycopg
from django.db import connection

from engine.store.postgresql.base import Connection, connect
from engine.trail.checkpoints import FLUSH
from engine.trail.groupcommit import GroupCommit, Ticket, TrailUnavailable
from engine.trail.indexed_fields import IndexedFields

GENESIS = bytes(32)

_HEADS = "SELECT account, sequence, digest FROM trail_head WHERE account = ANY(%s) ORDER BY account FOR UPDATE"
_NEW_HEADS = "INSERT INTO trail_head SELECT account, 0, %s FROM unnest(%s::text[]) AS account ON CONFLICT DO NOTHING"
_MOVE = (
    "UPDATE trail_head SET sequence = moved.sequence, digest = moved.digest "
    "FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) AS moved (account, sequence, digest) "
    "WHERE trail_head.account = moved.account"
)
_EVENTS = (
    "INSERT INTO trail_event (account, sequence, digest, record, event_id, time, region, source, name, error, "
    '"user", access_key, role, read_only) SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::text[], '
    "%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], "
    "%s::smallint[])"
)
_RESOURCES = (
    "INSERT INTO trail_resource (account, arn, sequence, used) "
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::smallint[])"
)

_Execute = Callable[[str, tuple[Any, ...]], Any]
# Account → how many records its chain was seen to have: records that are taken out of the database while a server runs are noticed by
# the next call, which is not answered. One entry for each account that is here.
_seen: dict[str, int] = {}


class DatabaseJournal(GroupCommit):
    """The journal of all nodes, written over one connection of this process. Same promises as the file journal."""

    def __init__(self) -> None:
        super().__init__()
        self._connection: Connection | None = None

    def _commit(self, batch: list[Ticket]) -> None:
        records = [ticket.record for ticket in batch]
        facts = [IndexedFields.of(record) for record in records]
        try:
            link, heads = self._begin(facts)
            chained = _chain(heads, records, facts)
            with link.pipeline():
                _write(link.execute, chained)
                link.execute("COMMIT")
                link.execute(FLUSH)
        except BaseException:
            self.close()  # and with it an open transaction
            raise
        for ticket, entry in zip(batch, chained, strict=True):
            ticket.sequence = entry.sequence

    def _begin(self, facts: list[IndexedFields]) -> tuple[Connection, _Heads]:
        """An open transaction that holds the heads of the records' accounts."""
        if self._connection is not None:
            try:
                return self._connection, _begin(self._connection, facts)
            except psycopg.OperationalError:  # the server was restarted since; no record was sent yet
                self.close()
        self._connection = connect()
        return self._connection, _begin(self._connection, facts)

    def recover(self) -> int:
        """Nothing to mend: a transaction is whole or not there. The number of accounts that have a trail."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM trail_head")
            return int(cursor.fetchone()[0])

    def close(self) -> None:
        found, self._connection = self._connection, None
        if found is not None:
            found.close()


_Heads = dict[str, tuple[int, bytes]]


class _Chained:
    """A record with its place: sequence number and hash in its account's chain."""

    __slots__ = ("digest", "facts", "record", "sequence")

    def __init__(self, record: bytes, facts: IndexedFields, sequence: int, digest: bytes) -> None:
        self.record, self.facts, self.sequence, self.digest = record, facts, sequence, digest


def append_in_transaction(records: list[bytes]) -> None:
    """Make the records of a change rows of Django's running transaction."""
    facts = [IndexedFields.of(record) for record in records]
    with connection.cursor() as cursor:

        def execute(sql: str, parameters: tuple[Any, ...]) -> Any:
            cursor.execute(sql, parameters)
            return cursor

        _write(execute, _chain(_hold(execute, facts), records, facts))


def _begin(link: Connection, facts: list[IndexedFields]) -> _Heads:
    with link.pipeline():
        link.execute("BEGIN")
        link.execute("SET LOCAL synchronous_commit TO off")
        heads = _hold(link.execute, facts)
    for account, (sequence, _digest) in heads.items():  # nothing of this transaction yet
        _seen[account] = sequence
    return heads


def _hold(execute: _Execute, facts: list[IndexedFields]) -> _Heads:
    """Lock the heads of the accounts, in the order of their numbers so that no two appenders wait for each other."""
    accounts = sorted({each.account for each in facts})
    rows = execute(_HEADS, (accounts,)).fetchall()
    if len(rows) < len(accounts):
        execute(_NEW_HEADS, (GENESIS, accounts))
        rows = execute(_HEADS, (accounts,)).fetchall()
    for account, sequence, _digest in rows:
        if sequence < (seen := _seen.get(account, 0)):
            raise TrailUnavailable(f"the audit trail of account {account} ends at record {sequence}, and had {seen}")
    return {account: (sequence, bytes(digest)) for account, sequence, digest in rows}


def _chain(heads: _Heads, records: list[bytes], facts: list[IndexedFields]) -> list[_Chained]:
    chained = []
    for record, fact in zip(records, facts, strict=True):
        sequence, digest = heads[fact.account]
        sequence, digest = heads[fact.account] = sequence + 1, sha256(digest + record).digest()
        chained.append(_Chained(record, fact, sequence, digest))
    return chained


def _write(execute: _Execute, chained: list[_Chained]) -> None:
    rows = [
        (
            each.facts.account,
            each.sequence,
            each.digest,
            each.record.decode(),
            each.facts.event_id,
            each.facts.time,
            each.facts.region,
            each.facts.source,
            each.facts.name,
            each.facts.error,
            each.facts.user,
            each.facts.access_key,
            each.facts.role,
            each.facts.read_only,
        )
        for each in chained
    ]
    execute(_EVENTS, _columns(rows))
    named = [
        (each.facts.account, arn, each.sequence, each.facts.used) for each in chained for arn in each.facts.resources
    ]
    if named:
        execute(_RESOURCES, _columns(named))
    heads = {each.facts.account: (each.facts.account, each.sequence, each.digest) for each in chained}
    execute(_MOVE, _columns(list(heads.values())))


def _columns(rows: list[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))


class EventStore:
    """Where engine.trail.query finds events on PostgreSQL: straight in the tables."""

    events = "trail_event AS event"
    events_of_key = (
        "trail_resource AS resource JOIN trail_event AS event "
        "ON event.account = resource.account AND event.sequence = resource.sequence"
    )
    columns = "event.sequence, event.record"

    def rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), tuple(values))
            return cursor.fetchall()

    def as_it_is(self) -> EventStore:
        return self  # nothing is brought up to date for a question

    def records(self, rows: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
        for _, record in rows:
            yield orjson.loads(record)

    def removed(self) -> int:
        return 0  # segments are of the journal's file

    def unreadable(self) -> int:
        """None is left out: a record that is not JSON fails the question."""
        return 0

    def last_use(self, kind: str, account_id: str, subject: str) -> list[tuple[Any, ...]]:
        condition = {
            "key": "sequence = (SELECT max(sequence) FROM trail_resource WHERE account = ? AND arn = ? AND used = 1)",
            "access-key": "sequence = (SELECT max(sequence) FROM trail_event WHERE account = ? AND access_key = ?)",
            "role": "sequence = (SELECT max(sequence) FROM trail_event WHERE account = ? AND role = ? AND role <> '')",
        }[kind]
        return self.rows(
            f"SELECT {self.columns} FROM {self.events} WHERE account = ? AND {condition}",  # noqa: S608
            (account_id, account_id, subject),
        )

    def uses_since(self, account_id: str, arn_prefix: str, after: int) -> list[tuple[str, int, int]]:
        return self.rows(
            "SELECT used.arn, event.time, used.sequence FROM (SELECT arn, max(sequence) AS sequence FROM trail_resource "
            "WHERE account = ? AND used = 1 AND sequence > ? AND arn >= ? AND arn < ? GROUP BY arn) AS used "
            "JOIN trail_event AS event ON event.account = ? AND event.sequence = used.sequence",
            (account_id, after, arn_prefix, arn_prefix + "~", account_id),
        )
