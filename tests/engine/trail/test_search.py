"""Searching the trail: the index finds what looking at every record finds, whatever is combined; it is kept, mended and made anew."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.trail import (
    columns,
    event_search,
    event_terms,
    facet_index,
    index,
    places,
    recorder,
    search,
    search_index,
    search_question,
    survey,
    times,
)
from engine.trail.event_search import Clause, Search
from tests.conftest import TestAccount, new_account
from tests.support.trail_events import REGION, Chance

BEGIN = 1_790_000_000
NUMBER = 300


@pytest.fixture(scope="module")
def history(prepared: Path) -> tuple[str, list[dict[str, Any]]]:
    """An account's events, some of them behind others by a few seconds, and their records, newest first."""
    account_id = new_account().account_id
    chance = Chance(account_id, keys=30, sessions=20)
    records = [
        chance.record(BEGIN + number * 60 - chance.random.choice((0, 0, 0, 130)), awsRegion=REGION)
        for number in range(NUMBER)
    ]
    records[3]["requestParameters"]["description"] = "Straße 42, ΔΕΛΤΑ and a " + "very " * 80 + "long text"
    records[4]["requestParameters"]["encryptionContext"] = {"document": "x" * 500, "a=b": "c=d"}
    records[5]["awsRegion"] = "eu-west-1"
    recorder.record([json.dumps(each).encode() for each in records])
    return account_id, [each for each in reversed(records) if each["awsRegion"] == REGION]


