"""Pages of all keys of a moment: a long replay is made by a thread, its page says how far it is, and later pages go on from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from engine import clock
from keys.record import past_keys
from tests.conftest import TestAccount

WAIT = 10  # seconds


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_keys, "_AT_ONCE", 5)
    monkeypatch.setattr(past_keys, "_WAITS", 0.0)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Replays go on when it is set."""
    go_on, taken = threading.Event(), past_keys.KeyReplay.take

    def take(replay: Any, record: dict[str, Any]) -> None:
        assert go_on.wait(WAIT)
        taken(replay, record)

    monkeypatch.setattr(past_keys.KeyReplay, "take", take)
    yield go_on
    go_on.set()


def come_back(browser: Client, address: str) -> Any:
    """The page, as a browser comes back to it."""
    for _ in range(100):
        answer = browser.get(address)
        if answer.status_code != 503:
            return answer
        for being in list(past_keys._being_replayed.values()):
            assert being.over.wait(WAIT)
    raise AssertionError("it is never there")


def a_day_later(account: TestAccount) -> str:
    """The moment before."""
    moment = clock.now(account.account_id).replace(microsecond=0)
    account.move_clock(days=1)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_a_page_says_how_far_the_replay_is_and_shows_the_keys_when_it_is_made(
    account: TestAccount, signed_in: Client, held: threading.Event
) -> None:
    keys = [account.create_key(Description=f"number {number}") for number in range(8)]
    account.move_clock(seconds=5)
    then = a_day_later(account)
    account.client().disable_key(KeyId=keys[0])
    address = f"/keys/?as_of={then}"
    answer = signed_in.get(address)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert "% is read" in answer.content.decode()
    assert signed_in.get(f"/audit/keys/?as_of={then}").status_code == 503  # the same replay
    assert len(past_keys._being_replayed) == 1
    held.set()
    listing = come_back(signed_in, address).context["listing"]
    assert {row.key.key_id for row in listing.rows} == set(keys)
    assert {row.state for row in listing.rows} == {"Enabled"}


@pytest.mark.parametrize("change", [lambda kms, key: kms.disable_key(KeyId=key), lambda kms, key: None])
def test_a_list_of_now_goes_on_from_what_is_replayed(
    account: TestAccount, signed_in: Client, change: Callable[[Any, str], Any]
) -> None:
    keys = [account.create_key() for _ in range(8)]
    a_day_later(account)
    assert come_back(signed_in, "/audit/keys/").context["total"] == 8
    change(account.client(), keys[0])
    page = signed_in.get("/audit/keys/")
    assert page.status_code == 200  # at once: nothing much has changed
    state = account.client().describe_key(KeyId=keys[0])["KeyMetadata"]["KeyState"]
    shown = {key.key_id: state for key, state in page.context["page"]}
    assert shown == {**dict.fromkeys(keys, "Enabled"), keys[0]: state}


def test_what_time_alone_did_since_is_not_left_out(account: TestAccount, signed_in: Client) -> None:
    keys = [account.create_key() for _ in range(8)]
    account.client().schedule_key_deletion(KeyId=keys[0], PendingWindowInDays=7)
    a_day_later(account)
    assert dict(come_back(signed_in, "/audit/keys/").context["states"]) == {"Enabled": 7, "PendingDeletion": 1}
    account.move_clock(days=7)
    assert dict(signed_in.get("/audit/keys/").context["states"]) == {"Enabled": 7, "Deleted": 1}


def test_two_dates_are_compared_however_many_keys_there_are(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_keys, "_KEPT", 1)
    for _ in range(8):
        account.create_key()
    account.move_clock(seconds=5)
    before = a_day_later(account)
    for _ in range(8):
        account.create_key()
    account.move_clock(seconds=5)
    after = a_day_later(account)
    page = come_back(signed_in, f"/audit/keys/compare/?before={before}&after={after}")
    assert page.status_code == 200
    assert page.context["page"].paginator.count == 8
