"""What a sign-in asks for after the password: a second factor, and a new password for one that has expired."""

from __future__ import annotations

import pytest
from django.test import Client

from engine.iam import mfa
from engine.iam.models import User
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import second_factor, totp
from tests.support.answers import text
from tests.support.second_factor import PASSWORD, SECOND, password


@pytest.fixture
def ann(account: TestAccount) -> TestUser:
    return second_factor.person(account)


def test_a_session_with_a_second_factor_may_what_policies_allow_with_one(account: TestAccount, ann: TestUser) -> None:
    key = account.create_key()
    assert sign_in_browser(ann).get(f"/keys/{key}/").status_code == 403
    _serial, seed = totp.assign(account.client("iam"), "ann")
    browser, _answer = password(ann)
    browser.post(SECOND, {"code": totp.code(seed)})
    assert browser.get(f"/keys/{key}/").status_code == 200


def test_a_recovery_code_signs_in_once(account: TestAccount, ann: TestUser) -> None:
    totp.assign(account.client("iam"), "ann")
    codes = mfa.new_recovery_codes(User.objects.get(account_id=account.account_id, name="ann"))
    for status in (302, 422):
        browser, _answer = password(ann)
        assert "Recovery code" in text(browser.get(SECOND))
        assert browser.post(SECOND, {"recovery_code": codes[0].upper()}).status_code == status


def test_who_has_not_shown_the_password_is_not_asked_for_a_second_factor(account: TestAccount, ann: TestUser) -> None:
    _serial, seed = totp.assign(account.client("iam"), "ann")
    assert Client().post(SECOND, {"code": totp.code(seed)})["Location"] == "/principals/sign-in/"
    browser, _answer = password(ann)
    account.client("iam").update_login_profile(UserName="ann", Password="another staple")
    assert browser.post(SECOND, {"code": totp.code(seed)})["Location"] == "/principals/sign-in/"  # it is over


def test_an_expired_password_is_replaced_at_the_sign_in(account: TestAccount, ann: TestUser) -> None:
    iam = account.client("iam")
    iam.update_account_password_policy(MaxPasswordAge=30, PasswordReusePrevention=5, MinimumPasswordLength=12)
    account.move_clock(days=31)
    browser, answer = password(ann)
    assert answer["Location"] == "/principals/sign-in/new-password/"
    assert browser.get("/keys/").status_code == 302
    new = answer["Location"]
    assert "expired" in text(browser.get(new))
    for wrong in ("short", PASSWORD):
        assert browser.post(new, {"new": wrong, "again": wrong}).status_code == 422
    assert browser.post(new, {"new": "an entirely new staple", "again": "other"}).status_code == 422
    ann.password, advised = "an entirely new staple", "/principals/sign-in/enrolment/"
    assert browser.post(new, {"new": ann.password, "again": ann.password})["Location"] == advised
    assert password(ann)[1]["Location"] == advised


def test_a_hard_expiry_leaves_it_to_an_administrator(account: TestAccount, ann: TestUser) -> None:
    iam = account.client("iam")
    iam.update_account_password_policy(MaxPasswordAge=30, HardExpiry=True)
    account.move_clock(days=31)
    _browser, answer = password(ann)
    assert "An administrator has to set a new one" in text(answer)
    ann.password = "an entirely new staple"
    iam.update_login_profile(UserName="ann", Password=ann.password, PasswordResetRequired=True)
    assert password(ann)[1]["Location"] == "/principals/sign-in/new-password/"
