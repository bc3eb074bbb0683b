"""Whether what events are looked up by says what the records say.

The record proves itself; an index beside it, or the columns of a database, do not: whoever can write there hides an event from every
question, though the record still has it. A verification that reads every record compares both, makes anew what differs, and says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from engine.store import transaction
from engine.trail import index, journal_reader, log_records, search_index, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.indexed_fields import IndexedFields
from engine.trail.models import Event, Head, Resource
from engine.trail.segment_archive import SegmentUnreachable

_OF_DATABASE = ("event_id", "time", "region", "source", "name", "error", "user", "access_key", "role", "read_only")
_BATCH = 2_000


def mend(read_all: bool) -> tuple[str, ...]:
    """Compare all of it, and make anew what differs; a sentence on each. Of a file journal only where every record is read.

    Raises SegmentUnreachable, and OSError where the index or a record cannot be read now.
    """
    if connection.vendor != "postgresql":
        folder = Path(settings.DATA) / "trail"
        if not read_all or not journal_reader.exists(folder / "journal"):
            return ()
        try:
            made_anew = _mend_index(folder)
        except SegmentUnreachable:
            raise
        except (sqlite3.Error, TrailUnavailable) as reason:  # locked, or removed meanwhile
            raise OSError(f"what events are looked up by: {reason}") from reason
        if not made_anew:
            return ()
        return (_("What events are looked up by said something else than the records; it was made anew from them."),)
    numbers = {account: _mend_columns(account) for account in Head.objects.values_list("account", flat=True)}
    said = _(
        "what %(number)d events are looked up by said something else than their records; it was written anew from them"
    )
    return tuple(verify.in_account(each, said % {"number": number}) for each, number in numbers.items() if number)


def _mend_index(folder: Path) -> bool:
    """Compare the index of a trail's folder with all of its journal, and have it made anew if it differs. Whether it did."""
    index.connection(folder)  # brought up to date
    removed = journal_reader.removed(folder / "journal")
    while _differs(folder):
        now = journal_reader.removed(folder / "journal")
        if now == removed:
            index.make_anew(folder)
            search_index.make_anew(folder)  # it was made of what the index told
            return True
        removed = now  # records were removed while they were read
    return False


def _differs(folder: Path) -> bool:
    path = folder / "journal"
    with closing(sqlite3.connect(folder / "index.sqlite3", isolation_level=None)) as found:
        found.execute("BEGIN")  # one state of it to the end, whatever is indexed meanwhile
        try:
            return not index.is_as_made(found) or _rows_differ(found, path)
        except sqlite3.DatabaseError as reason:
            if isinstance(reason, sqlite3.OperationalError):
                raise
            return True


def _rows_differ(found: sqlite3.Connection, path: Path) -> bool:
    (until,) = found.execute("SELECT offset FROM position").fetchone()
    begin = journal_reader.removed(path)
    waiting = takewhile(lambda line: line.end <= until, journal_reader.lines(path, begin.offset))
    last = begin.sequence
    resources = 0
    last_uses: dict[tuple[str, str], int] = {}
    voids: list[str] = []
    while lines := list(islice(waiting, _BATCH)):
        rows = index.rows_of(path, lines)
        if not rows.events:
            continue
        sql = "SELECT * FROM event WHERE sequence > ? AND sequence <= ? ORDER BY sequence"
        held = found.execute(sql, (last, rows.events[-1][0])).fetchall()
        if [row[:-1] for row in held] != rows.events:  # whether it was voided, the last column, a later record says
            return True
        sql = "SELECT 1 FROM resource WHERE account = ? AND arn = ? AND sequence = ?"
        mine = set(rows.resources)
        if any(found.execute(sql, each).fetchone() is None for each in mine):
            return True
        resources += len(mine)
        last = rows.events[-1][0]
        last_uses.update(rows.last_uses)
        voids += (each for (each,) in rows.voids)
    return (
        _number(found, "SELECT count(*) FROM event WHERE sequence > ?", last) != 0
        or _number(found, "SELECT count(*) FROM resource WHERE sequence > ?", begin.sequence) != resources
        or dict(_last_uses(found, begin.sequence)) != last_uses
        or _voided(found, begin.sequence) != {each for each in voids if _is_there(found, each, begin.sequence)}
    )