@pytest.fixture(autouse=True)
def no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No budget is used up by a slow machine."""
    monkeypatch.setattr(search, "PAGE_SECONDS", 60.0)
    monkeypatch.setattr(search, "SURVEY_SECONDS", 60.0)


def searches(records: list[dict[str, Any]]) -> list[Search]:
    """Searches by every field, with values that records have and one that none has, alone and combined."""
    chance = random.Random(7)
    clauses = [
        Clause(field, value)
        for field in (*event_terms.FIELDS, *event_terms.IDENTIFIERS)
        for value in {*_values(field, chance.sample(records, 4)), "nothing-has-this"}
    ]
    singles = [Search(region=REGION, clauses=(clause,), hidden=True) for clause in clauses]
    pairs = [
        Search(region=REGION, clauses=tuple(chance.sample(clauses, 2)), hidden=chance.random() < 0.5) for _ in range(40)
    ]
    texts = (
        "tenant",
        "Straße",
        "δελτα",
        "team 3",
        "not authorized",
        "AccessDenied",
        records[9]["requestID"][:9],
        "zzz",
    )
    words = [Search(region=REGION, text=text, hidden=True) for text in texts]
    prefix = [Search(region=REGION, clauses=(Clause("error", "Acc", prefix=True),))]
    times = [
        Search(
            region=REGION,
            start=datetime.fromtimestamp(BEGIN + chance.randrange(NUMBER) * 60, UTC),
            end=datetime.fromtimestamp(BEGIN + chance.randrange(NUMBER) * 60, UTC),
            clauses=chance.choice([(), (clauses[0],)]),
        )
        for _ in range(20)
    ]
    return [*singles, *pairs, *words, *prefix, *times]


def _values(field: str, records: list[dict[str, Any]]) -> set[str]:
    of_field = {**event_terms.FIELDS, **event_terms.IDENTIFIERS}[field]
    return {value for record in records for value in of_field(record) if value}


def test_the_index_finds_what_looking_at_every_record_finds(history: tuple[str, list[dict[str, Any]]]) -> None:
    account_id, records = history
    found = 0
    for wanted in searches(records):
        expected = [each["eventID"] for each in records if event_search.matches(each, wanted)]
        answer = search.search(account_id, wanted, NUMBER)
        assert [each["eventID"] for each in answer.events] == expected, wanted
        found += bool(expected)
        assert (answer.total, answer.whole, answer.next) == (len(expected), True, None), wanted
        assert sum(each.number for each in answer.histogram) == answer.total, wanted
    assert found > 50, "there is something to find"


def small_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    for name, value in (("BLOCK", block), ("ALL", (1 << block) - 1), ("_BYTES", block // 8)):
        monkeypatch.setattr(places, name, value)


@pytest.mark.parametrize("block", [1 << 16, 32])
def test_facets_and_histogram_are_true_however_they_are_counted(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Full blocks have numbers of terms that many of their events have; the last one, and any other question, is counted by columns."""
    small_blocks(monkeypatch, block)
    for module, name, value in (
        (facet_index, "MANY", 4),
        (search_index, "BATCH", 50),
        (search, "INDEX_SECONDS", 60.0),
        (survey, "SAMPLE", 10),
        (times, "_FEW", 4),
    ):
        monkeypatch.setattr(module, name, value)
    account_id, chance = account.account_id, Chance(account.account_id, keys=30, sessions=20)
    written = [chance.record(BEGIN + number * 60 - chance.random.choice((0, 0, 0, 130))) for number in range(NUMBER)]
    recorder.record([json.dumps(each).encode() for each in written])
    records = written[::-1]
    clauses = [
        Clause("user", "batch"),
        Clause("context", "purpose"),
        Clause("operation", "Decrypt"),
        Clause("kind", "use"),
    ]
    clauses += [
        Clause("error", "any"),
        Clause("error", "Acc", prefix=True),
        Clause("key", records[0]["resources"][0]["ARN"]),
    ]
    asked = [Search(region=REGION, clauses=(each,), hidden=hidden) for each in clauses for hidden in (False, True)]
    asked += [Search(region=REGION, clauses=(clauses[0], clauses[2])), Search(region=REGION, text="tenant")]
    asked += [Search(region=REGION, start=datetime.fromtimestamp(BEGIN + 5_000, UTC), clauses=(clauses[0],))]
    asked += [Search(region=REGION), Search(region=REGION, hidden=True)]
    kept = sum(_kept(account_id, Search(region=REGION, clauses=(clauses[0],))))
    assert (kept > 0) == (block < NUMBER), "numbers are kept of full blocks"
    for wanted in asked:
        answer = search.search(account_id, wanted, 1)
        matching = [each for each in records if event_search.matches(each, wanted)]
        for name in event_search.FACETS:
            values = Counter(each for record in matching for each in event_terms.FIELDS[name](record))
            values.pop(event_terms.ANY_ERROR, None)
            assert (dict(answer.facets[name].values), answer.facets[name].whole) == (values, True), name
        assert answer.total == len(matching)
        unhidden = [each for each in records if event_search.matches(each, replace(wanted, hidden=True))]
        assert answer.hidden == len(unhidden) - len(matching)
        for each in answer.histogram:
            moments = [event_terms.moment(record) for record in matching]
            assert each.number == sum(each.begin.timestamp() <= moment < each.end.timestamp() for moment in moments)


def _kept(account_id: str, wanted: Search) -> list[bool]:
    """For each block, whether the numbers of the question's term are kept."""
    search.search(account_id, wanted, 1)
    question = search._question(account_id, wanted, search.event_store())
    found = []
    for span in question.spans():
        term = question.term(span)
        assert term is not None
        assert question.shown is not None
        found.append(facet_index.kept(question.index, question.shown, span.block, *term) is not None)
    return found


