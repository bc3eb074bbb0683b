"""LookupEvents and what stands on it: every attribute, time ranges, tokens, and the command that checks the chain."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from engine.store.models import TrailMark
from engine.trail import index, query, verification, verify
from engine.trail.journal import Journal
from tests.conftest import TestAccount


@pytest.fixture
def used(account: TestAccount) -> TestAccount:
    """An account whose administrator made a key, used it twice and was refused once."""
    kms, key_id = account.client(), account.create_key()
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    kms.describe_key(KeyId=key_id)
    with pytest.raises(ClientError):
        kms.describe_key(KeyId="00000000-0000-4000-8000-000000000000")
    return account


def look(account: TestAccount, **parameters: Any) -> list[dict[str, Any]]:
    return list(account.client("cloudtrail").lookup_events(**parameters)["Events"])


def names(account: TestAccount, attribute: str, value: str) -> list[str]:
    wanted = [{"AttributeKey": attribute, "AttributeValue": value}]
    return [event["EventName"] for event in look(account, LookupAttributes=wanted)]


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("ReadOnly", "false", ["CreateKey"]),
        ("ReadOnly", "true", ["DescribeKey", "DescribeKey", "Encrypt"]),
        ("ResourceType", "AWS::S3::Object", []),
        ("EventSource", "sts.amazonaws.com", []),
        ("EventName", "Encrypt", ["Encrypt"]),
        ("Username", "somebody", []),
        ("AccessKeyId", "AKIANOTTHERE00000000", []),
    ],
)
def test_events_are_found_by_each_attribute(used: TestAccount, attribute: str, value: str, expected: list[str]) -> None:
    found = look(used, LookupAttributes=[{"AttributeKey": attribute, "AttributeValue": value}])
    assert [event["EventName"] for event in found if event["EventName"] != "LookupEvents"] == expected, found


def test_events_are_found_by_key_id_event_id_and_access_key(used: TestAccount) -> None:
    created = next(event for event in look(used) if event["EventName"] == "CreateKey")
    key_arn = created["Resources"][0]["ResourceName"]
    assert names(used, "ResourceName", key_arn.rpartition("/")[2]) == ["DescribeKey", "Encrypt", "CreateKey"]
    assert names(used, "EventId", created["EventId"]) == ["CreateKey"]
    assert "Encrypt" in names(used, "AccessKeyId", used.administrator.access_key_id)
    (found,) = query.lookup(used.account_id, query.Lookup(event_id=created["EventId"])).events
    assert found == json.loads(created["CloudTrailEvent"])
    assert query.lookup(used.account_id, query.Lookup(event_id="none")).events == []


def test_time_ranges_include_their_ends_and_a_wrong_one_is_refused(used: TestAccount) -> None:
    now = datetime.now(UTC)
    assert len(look(used, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1))) >= 4
    assert look(used, EndTime=now - timedelta(hours=1)) == []
    assert look(used, StartTime=now + timedelta(hours=1)) == []
    assert look(used, EventCategory="insight") == []
    with pytest.raises(ClientError) as refused:
        look(used, StartTime=now, EndTime=now - timedelta(hours=1))
    assert refused.value.response["Error"]["Code"] == "InvalidTimeRangeException"


def test_events_are_found_by_one_attribute_at_a_time(used: TestAccount) -> None:
    wanted = [{"AttributeKey": name, "AttributeValue": "Encrypt"} for name in ("EventName", "Username")]
    with pytest.raises(ClientError) as refused:
        look(used, LookupAttributes=wanted)
    assert refused.value.response["Error"]["Code"] == "InvalidLookupAttributesException"


def overwritten(path: Path) -> None:
    """All but the first page, so that it opens as a database."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_database(path: Path) -> None:
    path.write_bytes(b"<html>")


def without(table: str) -> Callable[[Path], None]:
    def drop(path: Path) -> None:
        with closing(sqlite3.connect(path)) as index:
            index.execute(f"DROP TABLE {table}")

    return drop


def only_its_lookups_are_damaged(path: Path) -> None:
    """What is read on the way to a question is whole, and the pages that only the question reads are not."""
    with closing(sqlite3.connect(path)) as index:
        roots = index.execute(
            "SELECT rootpage FROM sqlite_master WHERE name IN ('event_account', 'event_name')"
        ).fetchall()
    with open(path, "r+b") as file:
        for (root,) in roots:
            file.seek((root - 1) * 4096)
            file.write(b"\xa5" * 4096)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the database is the index")
@pytest.mark.parametrize(
    "damage",
    [
        overwritten,
        cut,
        no_database,
        only_its_lookups_are_damaged,
        *(without(table) for table in ("event", "resource", "last_use", "position")),
        Path.unlink,
    ],
)
def test_a_damaged_index_is_made_anew_by_whoever_asks(
    used: TestAccount, prepared: Path, damage: Callable[[Path], None]
) -> None:
    before = [event["EventId"] for event in look(used)]
    path = prepared / "trail" / "index.sqlite3"
    opened = index.connection(path.parent)
    opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()
    index._local.found = None  # as a thread that has not asked yet
    damage(path)
    after = [event["EventId"] for event in look(used)]
    assert after[-len(before) :] == before
    assert query.last_use(used.account_id, key_arn(used)) is not None