def _number(found: sqlite3.Connection, sql: str, *values: Any) -> int:
    return int(found.execute(sql, values).fetchone()[0])


def _last_uses(found: sqlite3.Connection, removed: int) -> Iterator[tuple[tuple[str, str], int]]:
    sql = "SELECT kind, subject, sequence FROM last_use WHERE sequence > ?"
    return (((kind, subject), sequence) for kind, subject, sequence in found.execute(sql, (removed,)))


def _voided(found: sqlite3.Connection, removed: int) -> set[str]:
    return {
        each for (each,) in found.execute("SELECT event_id FROM event WHERE voided = 1 AND sequence > ?", (removed,))
    }


def _is_there(found: sqlite3.Connection, event_id: str, removed: int) -> bool:
    sql = "SELECT 1 FROM event WHERE event_id = ? AND sequence > ?"
    return found.execute(sql, (event_id, removed)).fetchone() is not None


# --- the columns of a database


def _mend_columns(account: str) -> int:
    """Compare what events of an account are looked up by in PostgreSQL with their records, and write what differs anew. How many differed."""
    differing = named = last = 0
    records = log_records.of_account(account).after(0)
    while batch := list(islice(records, _BATCH)):
        facts = {record.sequence: IndexedFields.of(record.text) for record in batch}
        rows = Event.objects.filter(account=account, sequence__range=(batch[0].sequence, batch[-1].sequence))
        columns = {sequence: tuple(values) for sequence, *values in rows.values_list("sequence", *_OF_DATABASE)}
        resources = {number: {(arn, each.used) for arn in each.resources} for number, each in facts.items()}
        held = _resources(account, resources)
        for number, each in facts.items():
            if columns.get(number) != _values(each) or held.get(number, set()) != resources[number]:
                _write_columns(account, number, each)
                differing += 1
        named += sum(map(len, resources.values()))
        last = batch[-1].sequence
    beyond = Resource.objects.filter(account=account, sequence__lte=last)
    if beyond.count() != named:  # rows of events that do not name the key
        differing += _write_resources(account)
    return differing


def _values(facts: IndexedFields) -> tuple[Any, ...]:
    return tuple(getattr(facts, name) for name in _OF_DATABASE)


def _resources(account: str, wanted: dict[int, set[tuple[str, int]]]) -> dict[int, set[tuple[str, int]]]:
    """Of the rows that there should be, those that there are."""
    pairs = [(arn, number) for number, each in wanted.items() for arn, _used in each]
    found: dict[int, set[tuple[str, int]]] = {}
    sql = (
        "SELECT sequence, arn, used FROM trail_resource WHERE account = %s "
        "AND (arn, sequence) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, (account, [arn for arn, _number in pairs], [number for _arn, number in pairs]))
        for number, arn, used in cursor.fetchall():
            found.setdefault(number, set()).add((arn, used))
    return found


def _write_columns(account: str, number: int, facts: IndexedFields) -> None:
    with transaction.write():
        Event.objects.filter(account=account, sequence=number).update(
            **dict(zip(_OF_DATABASE, _values(facts), strict=True))
        )
        Resource.objects.filter(account=account, sequence=number).delete()
        Resource.objects.bulk_create(
            Resource(account=account, arn=arn, sequence=number, used=facts.used) for arn in set(facts.resources)
        )


def _write_resources(account: str) -> int:
    """Delete the rows that no record names. How many events they were of."""
    wrong: dict[int, IndexedFields] = {}
    rows = Resource.objects.filter(account=account).order_by("sequence").values_list("sequence", "arn")
    for number, arn in rows.iterator():
        record = log_records.of_account(account).one(number)
        if record is not None and arn not in (facts := IndexedFields.of(record.text)).resources:
            wrong[number] = facts
    for number, facts in wrong.items():
        _write_columns(account, number, facts)
    return len(wrong)
