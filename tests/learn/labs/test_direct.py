"""Directly or as an envelope: both ways are really gone, and what they took is measured and shown as charts and in a table."""

from __future__ import annotations

import json

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text

PAGE = "/lab/direct/"


def test_the_same_file_goes_both_ways_with_real_calls(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    answer = signed_in.post(PAGE, {"key": key, "size": "16384"})
    directly, envelope = answer.context["measured"]
    assert (directly.calls, envelope.calls) == (4, 1)
    assert directly.wire > 2 * 16384 * 4 / 3 > 1000 > envelope.wire  # there and back in base64, against one data key
    assert directly.milliseconds > 0 < envelope.milliseconds
    assert answer.context["quota"] == ["0.4", "0.1"]
    assert text(answer).count('<svg class="chart"') == 3
    events = account.client("cloudtrail").lookup_events(MaxResults=10)["Events"]
    records = [json.loads(each["CloudTrailEvent"]) for each in events]
    contexts = [each["requestParameters"]["encryptionContext"] for each in records if each["eventName"] == "Encrypt"]
    assert sorted(each["piece"] for each in contexts if each["lab"] == "direct") == ["1", "2", "3", "4"]


def test_the_calls_are_shown_before_they_are_made(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    page = text(signed_in.get(PAGE))
    assert "generate-data-key" in page
    assert "encrypt" in page
    assert key in page


def test_a_refusal_is_told_with_what_helps(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    account.client().disable_key(KeyId=key)
    answer = signed_in.post(PAGE, {"key": key, "size": "16384"})
    assert answer.status_code == 422
    assert "DisabledException" in text(answer)
