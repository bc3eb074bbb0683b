"""A person's own second factors on the pages."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from engine import clock
from engine.iam import console_sessions
from engine.iam.models import ConsoleSession, MFADevice, RecoveryCode
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import second_factor, totp
from tests.support.answers import text
from tests.support.second_factor import SECOND, password

PAGE = "/principals/security-credentials/"


@pytest.fixture
def ann(account: TestAccount) -> TestUser:
    return second_factor.person(account)


def logins(account: TestAccount) -> list[tuple[str, str]]:
    """(result, MFAUsed) of sign-ins, the oldest first."""
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "ConsoleLogin"}]
    events = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    records = [json.loads(each["CloudTrailEvent"]) for each in reversed(events)]
    return [(each["responseElements"]["ConsoleLogin"], each["additionalEventData"]["MFAUsed"]) for each in records]


def test_an_authenticator_app_is_set_up_and_then_asked_for(account: TestAccount, ann: TestUser) -> None:
    browser = sign_in_browser(ann)
    assert "No second factor" in text(browser.get(PAGE))
    assert browser.get("/principals/security-credentials/device/").status_code == 200
    page = text(browser.post(PAGE + "device/", {"name": "phone"}))
    assert "data:image/png;base64," in page
    found = re.search(r"[A-Z2-7]{64}", page)
    assert found is not None
    seed = found[0].encode()
    serial = f"arn:aws:iam::{account.account_id}:mfa/phone"
    wrong = browser.post(PAGE + "device/", {"serial_number": serial, "first": "000000", "second": "000000"})
    assert (wrong.status_code, seed.decode() in text(wrong)) == (422, False)
    codes = {"serial_number": serial, "first": totp.code(seed, -1), "second": totp.code(seed)}
    assert browser.post(PAGE + "device/", codes).status_code == 302
    assert serial in text(browser.get(PAGE))
    totp.rest(serial)

    browser, answer = password(ann)
    assert answer["Location"] == SECOND
    assert browser.get("/keys/").status_code == 302  # not yet in
    assert "Code of your authenticator app" in text(browser.get(SECOND))
    assert browser.post(SECOND, {"code": "000000"}).status_code == 422
    assert browser.post(SECOND, {}).status_code == 422
    code = totp.code(seed)
    assert browser.post(SECOND, {"code": code})["Location"] == "/"
    assert "second factor" in text(browser.get("/settings/profile/"))
    assert browser.get("/keys/").status_code == 200
    assert logins(account)[-2:] == [("Failure", "Yes"), ("Success", "Yes")]
    again, _answer = password(ann)
    assert again.post(SECOND, {"code": code}).status_code == 422  # it was used


def test_an_administrator_takes_a_lost_device_away(account: TestAccount, ann: TestUser, signed_in: Client) -> None:
    serial, _seed = totp.assign(account.client("iam"), "ann")
    assert serial in text(signed_in.get("/principals/users/ann/"))
    given = {"serial_number": serial}
    assert "DeactivateMFADevice" in text(signed_in.post("/principals/users/ann/mfa/remove/", {**given, "preview": "1"}))
    assert signed_in.post("/principals/users/ann/mfa/remove/", given).status_code == 302
    assert not MFADevice.objects.filter(serial_number=serial).exists()
    _browser, answer = password(ann)
    assert answer["Location"] == "/principals/sign-in/enrolment/"


def test_a_user_with_everything_is_deleted_with_everything(
    account: TestAccount, ann: TestUser, signed_in: Client
) -> None:
    iam = account.client("iam")
    totp.assign(iam, "ann")
    iam.create_service_specific_credential(UserName="ann", ServiceName="codecommit.amazonaws.com")
    assert signed_in.post("/principals/users/ann/delete/")["Location"] == "/principals/users/"
    assert [each["UserName"] for each in iam.list_users()["Users"]] == ["admin"]


def test_signing_out_everywhere_ends_this_session_too(ann: TestUser) -> None:
    first, second = sign_in_browser(ann), sign_in_browser(ann)
    assert first.post("/settings/profile/sessions/", {"everywhere": "1"})["Location"] == "/principals/sign-in/"
    assert {each.get("/settings/profile/").status_code for each in (first, second)} == {302}


def test_an_idle_session_ends_and_the_next_sign_in_leads_back(
    ann: TestUser, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_IDLE = console_sessions.SEEN_EVERY * 4
    browser = sign_in_browser(ann)
    assert browser.get("/settings/profile/").status_code == 200
    monkeypatch.setattr(console_sessions, "_noted", {})
    ConsoleSession.objects.filter(user__unique_id__isnull=False, user__name="ann").update(
        seen=clock.real_now() - settings.SESSION_IDLE
    )
    part = {"HX-Request": "true", "HX-Current-URL": "http://testserver/settings/profile/"}
    assert browser.get("/settings/profile/")["Location"] == "/principals/sign-in/?next=%2Fsettings%2Fprofile%2F"
    assert browser.get("/classes/accounts/notice/", headers=part)["HX-Redirect"].endswith("=%2Fsettings%2Fprofile%2F")


def test_a_passkey_is_offered_where_a_browser_makes_one_and_no_nonsense_is_taken_for_one(ann: TestUser) -> None:
    browser = sign_in_browser(ann)
    at_ip = browser.get(PAGE + "passkey/", HTTP_HOST="127.0.0.1")
    assert "data-passkey" not in text(at_ip)
    page = text(browser.get(PAGE + "passkey/", HTTP_HOST="localhost"))
    options = json.loads(unescape(re.search(r'data-options="([^"]+)"', page)[1]))  # type: ignore[index]
    assert options["rp"]["id"] == "localhost"
    for nonsense in ("{}", "[]", "7", "x", '{"id": "AA", "rawId": "AA", "response": {"clientDataJSON": "AA"}}'):
        answer = browser.post(PAGE + "passkey/", {"passkey": nonsense}, HTTP_HOST="localhost")
        assert answer.status_code == 422, nonsense
    assert not MFADevice.objects.filter(user__name="ann", user__account=ann.account.account_id).exists()


def test_recovery_codes_are_shown_once_and_kept_as_hashes(account: TestAccount, ann: TestUser) -> None:
    browser = sign_in_browser(ann)
    assert browser.post(PAGE + "recovery-codes/").status_code == 400  # there is nothing yet that they stand in for
    totp.assign(account.client("iam"), "ann")
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", text(browser.post(PAGE + "recovery-codes/")))
    assert len(codes) == 10
    kept = RecoveryCode.objects.filter(user__account_id=account.account_id).values_list("digest", flat=True)
    assert not any(code.replace("-", "") in "".join(kept) for code in codes)
    assert "10 recovery codes are left" in text(browser.get(PAGE))