@pytest.mark.parametrize("block", [1 << 16, 16])
def test_a_facet_of_too_many_values_is_counted_in_the_newest_events_and_says_so(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    small_blocks(monkeypatch, block)
    monkeypatch.setattr(columns, "MOST", 5)
    monkeypatch.setattr(facet_index, "MANY", 2)
    monkeypatch.setattr(survey, "SAMPLE", 1)
    chance = Chance(account.account_id, keys=10)

    def record(number: int) -> dict[str, Any]:
        """Ten users and keys in turn: wherever blocks begin, a full one has too many."""
        user, key = f"user-{number % 10}", chance.keys[number % 10]
        arn = f"arn:aws:iam::{account.account_id}:user/{user}"
        made = chance.record(
            BEGIN + number,
            eventName="Encrypt",
            readOnly=True,
            sourceIPAddress=f"192.0.2.{number % 3}",
            userIdentity={"type": "IAMUser", "arn": arn, "userName": user},
            resources=[{"type": "AWS::KMS::Key", "ARN": f"arn:aws:kms:{REGION}:{account.account_id}:key/{key}"}],
        )
        return made | {"errorCode": "AccessDenied"}

    records = [record(number) for number in range(40)]
    for part in (records[:3], records[3:]):  # few values, and then too many: a column is there no more
        recorder.record([json.dumps(each).encode() for each in part])
        search.search(account.account_id, Search(region=REGION), 1)
    answer = search.search(account.account_id, Search(region=REGION, hidden=True), 1)
    for name in event_search.FACETS:
        values = Counter(each for record in records for each in event_terms.FIELDS[name](record))
        values.pop(event_terms.ANY_ERROR, None)
        facet = answer.facets[name]
        assert facet.whole == (name not in ("user", "key")), name
        assert all(0 < number <= values[value] for value, number in facet.values), name
        assert not facet.whole or dict(facet.values) == values, name


def test_a_search_compares_its_index_with_the_journal_once_not_for_each_time_it_reads(
    history: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Path] = []
    state = index._state

    def counted(of: sqlite3.Connection, path: Path) -> int:
        compared.append(path)
        return state(of, path)

    monkeypatch.setattr(index, "_state", counted)
    monkeypatch.setattr(survey, "SAMPLE", 10)
    answer = search.search(history[0], Search(region=REGION), 10)
    assert len(answer.histogram) > 10
    assert len(compared) <= 3


def test_pages_go_on_where_the_last_one_ended_and_newer_events_do_not_move_them(account: TestAccount) -> None:
    chance = Chance(account.account_id)
    recorder.record([json.dumps(chance.record(BEGIN + number)).encode() for number in range(25)])
    wanted = Search(region=REGION, clauses=(Clause("service", "kms"),), hidden=True)
    seen: list[str] = []
    before = None
    while True:
        answer = search.search(account.account_id, replace(wanted, before=before), 10, with_survey=False)
        seen += [each["eventID"] for each in answer.events]
        recorder.record([json.dumps(chance.record(BEGIN + 100)).encode()])
        if (before := answer.next) is None:
            break
    assert len(seen) == len(set(seen)) == 25
    first = search.search(account.account_id, replace(wanted, before=None), 1, with_survey=False)
    assert search.count(account.account_id, replace(wanted, since=first.sequences[0]), 100) == 0
    recorder.record([json.dumps(chance.record(BEGIN + 200)).encode()])
    assert search.count(account.account_id, replace(wanted, since=first.sequences[0]), 100) == 1


def test_what_there_was_no_time_for_is_said(
    history: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id, records = history
    oldest = records[-1]["eventID"]
    wanted = Search(region=REGION, text=oldest, hidden=True)  # which only looking at each record finds
    monkeypatch.setattr(search, "PAGE_SECONDS", 0.0)
    answer = search.search(account_id, wanted, 10, with_survey=False)
    assert (answer.events, answer.next is not None) == ([], True)
    assert answer.looked_until is not None
    turns = 1
    while not answer.events:
        answer = search.search(account_id, replace(wanted, before=answer.next), 10, with_survey=False)
        turns += 1
    assert [each["eventID"] for each in answer.events] == [oldest]
    assert turns > 1


@pytest.mark.parametrize("block", [16, 64])
def test_an_export_has_all_of_many_blocks_in_either_order_and_reads_as_it_is_asked(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    chance = Chance(account.account_id)
    monkeypatch.setattr(search_question, "CHUNK", 10)
    small_blocks(monkeypatch, block)
    records = [chance.record(BEGIN + number) for number in range(200)]
    recorder.record([json.dumps(each).encode() for each in records])
    wanted = Search(region=REGION, clauses=(Clause("service", "kms"),), hidden=True)
    expected = [each["eventID"] for each in records]
    assert [each["eventID"] for each in search.every(account.account_id, wanted, oldest_first=True)] == expected
    assert [each["eventID"] for each in search.every(account.account_id, wanted)] == expected[::-1]
    read: list[int] = []
    chunk = search_question.Question.records
    monkeypatch.setattr(
        search_question.Question, "records", lambda self, numbers: read.append(len(numbers)) or chunk(self, numbers)
    )
    lazy = search.every(account.account_id, wanted)
    for _ in range(3):
        next(lazy)
    assert sum(read) <= 20


def damaged(path: Path) -> None:
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def no_database(path: Path) -> None:
    path.write_bytes(b"<html>")


def without_terms(path: Path) -> None:
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("DROP TABLE term")


def of_an_older_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as opened:
        opened.executescript("DELETE FROM term; PRAGMA user_version = 0")


@pytest.mark.parametrize("change", [damaged, no_database, without_terms, of_an_older_version, Path.unlink])
def test_an_index_that_is_damaged_gone_or_of_another_version_is_made_anew(
    account: TestAccount, prepared: Path, change: Callable[[Path], None]
) -> None:
    account.create_key()
    wanted = Search(region="us-east-1", clauses=(Clause("operation", "CreateKey"),))
    assert search.search(account.account_id, wanted, 10).total == 1
    path = prepared / "trail" / "search.sqlite3"
    opened = search_index.connection(path.parent)
    opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()
    search_index._local.found = None  # as a thread that has not asked yet
    change(path)
    assert search.search(account.account_id, wanted, 10).total == 1
    assert opened is not search_index.connection(path.parent)


def test_an_index_of_another_trail_is_made_anew(account: TestAccount, prepared: Path) -> None:
    account.create_key()
    wanted = Search(region="us-east-1", clauses=(Clause("operation", "CreateKey"),))
    search.search(account.account_id, wanted, 10)
    index = search_index.connection(prepared / "trail")
    index.execute("UPDATE account SET event_id = 'other' WHERE name = ?", (account.account_id,))
    index.execute("UPDATE term SET events = 0, places = x'' WHERE value = 'CreateKey'")
    assert search.search(account.account_id, wanted, 10).total == 1


def test_a_backlog_that_is_too_long_for_a_question_is_said_and_indexed_beside_it(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "INDEX_SECONDS", 0.0)
    monkeypatch.setattr(search_index, "BATCH", 5)
    chance = Chance(account.account_id)
    recorder.record([json.dumps(chance.record(BEGIN + number)).encode() for number in range(40)])
    wanted = Search(region=REGION, hidden=True)
    answer = search.search(account.account_id, wanted, 100)
    assert answer.behind > 0
    nobody_indexes()
    again = search.search(account.account_id, wanted, 100)
    assert (again.behind, len(again.events) >= 40) == (0, True)


def nobody_indexes() -> None:
    """What an earlier question left to a thread is done: while it writes the index, others take it as it is."""
    for thread in threading.enumerate():
        if thread.name == "search-index":
            thread.join()


def test_a_question_does_not_wait_for_another_process_that_writes_the_index(
    account: TestAccount, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "INDEX_SECONDS", 60.0)
    wanted = Search(region="us-east-1", hidden=True)
    nobody_indexes()
    known = search.search(account.account_id, wanted, 100).total
    account.create_key()
    with (
        closing(sqlite3.connect(prepared / "trail" / "search.sqlite3", isolation_level=None)) as other,
        monkeypatch.context() as at_once,
    ):
        at_once.setattr(search, "INDEX_SECONDS", 0.0)
        other.execute("BEGIN IMMEDIATE")
        answer = search.search(account.account_id, wanted, 100)
    assert (answer.total, answer.behind > 0) == (known, True)
    nobody_indexes()
    assert search.search(account.account_id, wanted, 100).total > known


def test_a_search_sees_what_was_acknowledged_before_it(account: TestAccount) -> None:
    wanted = Search(region="us-east-1", clauses=(Clause("operation", "CreateKey"),))
    for number in range(1, 4):
        account.create_key()
        assert search.search(account.account_id, wanted, 10).total == number


def test_the_index_is_made_where_there_is_no_folder_of_the_trail_yet(tmp_path: Path) -> None:
    """As with PostgreSQL, which keeps the trail itself."""
    index = search_index.connection(tmp_path / "data" / "trail")
    assert index.execute("SELECT count(*) FROM term").fetchone() == (0,)
