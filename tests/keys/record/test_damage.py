"""Pages that tell from the record say what of it cannot be read, and what the last verification found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from keys.record import events
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person

PAGES = (
    "/audit/",
    "/audit/keys/",
    "/audit/keys/compare/",
    "/audit/compliance/",
    "/keys/?as_of=2026-01-01T00:00",
    "/keys/{key}/tab/timeline/",
    "/keys/{key}/tab/use/",
    "/keys/{key}/?as_of=2026-01-01T00:00",
)
UNREADABLE = "2 records of the audit trail cannot be read: what they say is missing here."


@pytest.mark.parametrize("address", PAGES)
def test_what_cannot_be_read_is_said_once_on_pages_of_the_record(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    address = address.format(key=account.create_key())
    assert "cannot be read" not in text(signed_in.get(address))
    monkeypatch.setattr(events.trail, "unreadable", lambda: 2)
    assert text(signed_in.get(address)).count(UNREADABLE) == 1
    monkeypatch.setattr(events.trail, "missing", lambda: 3)
    assert text(signed_in.get(address)).count("The record is not complete.") == 1


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ({"broken_at": 7, "missing": 0}, "The chain is broken."),
        ({"broken_at": 7, "missing": 3}, "The record is not complete."),
        ({"broken_at": 0, "missing": 0}, ""),
        ({"unknown": "The record could not be read."}, ""),
    ],
)
def test_what_the_last_verification_found_is_said(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch, verdict: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(events, "last_verdict", lambda: (datetime(2026, 1, 1, tzinfo=UTC), verdict))
    page = text(signed_in.get("/audit/"))
    told = {each for each in ("The chain is broken.", "The record is not complete.") if each in page}
    assert told == ({said} if said else set())


def test_who_may_not_read_the_record_is_not_told_of_it(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events.trail, "unreadable", lambda: 2)
    reader = person(account, "reader", document(allow(["kms:*", "kmsconsole:ListComplianceResults"])))
    assert UNREADABLE not in text(sign_in_browser(reader).get("/audit/compliance/"))
