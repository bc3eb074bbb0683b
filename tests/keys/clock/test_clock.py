"""The account's clock as a page: its times, the preview of a move, confirmation by risk, the banner on every page, other endpoints."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client, override_settings

from engine import timetravel
from tests.conftest import TestAccount, sign_in_browser

CLOCK = "/settings/clock/"
DAY = 86_400


def words(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def hidden(answer: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(begin|seconds)" value="([^"]+)"', answer.content.decode()))


def ahead(account: TestAccount) -> float:
    return timetravel.offset(account.account_id)


def test_a_move_is_previewed_then_made(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    account.client().create_alias(AliasName="alias/yearly", TargetKeyId=key)
    account.client().enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    preview = signed_in.get(CLOCK, {"by": "200", "unit": "days"})
    assert "1 key rotates yearly" in words(preview)
    assert "2 times" in words(preview)
    assert ahead(account) == 0
    answer = signed_in.post(CLOCK, hidden(preview), follow=True)
    assert "moved forward by 200 days" in words(answer)
    assert abs(ahead(account) - 200 * DAY) < 60
    assert len(account.client().list_key_rotations(KeyId=key)["Rotations"]) == 2


def test_keys_that_are_destroyed_are_confirmed_by_typing(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    account.client().create_alias(AliasName="alias/doomed", TargetKeyId=key)
    account.client().schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    preview = signed_in.get(CLOCK, {"by": "10", "unit": "days"})
    assert "1 key is destroyed for good" in words(preview)
    assert "doomed" in words(preview)
    for typed in ("", "destroy 2"):
        answer = signed_in.post(CLOCK, {**hidden(preview), "typed": typed})
        assert (answer.status_code, ahead(account)) == (422, 0)
        assert "destroyed for good" in words(answer)
    signed_in.post(CLOCK, {**hidden(preview), "typed": "destroy 1"})
    assert ahead(account) > 9 * DAY
    assert key not in words(signed_in.get("/keys/"))


def test_a_deletion_that_was_scheduled_after_the_preview_is_asked_about(
    account: TestAccount, signed_in: Client
) -> None:
    preview = signed_in.get(CLOCK, {"by": "10", "unit": "days"})
    account.client().schedule_key_deletion(KeyId=account.create_key(), PendingWindowInDays=7)
    answer = signed_in.post(CLOCK, hidden(preview))
    assert (answer.status_code, ahead(account)) == (422, 0)
    assert "1 key is destroyed for good" in words(answer)


def test_a_form_that_is_sent_twice_moves_once(account: TestAccount, signed_in: Client) -> None:
    sent = hidden(signed_in.get(CLOCK, {"by": "24", "unit": "hours"}))
    signed_in.post(CLOCK, sent)
    assert "moved meanwhile" in words(signed_in.post(CLOCK, sent, follow=True))
    assert abs(ahead(account) - DAY) < 60


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"by": "0", "unit": "days"}, "greater than or equal to 1"),
        ({"by": "9000", "unit": "days"}, "At most 3660 days at a time"),
        ({"by": "1", "unit": "years"}, "Select a valid choice"),
        ({"to": "2001-01-01T00:00"}, "A clock moves forward only"),
        ({"to": "9999-12-31T00:00"}, "At most 3660 days at a time"),
        ({"to": "soon"}, "Enter a valid date/time"),
    ],
)
def test_a_move_that_cannot_be_is_said_beside_its_field(signed_in: Client, asked: dict[str, str], said: str) -> None:
    answer = signed_in.get(CLOCK, asked)
    assert answer.status_code == 422
    assert said in words(answer)
    assert hidden(answer) == {}
    assert f'value="{next(iter(asked.values()))}"' in answer.content.decode()


@pytest.mark.parametrize("sent", [{}, {"begin": "0", "seconds": "nan"}, {"begin": "x", "seconds": "86400"}, {"begin": "0", "seconds": "-1"}])  # fmt: skip
def test_a_form_of_nonsense_moves_nothing(account: TestAccount, signed_in: Client, sent: dict[str, str]) -> None:
    assert "incomplete" in words(signed_in.post(CLOCK, sent, follow=True))
    assert ahead(account) == 0


def test_every_page_says_that_the_clock_was_moved(account: TestAccount, signed_in: Client) -> None:
    assert "clock is" not in words(signed_in.get("/settings/profile/"))
    account.move_clock(days=90, hours=3)
    for page in ("/", "/keys/", "/audit/", "/settings/profile/"):
        assert "This account's clock is 90 days and 3 hours ahead." in words(signed_in.get(page))


def test_days_left_go_by_the_accounts_clock(account: TestAccount, signed_in: Client) -> None:
    account.client().schedule_key_deletion(KeyId=account.create_key(), PendingWindowInDays=30)
    assert "29 days left" in words(signed_in.get("/"))
    account.move_clock(days=20)
    assert "9 days left" in words(signed_in.get("/"))


def test_who_may_not_move_it_sees_it_and_is_refused_and_recorded(account: TestAccount) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    ann = account.create_user("ann", json.dumps(policy))
    account.client("iam").create_login_profile(UserName="ann", Password="correct horse battery")
    ann.password = "correct horse battery"
    browser = sign_in_browser(ann)
    page = browser.get(CLOCK, {"by": "1", "unit": "days"})
    assert "is not authorized to perform: kmsconsole:MoveClock" in words(page)
    assert hidden(page) == {}
    answer = browser.post(CLOCK, {"begin": "0", "seconds": "86400"})
    assert (answer.status_code, ahead(account)) == (403, 0)
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "MoveClock"}]
    )["Events"]
    assert json.loads(events[0]["CloudTrailEvent"])["errorCode"] == "AccessDenied"


def test_another_endpoint_keeps_its_own_time(account: TestAccount, signed_in: Client) -> None:
    with override_settings(BACKEND="http://127.0.0.1:9"):
        account.move_clock(days=3)
        page = signed_in.get(CLOCK)
        assert "keeps its own time: no call of the AWS API moves it" in words(page)
        assert "clock is" not in words(page)
        assert signed_in.post(CLOCK, {"begin": "0", "seconds": "86400"}).status_code == 409
