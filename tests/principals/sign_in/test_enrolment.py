"""Who is asked for a second factor and has none sets one up during the sign-in, before there is a session."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import second_factor, totp
from tests.support.answers import text
from tests.support.second_factor import PASSWORD, SECOND, password

ENROL = "/principals/sign-in/enrolment/"
WITHOUT = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
WITH = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def statement(effect: str, what: dict[str, str], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"Effect": effect, "Resource": "*", **what, **({"Condition": condition} if condition else {})}


ALL = statement("Allow", {"Action": "*"})


def person(account: TestAccount, *statements: dict[str, Any]) -> TestUser:
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    account.client("iam").create_login_profile(UserName="ann", Password=PASSWORD)
    user.password = PASSWORD
    return user


def secret(browser: Client) -> bytes:
    found = re.search(r"\b[A-Z2-7]{64}\b", text(browser.get(ENROL)))
    assert found is not None
    return found[0].encode()


@pytest.mark.parametrize(
    ("statements", "leads", "later"),
    [
        ([ALL, statement("Deny", {"NotAction": "iam:*"}, WITHOUT)], True, False),
        ([ALL, statement("Deny", {"Action": "*"}, {"Null": {"aws:MultiFactorAuthAge": "true"}})], True, False),
        ([statement("Allow", {"Action": "kms:*"}, WITH)], True, False),
        ([ALL, statement("Deny", {"Action": "kms:ScheduleKeyDeletion"}, WITHOUT)], True, True),
        ([ALL, statement("Allow", {"Action": "kms:*"}, WITH)], True, True),
        ([ALL, statement("Deny", {"Action": "kms:*"}, {"Bool": {"aws:MultiFactorAuthPresent": "true"}})], False, True),
        ([ALL], False, True),
    ],
)
def test_policies_lead_to_a_second_factor_and_wait_where_other_things_are_allowed(
    account: TestAccount, statements: list[dict[str, Any]], leads: bool, later: bool
) -> None:
    browser, answer = password(person(account, *statements))
    assert (answer["Location"] == ENROL) is leads
    if leads:
        assert browser.get("/keys/").status_code == 302
        assert ("Not now" in text(browser.get(ENROL))) is later
        assert browser.post(ENROL, {"later": "1"}).status_code == 302
    assert (browser.get("/keys/").status_code == 200) is later


def test_a_device_is_set_up_and_the_session_has_a_second_factor(account: TestAccount) -> None:
    ann = person(account, ALL, statement("Deny", {"NotAction": "sts:*"}, WITHOUT))
    browser, _answer = password(ann)
    seed = secret(browser)
    assert seed == secret(browser)  # loaded again it is the same
    assert browser.post(ENROL, {"first": "000000", "second": "000000"}).status_code == 422
    assert browser.post(ENROL, {"first": totp.code(seed)}).status_code == 422
    page = browser.post(ENROL, {"first": totp.code(seed, -1), "second": totp.code(seed)})
    codes = re.findall(r"(?:[a-z2-7]{4}-){3}[a-z2-7]{4}", text(page))
    assert len(codes) == 10
    assert browser.get("/keys/").status_code == 200  # a session with a second factor
    (device,) = account.client("iam").list_mfa_devices(UserName="ann")["MFADevices"]
    assert device["SerialNumber"] == f"arn:aws:iam::{account.account_id}:mfa/ann"
    named = [{"AttributeKey": "EventName", "AttributeValue": "RegisterSecondFactor"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    assert device["SerialNumber"] in event["CloudTrailEvent"]
    assert seed.decode() not in event["CloudTrailEvent"]
    again, answer = password(ann)
    assert answer["Location"] == SECOND
    assert again.post(SECOND, {"recovery_code": codes[0]}).status_code == 302
    assert again.get("/keys/").status_code == 200
    assert browser.post(ENROL, {"first": "1", "second": "2"})["Location"] == "/principals/sign-in/"


def test_who_is_asked_for_a_second_factor_sets_no_new_password_instead(account: TestAccount) -> None:
    user = person(account, ALL, statement("Deny", {"NotAction": "iam:*"}, WITHOUT))
    browser, answer = password(user)
    assert answer["Location"] == ENROL
    new = {"new": "another long password", "again": "another long password"}
    assert browser.post("/principals/sign-in/new-password/", new).status_code == 422
    assert password(user)[1]["Location"] == ENROL, "the password is the one until now"


def test_an_account_asks_everyone_and_says_so_in_the_record(account: TestAccount, signed_in: Client) -> None:
    page, rule = "/principals/password-policy/", "/principals/password-policy/second-factor/"
    assert "Switch on" in text(signed_in.get(page))
    weak = sign_in_browser(person(account, statement("Allow", {"Action": "iam:Get*"})))
    assert "kmsconsole:ChangeSignInRule" in text(weak.post(rule, {"require": "on"}, follow=True))
    signed_in.post(rule, {"require": "on"})
    assert "Switch off" in text(signed_in.get(page))
    browser, answer = password(account.administrator)
    assert answer["Location"] == ENROL
    browser.post(ENROL, {"later": "1"})
    assert browser.get("/keys/").status_code == 302
    second_factor_page = browser.get(ENROL)
    assert second_factor_page.status_code == 302  # the step is over: begin again
    signed_in.post(rule, {"require": "off"})
    assert password(account.administrator)[1]["Location"] == "/"


def test_a_new_password_comes_before_the_second_factor(account: TestAccount) -> None:
    ann = second_factor.person(account)
    account.client("iam").update_login_profile(UserName="ann", Password=PASSWORD, PasswordResetRequired=True)
    browser, answer = password(ann)
    answer = browser.post(answer["Location"], {"new": "another staple", "again": "another staple"})
    assert answer["Location"] == ENROL
