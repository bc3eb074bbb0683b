"""Questions to the trail: events by who, what, which key, when; last uses. Every answer includes all that was acknowledged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

from engine.trail import index


@dataclass(frozen=True, slots=True)
class Page:
    """Events as their CloudTrail records, and the sequence to go on from (None at the end)."""

    events: list[dict[str, Any]]
    next: int | None


@dataclass(frozen=True, slots=True)
class Use:
    when: datetime
    operation: str
    service: str
    region: str
    event_id: str
    request_id: str
    principal: str


def _folder() -> Path:
    return Path(settings.DATA) / "trail"


def lookup(
    account_id: str,
    *,
    region: str | None = None,
    key: str | None = None,
    user: str | None = None,
    name: str | None = None,
    source: str | None = None,
    access_key_id: str | None = None,
    event_id: str | None = None,
    errors_only: bool = False,
    read_only: bool | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 50,
    before: int | None = None,
) -> Page:
    """Newest first. `key` is a key ARN; `before` the cursor of the page before."""
    conditions, values = ["event.account = ?"], [account_id]
    table = "event"
    if key is not None:
        table = "resource CROSS JOIN event ON event.sequence = resource.sequence"
        conditions.append("resource.account = ? AND resource.arn = ?")
        values += [account_id, key]
    for column, wanted in (
        ("region", region),
        ("user", user),
        ("name", name),
        ("source", source),
        ("access_key", access_key_id),
        ("event_id", event_id),
    ):
        if wanted is not None:
            conditions.append(f"event.{column} = ?")
            values.append(wanted)
    if errors_only:
        conditions.append("event.error <> ''")
    if read_only is not None:
        conditions.append(f"event.read_only = {int(read_only)}")
    if start is not None:
        conditions.append(f"event.time >= {int(start.timestamp())}")
    if end is not None:
        conditions.append(f"event.time <= {int(end.timestamp())}")
    if before is not None:
        conditions.append(f"event.sequence < {int(before)}")
    order = "resource.sequence" if key is not None else "event.sequence"
    sql = (
        f"SELECT event.sequence, event.start, event.end, event.voided FROM {table} "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} ORDER BY {order} DESC LIMIT {int(limit) + 1}"
    )
    connection = index.connection(_folder())
    rows = connection.execute(sql, values).fetchall()
    more = rows[limit - 1][0] if len(rows) > limit else None
    return Page(list(_records(rows[:limit])), more)


def _records(rows: Iterable[tuple[int, int, int, int]]) -> Iterable[dict[str, Any]]:
    with open(_folder() / "journal", "rb") as file:
        for _, start, end, voided in rows:
            line = os.pread(file.fileno(), end - start, start)
            record = orjson.loads(line[:-1].split(b" ", 2)[2])
            if voided:
                record["voided"] = True
            yield record


def event(account_id: str, event_id: str) -> dict[str, Any] | None:
    found = lookup(account_id, event_id=event_id, limit=1).events
    return found[0] if found else None


def last_use(account_id: str, key_arn: str) -> Use | None:
    """The last successful cryptographic operation with a key, whoever's account made it."""
    return _last_use("key", key_arn)


def last_use_of_access_key(account_id: str, access_key_id: str) -> Use | None:
    return _last_use("access-key", access_key_id)


def last_use_of_role(account_id: str, role_arn: str) -> Use | None:
    return _last_use("role", role_arn)


def _last_use(kind: str, subject: str) -> Use | None:
    connection = index.connection(_folder())
    rows = connection.execute(
        "SELECT event.sequence, event.start, event.end, event.voided FROM last_use JOIN event USING (sequence) "
        "WHERE kind = ? AND subject = ?",
        (kind, subject),
    ).fetchall()
    for record in _records(rows):
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


def first_event_time(account_id: str) -> datetime | None:
    """When the trail of an account begins."""
    connection: sqlite3.Connection = index.connection(_folder())
    row = connection.execute(
        "SELECT time FROM event WHERE account = ? ORDER BY sequence LIMIT 1", (account_id,)
    ).fetchone()
    return datetime.fromtimestamp(row[0], UTC) if row else None
