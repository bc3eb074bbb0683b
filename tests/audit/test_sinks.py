"""The page of sinks: where the record goes, how far each receiver is, and since when one takes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from console import kept_words
from engine.sinks import state
from engine.sinks.configuration import Sink
from engine.sinks.state import Position
from engine.trail import recorder
from engine.trail.journal import Journal
from tests.conftest import TestAccount, sign_in_browser
from tests.support.policies import allow, document, person

pytestmark = pytest.mark.skipif(connection.vendor == "postgresql", reason="a start with sinks is refused there")

SINKS = (
    Sink("archive", "file", path="/var/log/record.jsonl", required=True, max_lag_seconds=2.5),
    Sink("siem", "http", url="https://siem.example/in?token=secret-of-url", secret="whsec_secret-of-sink"),
    Sink("fresh", "syslog", host="logs.example", port=6514),
)


def end_of_record() -> Position:
    """The position of a sink that was just delivered all there is."""
    journal = recorder.journal()
    assert isinstance(journal, Journal)
    sequence, digest = journal.durable_end()
    return Position(sequence, digest.hex(), journal.durable_offset(), delivered=time.time())


@pytest.fixture
def sinks(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Position]:
    """An archive that has everything, a receiver of HTTP that has taken nothing of the last three records, and a sink that begins."""
    data = Path(settings.DATA)
    monkeypatch.setattr(settings, "SINKS", SINKS)
    key_id = account.create_key()
    taken = end_of_record()
    state.store(data, "siem", replace(taken, failing_since=1_760_000_000.0, problem="the receiver answered 503"))
    for _ in range(3):
        account.client().describe_key(KeyId=key_id)
    yield taken
    for path in state.folder(data).glob("*.json"):
        path.unlink()


def rows(browser: Client) -> dict[str, str]:
    answer = browser.get("/audit/sinks/")
    assert answer.status_code == 200
    body = answer.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    texts = [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in body.split("<tr>")[1:]]
    return {text.partition(" ")[0]: text for text in texts}


def test_each_sink_tells_its_target_its_position_and_its_problem(signed_in: Client, sinks: Position) -> None:
    # No event is recorded by looking at a page but the look itself, which is behind as well.
    found = rows(signed_in)
    assert list(found) == ["archive", "siem", "fresh"]
    assert "yes: calls fail when events have waited for 2.5 s" in found["archive"]
    assert "Takes nothing since 2025-10-09 08:53:20 the receiver answered 503" in found["siem"]
    assert re.search(r"\b[45] events\b", found["siem"])
    assert f"record {sinks.sequence:,}" in found["siem"]
    assert "https://siem.example/in no" in found["siem"]
    assert "secret-of" not in signed_in.get("/audit/sinks/").content.decode()
    assert "nothing yet syslog logs.example:6514" in found["fresh"]


def test_a_problem_is_told_in_the_readers_language(signed_in: Client, sinks: Position) -> None:
    data, kept = Path(settings.DATA), "no TLS connection: the certificate or the protocol was refused"
    state.store(data, "siem", replace(sinks, failing_since=1_760_000_000.0, problem=kept))
    assert kept in rows(signed_in)["siem"]
    signed_in.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    with translation.override("de"):
        german = gettext(kept)
    found = rows(signed_in)["siem"]
    assert german in found
    assert kept not in found


def test_what_differs_in_a_kept_message_stays_and_other_words_are_shown_as_they_are() -> None:
    message = "It is deleted on %(date)s."
    with translation.override("de"):
        german = gettext(message)
        assert german != message
        assert kept_words.in_readers_language("It is deleted on 2030-01-01.", (message,)) == german % {
            "date": "2030-01-01"
        }
        assert kept_words.in_readers_language("No such file", (message,)) == "No such file"


def test_the_lag_is_the_age_of_the_oldest_event_that_waits_by_the_machines_clock(
    account: TestAccount, sinks: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(settings.DATA)
    account.move_clock(days=30)
    state.store(data, "siem", end_of_record())
    account.create_key()
    now = time.time()
    monkeypatch.setattr("engine.sinks.state.time.time", lambda: now + 90)
    account.create_key()
    shown = state.all_of(data, SINKS)[1]
    assert shown.behind == 2
    assert shown.lag is not None
    assert 90 <= shown.lag < 100


def test_a_sink_that_has_everything_waits_for_nothing(account: TestAccount, sinks: Position) -> None:
    data = Path(settings.DATA)
    state.store(data, "archive", end_of_record())
    shown = state.all_of(data, SINKS)[0]
    assert (shown.behind, shown.lag, shown.problem) == (0, 0.0, "")


def test_the_page_is_an_action_of_its_own(account: TestAccount, sinks: Any) -> None:
    allowed = sign_in_browser(person(account, "reader", document(allow("kmsconsole:ListSinks"))))
    assert allowed.get("/audit/sinks/").status_code == 200
    refused = sign_in_browser(person(account, "nobody")).get("/audit/sinks/")
    assert refused.status_code == 403
    assert "kmsconsole:ListSinks" in refused.content.decode()
    assert "siem.example" not in refused.content.decode()


def test_without_sinks_the_page_says_which_setting_names_them(signed_in: Client) -> None:
    assert "KMSCONSOLE_SINKS" in signed_in.get("/audit/sinks/").content.decode()
    assert "<tbody>" not in signed_in.get("/audit/sinks/").content.decode()
