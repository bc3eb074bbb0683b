"""The history follows the record: it goes on where it stopped, takes out what was voided, and is made anew beside another record."""

from __future__ import annotations

import pytest
from django.test import Client

from engine import clock
from engine.trail import recorder
from keys.record import projection
from keys.record.models import HistoryEvent, HistoryState
from tests.conftest import TestAccount


def names(account: TestAccount, kind: str = projection.KEY) -> list[str]:
    return [each["eventName"] for each in projection.of_kind(account.account_id, kind)]


def test_it_has_what_changes_keys_and_principals_and_no_use_of_a_key(account: TestAccount) -> None:
    key = account.create_key()
    account.client().encrypt(KeyId=key, Plaintext=b"x")
    account.create_user("ann")
    assert projection.catch_up(account.account_id, 60).whole
    assert names(account) == ["CreateKey"]
    assert names(account, projection.IAM) == ["CreateUser", "CreateAccessKey"]
    account.client().disable_key(KeyId=key)
    projection.catch_up(account.account_id, 60)
    assert names(account) == ["CreateKey", "DisableKey"]


def test_a_change_that_was_voided_is_taken_out_again(account: TestAccount) -> None:
    key = account.create_key()
    account.client().disable_key(KeyId=key)
    projection.catch_up(account.account_id, 60)
    event = HistoryEvent.objects.get(account_id=account.account_id, record__contains='"DisableKey"').event_id
    recorder.void(event, account.account_id, "us-east-1", "a test")
    projection.catch_up(account.account_id, 60)
    assert names(account) == ["CreateKey"]


def test_beside_a_record_that_is_another_one_it_is_made_anew(account: TestAccount) -> None:
    account.create_key()
    projection.catch_up(account.account_id, 60)
    for exchanged in ({"last_event_id": "of another record"}, {"through": 2**60}):
        HistoryState.objects.filter(account_id=account.account_id).update(**exchanged)
        HistoryEvent.objects.filter(account_id=account.account_id).update(record="{}")
        assert projection.catch_up(account.account_id, 60).whole
        assert names(account) == ["CreateKey"]


def test_a_page_of_the_past_says_how_far_the_history_is_read_where_it_may_not_wait(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = account.create_key()
    for _ in range(8):  # with PostgreSQL an account's record is numbered by itself
        account.client().describe_key(KeyId=key_id)
    account.move_clock(hours=1)
    moment = {"as_of": clock.now(account.account_id).isoformat()}
    begin = projection.events.latest_sequence(account.account_id)
    monkeypatch.setattr(projection, "_WINDOW", max(1, begin // 2))
    monkeypatch.setattr("keys.record.history.SECONDS", 0.0)
    answer = signed_in.get("/keys/", moment)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "The history is being read" in answer.content.decode()
    for _ in range(4):
        answer = signed_in.get("/keys/", moment)
        if answer.status_code == 200:
            break
    assert len(answer.context["page"].object_list) == 1