def test_a_record_that_cannot_be_read_is_counted_until_it_can(tmp_path: Path) -> None:
    event = {
        "eventID": "0",
        "eventTime": "2026-01-01T00:00:00Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "ListKeys",
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser"},
        "readOnly": True,
    }
    journal = Journal(tmp_path)
    for number in range(3):
        journal.append(json.dumps(event | {"eventID": str(number)}).encode())
    store, path = index.EventStore(tmp_path), tmp_path / "journal"
    number = lambda: store.rows("SELECT count(*) FROM event", ())[0][0]  # noqa: E731
    assert (number(), store.unreadable()) == (3, 0)
    whole = path.read_bytes()
    for text, found in ((whole.replace(b'{"eventID": "1"', b'X"eventID": "1"'), (2, 1)), (whole, (3, 0))):
        path.write_bytes(text)
        index.make_anew(tmp_path)
        assert (number(), store.unreadable()) == found


def test_what_the_trail_must_hold_and_is_not_found_is_missing(used: TestAccount) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("the trail is in the database")
    assert query.missing() == 0
    newest = index.EventStore(Path(settings.DATA) / "trail").rows("SELECT max(sequence) FROM event", ())[0][0]
    mark = TrailMark.objects.filter(id=1)
    before = mark.get().reached
    try:
        mark.update(reached=newest + 5)  # as where what stands behind a place without a record is not read
        assert query.missing() == 5
    finally:
        mark.update(reached=before)


def key_arn(account: TestAccount) -> str:
    kms = account.client()
    return str(kms.describe_key(KeyId=kms.list_keys()["Keys"][0]["KeyId"])["KeyMetadata"]["Arn"])


@pytest.mark.parametrize("token", ["?", base64.b64encode(b"keys|5").decode(), base64.b64encode(b"events|x").decode()])
def test_a_token_of_something_else_is_refused(used: TestAccount, token: str) -> None:
    with pytest.raises(ClientError) as refused:
        look(used, NextToken=token)
    assert refused.value.response["Error"]["Code"] == "InvalidNextTokenException"


def test_refused_calls_alone_are_found(used: TestAccount) -> None:
    found = query.lookup(used.account_id, query.Lookup(errors_only=True)).events
    assert [(event["eventName"], event["errorCode"]) for event in found] == [("DescribeKey", "NotFoundException")]


def test_the_command_tells_a_whole_trail_from_a_broken_one(
    used: TestAccount, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("verify_trail")
    assert capsys.readouterr().out.startswith("whole: ")
    broken = verify.Verdict(2, "00", 3, "its hash is not that of its content", 0)
    with monkeypatch.context() as patched:
        patched.setattr(verification, "run", lambda **_: (broken, ""))
        with pytest.raises(CommandError, match="breaks at record 3: its hash"):
            call_command("verify_trail")
        patched.setattr(verification, "run", lambda **_: (verify.Verdict(2, "00", 0, "", 17), ""))
        call_command("verify_trail")
    assert "17 bytes of an unfinished record" in capsys.readouterr().out


def swap(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (swap, "record 3 stands where 2 should"),
        (lambda lines: [lines[0], b"nonsense\n", *lines[2:]], "does not begin a record"),
        (lambda lines: [lines[0], lines[1].replace(b'"n":1', b'"n":7'), *lines[2:]], "its hash is not that"),
    ],
)
def test_a_verdict_says_what_is_wrong(tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], said: str) -> None:
    journal = Journal(tmp_path)
    for number in range(4):
        journal.append(b'{"n":%d}' % number)
    journal.close()
    path = tmp_path / "journal"
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    verdict = verify.verify(path)
    assert (verdict.whole, verdict.broken_at) == (False, 2)
    assert said in verdict.reason


def test_a_journal_that_is_not_there_is_whole_and_empty(tmp_path: Path) -> None:
    verdict = verify.verify(tmp_path / "journal")
    assert (verdict.whole, verdict.records, verdict.torn) == (True, 0, 0)


def test_a_token_is_for_the_next_page_of_the_same_answer(used: TestAccount) -> None:
    asked = {"AttributeKey": "EventSource", "AttributeValue": "kms.amazonaws.com"}
    token = used.client("cloudtrail").lookup_events(MaxResults=1, LookupAttributes=[asked])["NextToken"]
    assert look(used, LookupAttributes=[asked], NextToken=token)
    for other in ({}, {"LookupAttributes": [asked], "StartTime": datetime(2020, 1, 1, tzinfo=UTC)}):
        with pytest.raises(ClientError) as refused:
            look(used, **other, NextToken=token)
        assert refused.value.response["Error"]["Code"] == "InvalidNextTokenException"
