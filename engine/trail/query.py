"""Questions to the trail: events by who, what, which key, when; last uses. Every answer includes all that was acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from engine.kms_operations import actions_of
from engine.store.models import TrailMark
from engine.trail import index


@dataclass(frozen=True, slots=True)
class Page:
    """Events as their CloudTrail records, the sequence to go on from (None at the end), and the sequence of each event."""

    events: list[dict[str, Any]]
    next: int | None
    sequences: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    when: datetime
    operation: str
    service: str
    region: str
    event_id: str
    request_id: str
    principal: str


class EventStore(Protocol):
    """Where events are found: the index of a file journal, or the tables of a database. Their columns have the same names.

    `events` and `events_of_key` are what to select FROM (the latter with a table `resource`), `columns` what `records` needs.
    """

    events: str
    events_of_key: str
    columns: str

    def rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]: ...

    def records(self, rows: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]: ...

    def last_use(self, kind: str, account_id: str, subject: str) -> list[tuple[Any, ...]]: ...

    def uses_since(self, account_id: str, arn_prefix: str, after: int) -> list[tuple[str, int, int]]: ...

    def unreadable(self) -> int: ...

    def removed(self) -> int:
        """The number of the last record that was removed (engine.trail.removal); 0 where none was."""

    def as_it_is(self) -> EventStore:
        """The same store for the many questions of one search: what was recorded since the first of them is not looked for."""


def event_store() -> EventStore:
    """The one that this installation has."""
    if connection.vendor == "postgresql":
        from engine.trail import database

        return database.EventStore()
    return index.EventStore(Path(settings.DATA) / "trail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Which events of an account: what is None is any. `key` is a key ARN, `user` CloudTrail's Username, `before` the cursor of a page,
    `after` the sequence that older events are not looked at from."""

    region: str | None = None
    key: str | None = None
    user: str | None = None
    name: str | None = None
    names: tuple[str, ...] = ()  # any of these
    source: str | None = None
    access_key: str | None = None
    event_id: str | None = None
    errors_only: bool = False
    read_only: bool | None = None
    start: datetime | None = None
    end: datetime | None = None
    limit: int = 50
    before: int | None = None
    after: int | None = None
    oldest_first: bool = False  # then `next` is the sequence to go on `after`


_EQUAL = ("region", "user", "name", "source", "access_key", "event_id")  # columns, and what a Lookup calls them


def lookup(account_id: str, wanted: Lookup, store: EventStore | None = None) -> Page:
    """Newest first, unless the oldest are asked for first. `store`: where, by default the installation's brought up to date."""
    store = store or event_store()
    conditions, values = ["event.account = ?"], [account_id]
    table, order = store.events, "event.sequence"
    if wanted.key is not None:
        table, order = store.events_of_key, "resource.sequence"
        conditions.append("resource.account = ? AND resource.arn = ?")
        values += [account_id, wanted.key]
    for column in _EQUAL:
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"event.{column} = ?")
            values.append(value)
    if wanted.names:
        conditions.append(f"event.name IN ({', '.join('?' * len(wanted.names))})")
        values += wanted.names
    if wanted.errors_only:
        conditions += [
            "event.error <> ''",
            "event.error > ''",
        ]  # the same: one names the index, the other has it chosen
    if wanted.read_only is not None:
        conditions.append(f"event.read_only = {int(wanted.read_only)}")
    if wanted.start is not None:
        conditions.append(f"event.time >= {int(wanted.start.timestamp())}")
    if wanted.end is not None:
        conditions.append(f"event.time <= {int(wanted.end.timestamp())}")
    if wanted.before is not None:
        conditions.append(f"{order} < {int(wanted.before)}")
    if wanted.after is not None:
        conditions.append(f"{order} > {int(wanted.after)}")
    limit = int(wanted.limit)
    sql = (
        f"SELECT {store.columns} FROM {table} "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} ORDER BY {order} {'ASC' if wanted.oldest_first else 'DESC'} LIMIT {limit + 1}"
    )
    rows = store.rows(sql, values)
    more = rows[limit - 1][0] if len(rows) > limit else None
    return Page(list(store.records(rows[:limit])), more, tuple(row[0] for row in rows[:limit]))


def last_use(account_id: str, key_arn: str) -> Use | None:
    """The last successful cryptographic operation with a key, whoever's account made it."""
    return _last_use("key", account_id, key_arn)


def last_use_of_access_key(account_id: str, access_key_id: str) -> Use | None:
    return _last_use("access-key", account_id, access_key_id)


def last_use_of_role(account_id: str, role_arn: str) -> Use | None:
    return _last_use("role", account_id, role_arn)


def _last_use(kind: str, account_id: str, subject: str) -> Use | None:
    store = event_store()
    for record in store.records(store.last_use(kind, account_id, subject)):
        return Use(
            when=datetime.fromisoformat(record["eventTime"]),
            operation=record["eventName"],
            service=record["eventSource"].partition(".")[0],
            region=record["awsRegion"],
            event_id=record["eventID"],
            request_id=record.get("requestID", ""),
            principal=record["userIdentity"].get("arn", ""),
        )
    return None


