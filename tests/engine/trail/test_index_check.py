"""Whoever can write beside the record hides an event from every question: a verification that reads every record finds it, and mends it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from engine.trail import index_check, verification
from tests.conftest import TestAccount
from tests.support.answers import verified

SENTENCE = "What events are looked up by said something else than the records; it was made anew from them."
needs_journal = pytest.mark.skipif(
    connection.vendor == "postgresql", reason="the trail of PostgreSQL has no index file"
)
needs_database = pytest.mark.skipif(connection.vendor != "postgresql", reason="the trail is in files")

# What somebody with the disk changes in an index so that CreateKey is not found, or is another's.
CHANGES = {
    "an event is gone": "DELETE FROM event WHERE name = 'CreateKey' AND account = ?1",
    "an event has another name": "UPDATE event SET name = 'ListKeys' WHERE name = 'CreateKey' AND account = ?1",
    "an event lies elsewhere": "UPDATE event SET start = start + 1 WHERE name = 'CreateKey' AND account = ?1",
    "an event counts as voided": "UPDATE event SET voided = 1 WHERE name = 'CreateKey' AND account = ?1",
    "a key is not named": "DELETE FROM resource WHERE account = ?1",
    "a key is named that was not": "INSERT INTO resource VALUES (?1, 'arn:aws:kms:us-east-1:1:key/no', 1)",
    "an access key was not used": "DELETE FROM last_use WHERE kind = 'access-key' AND ?1 = ?1",
    "an event that never was": "INSERT INTO event SELECT 1 << 40, start, end, 'no', time, account, region, source, name, error, "
    "principal, user, access_key, read_only, 0 FROM event WHERE name = 'CreateKey' AND account = ?1",
}


def created(account: TestAccount, key: str) -> list[str]:
    """The events of CreateKey that LookupEvents finds by name and by key."""
    by = [("EventName", "CreateKey"), ("ResourceName", key)]
    cloudtrail = account.client("cloudtrail")
    found = [
        cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": k, "AttributeValue": v}])["Events"] for k, v in by
    ]
    return sorted({event["EventId"] for events in found for event in events if event["EventName"] == "CreateKey"})


def arn_of(account: TestAccount) -> str:
    return str(account.client().create_key()["KeyMetadata"]["Arn"])


def change(sql: str, *values: Any) -> None:
    with closing(sqlite3.connect(Path(settings.DATA) / "trail" / "index.sqlite3")) as index, index:
        index.execute(sql, values)


@needs_journal
@pytest.mark.parametrize("sql", CHANGES.values(), ids=CHANGES)
def test_an_index_that_says_something_else_than_the_records_is_made_anew(account: TestAccount, sql: str) -> None:
    key = arn_of(account)
    before = created(account, key)
    assert len(before) == 1
    change(sql, account.account_id)
    verdict, _statement = verification.run(read_all=True)
    assert verdict.whole
    assert verdict.mended == (SENTENCE,)
    assert created(account, key) == before
    assert verification.run(read_all=True)[0].mended == ()


@needs_journal
def test_a_trigger_in_the_index_that_hides_what_comes_is_found(account: TestAccount) -> None:
    created(account, arn_of(account))
    change(
        "CREATE TRIGGER hide AFTER INSERT ON event WHEN new.name = 'CreateKey' BEGIN DELETE FROM event WHERE sequence = new.sequence; END"
    )
    key = arn_of(account)
    assert len(created(account, key)) == 1  # of the one before
    assert verification.run(read_all=True)[0].mended == (SENTENCE,)
    assert len(created(account, key)) == 2
    assert len(created(account, arn_of(account))) == 3


@needs_journal
def test_what_is_searched_is_made_anew_with_it(account: TestAccount, signed_in: Client) -> None:
    created(account, arn_of(account))
    change("UPDATE event SET account = '000000000000' WHERE name = 'CreateKey' AND account = ?1", account.account_id)
    assert signed_in.get("/audit/?operation=CreateKey").context["found"].events == []
    assert verification.run(read_all=True)[0].mended == (SENTENCE,)
    assert len(signed_in.get("/audit/?operation=CreateKey").context["found"].events) == 1


@needs_journal
def test_the_page_says_that_it_was_made_anew(account: TestAccount, signed_in: Client) -> None:
    created(account, arn_of(account))
    change(CHANGES["an event is gone"], account.account_id)
    page = verified(signed_in, all="on")
    assert SENTENCE in page


@needs_journal
def test_an_index_that_is_locked_leaves_the_question_open(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_folder: Path) -> bool:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(index_check, "_differs", locked)
    page = verified(signed_in, all="on")
    assert "Whether the record is complete cannot be told." in page
    assert "database is locked" in page


IN_DATABASE = {
    "an event has another name": "UPDATE trail_event SET name = 'ListKeys' WHERE account = %s AND name = 'CreateKey'",
    "a key is not named": "DELETE FROM trail_resource WHERE account = %s",
    "a key is named that was not": "INSERT INTO trail_resource VALUES (%s, 'arn:aws:kms:us-east-1:1:key/no', 1, 1)",
}


@needs_database
@pytest.mark.parametrize("sql", IN_DATABASE.values(), ids=IN_DATABASE)
def test_columns_that_say_something_else_than_their_records_are_written_anew(account: TestAccount, sql: str) -> None:
    key = arn_of(account)
    before = created(account, key)
    with connection.cursor() as cursor:
        cursor.execute(sql, (account.account_id,))
    (said,) = verification.run()[0].mended
    assert said.startswith(f"account {account.account_id}: what 1 events are looked up by")
    assert created(account, key) == before
    assert verification.run()[0].mended == ()