@dataclass(frozen=True, slots=True)
class ActionUse:
    when: datetime
    region: str


def uses_by_action(
    account_id: str, since: datetime, *, principal: str, user: str | None = None
) -> dict[str, ActionUse]:
    """When each action ("kms:Decrypt") was last asked for, with or without success, by who has the ARN `principal`, or one that begins
    so if it ends in "/" (a role's sessions). With a `user` (CloudTrail's Username) only that user's events are looked at."""
    store = event_store()
    conditions, values = ["event.account = ?", f"event.time >= {int(since.timestamp())}"], [account_id]
    if user is not None:
        conditions.append("event.user = ?" if connection.vendor == "sqlite" else 'event."user" = ?')
        values.append(user)
    if principal.endswith("/"):
        conditions.append(f"substr(event.principal, 1, {len(principal)}) = ?")
    else:
        conditions.append("event.principal = ?")
    values.append(principal)
    where = " AND ".join(conditions)
    sql = (
        f"SELECT event.source, event.name, event.time, event.region FROM {store.events} WHERE event.account = ? AND event.sequence IN "  # noqa: S608
        f"(SELECT max(event.sequence) FROM {store.events} WHERE {where} GROUP BY event.source, event.name)"
    )
    found: dict[str, ActionUse] = {}
    for source, name, time, region in store.rows(sql, (account_id, *values)):
        service, dot, _rest = source.partition(".")
        if dot:  # not one of the console's own actions
            use = ActionUse(datetime.fromtimestamp(time, UTC), region)
            found |= {f"{service}:{action}": use for action in actions_of(name)}
    return found


def removed_through() -> int:
    """The number of the last record that was removed by the retention rule; 0 where none was."""
    return event_store().removed()


def first_event_time(account_id: str, after: int = 0) -> datetime | None:
    """When the trail of an account begins, or what of it is later than the event `after`."""
    store = event_store()
    rows = store.rows(
        f"SELECT event.time FROM {store.events} WHERE event.account = ? AND event.sequence > {int(after)} "  # noqa: S608
        "ORDER BY event.sequence LIMIT 1",
        (account_id,),
    )
    return datetime.fromtimestamp(rows[0][0], UTC) if rows else None


def latest_sequence(account_id: str, store: EventStore | None = None) -> int:
    """That of the account's newest event; 0 where there is none."""
    store = store or event_store()
    rows = store.rows(
        f"SELECT event.sequence FROM {store.events} WHERE event.account = ? ORDER BY event.sequence DESC LIMIT 1",  # noqa: S608
        (account_id,),
    )
    return int(rows[0][0]) if rows else 0


def unreadable() -> int:
    """How many records of the trail, of any account, cannot be read."""
    return event_store().unreadable()


def missing() -> int:
    """How many of the newest records that the trail must hold are not found: where a place of the journal looks like its end, nothing behind
    it is read. The mark is taken as it is; whether it was signed by this installation is engine.trail.verify's to say."""
    if connection.vendor == "postgresql":
        return 0  # rows, which lie behind no other
    reached = TrailMark.objects.filter(id=1).values_list("reached", flat=True).first() or 0
    store = event_store()
    newest = store.rows("SELECT max(sequence) FROM event", ())[0][0] or 0
    return max(0, reached - max(newest, store.removed()))


def event_id_at(account_id: str, sequence: int, store: EventStore | None = None) -> str | None:
    """None where the account has no such event."""
    store = store or event_store()
    rows = store.rows(
        f"SELECT event.event_id FROM {store.events} WHERE event.account = ? AND event.sequence = ?",  # noqa: S608
        (account_id, sequence),
    )
    return str(rows[0][0]) if rows else None


def uses_since(account_id: str, region: str, after: int) -> tuple[list[tuple[str, datetime]], int]:
    """([(key ARN, when last used)] of the account's keys used since the event `after`, the last event this takes in)."""
    rows = event_store().uses_since(account_id, f"arn:aws:kms:{region}:{account_id}:key/", after)
    latest = max((sequence for _, _, sequence in rows), default=after)
    return [(arn, datetime.fromtimestamp(time, UTC)) for arn, time, _ in rows], latest


def in_order(account_id: str, names: Iterable[str], after: int, until: int) -> list[tuple[int, dict[str, Any]]]:
    """(sequence, record) of the events of these names later than the event `after`, up to `until`, the oldest first."""
    store, wanted = event_store(), tuple(names)
    sql = (
        f"SELECT {store.columns} FROM {store.events} WHERE event.account = ? "  # noqa: S608
        f"AND event.name IN ({', '.join('?' * len(wanted))}) "
        f"AND event.sequence > {int(after)} AND event.sequence <= {int(until)} ORDER BY event.sequence"
    )
    return list(numbered(store, store.rows(sql, (account_id, *wanted))))


def numbered(store: EventStore, rows: list[tuple[Any, ...]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of rows of the store with their sequence numbers; those that cannot be read are left out."""
    records = list(store.records(rows))
    if len(records) == len(rows):
        yield from ((row[0], record) for row, record in zip(rows, records, strict=True))
        return
    for row in rows:  # one cannot be read: the others keep their numbers
        for record in store.records([row]):
            yield row[0], record
