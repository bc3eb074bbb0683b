"""Drills: calls fail on purpose with AWS's errors, in one account, marked in the record, and end by themselves."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from engine import clock
from engine.kms import drills
from tests.conftest import TestAccount, sign_in_browser
from tests.support.policies import allow, document, person

DRILLS, END = "/drills/", "/drills/end/"
CODES = {
    "throttling": ("ThrottlingException", 400),
    "denied": ("AccessDeniedException", 400),
    "key-unavailable": ("KeyUnavailableException", 500),
    "timeout": ("DependencyTimeoutException", 500),
    "expired-token": ("ExpiredTokenException", 400),
}


def begin(client: Client, kind: str = "throttling", share: int = 100, minutes: int = 10) -> Any:
    return client.post(DRILLS, {"kind": kind, "share": share, "minutes": minutes}, follow=True)


def refused(kms: Any, key: str) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        kms.encrypt(KeyId=key, Plaintext=b"drill")
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("kind", CODES)
def test_a_drill_fails_uses_of_keys_with_the_error_that_aws_gives(
    kind: str, account: TestAccount, signed_in: Client
) -> None:
    kms, key = account.client(), account.create_key()
    assert "The drill runs" in begin(signed_in, kind).content.decode()
    assert refused(kms, key) == CODES[kind]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"]
    assert "The drill has ended" in signed_in.post(END, follow=True).content.decode()
    assert kms.encrypt(KeyId=key, Plaintext=b"drill")["KeyId"].endswith(key)


def test_a_drill_is_marked_in_the_record_and_so_are_its_begin_and_its_end(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key = account.client(), account.create_key()
    begin(signed_in, "key-unavailable", minutes=3)
    refused(kms, key)
    signed_in.post(END)
    events = [json.loads(each["CloudTrailEvent"]) for each in account.client("cloudtrail").lookup_events()["Events"]]
    failed = next(each for each in events if each["eventName"] == "Encrypt")
    assert (failed["errorCode"], failed["additionalEventData"]) == (
        "KeyUnavailableException",
        {"drill": "key-unavailable"},
    )
    managed = [each["requestParameters"] for each in events if each["eventName"] == "ManageDrills"]
    assert managed == [{"drill": None}, {"drill": "key-unavailable", "share": 100, "minutes": 3}]
    assert "Encrypt" in signed_in.get("/audit/", {"text": "drill"}).content.decode()


def test_a_drill_fails_only_calls_of_its_account(
    account: TestAccount, other_account: TestAccount, signed_in: Client
) -> None:
    key = other_account.create_key()
    begin(signed_in)
    assert other_account.client().encrypt(KeyId=key, Plaintext=b"drill")["CiphertextBlob"]


def test_of_half_of_the_calls_some_pass(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    begin(signed_in, share=50)
    outcomes = set()
    for _ in range(64):
        try:
            outcomes.add(bool(kms.encrypt(KeyId=key, Plaintext=b"drill")))
        except ClientError:
            outcomes.add(False)
    assert outcomes == {True, False}


def test_a_drill_ends_by_itself_on_the_machines_clock(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms, key = account.client(), account.create_key()
    begin(signed_in, minutes=5)
    account.move_clock(days=1)
    assert refused(kms, key)[0] == "ThrottlingException"
    later = clock.real_now() + timedelta(minutes=6)
    monkeypatch.setattr(drills, "clock", SimpleNamespace(real_now=lambda: later))
    assert kms.encrypt(KeyId=key, Plaintext=b"drill")["KeyId"].endswith(key)
    assert "A drill is running" not in signed_in.get(DRILLS).content.decode()


def test_who_may_not_manage_drills_begins_and_ends_none(account: TestAccount) -> None:
    browser = sign_in_browser(person(account, "student", document(allow("kms:*"))))
    kms, key = account.client(), account.create_key()
    assert begin(browser).status_code == 403
    assert browser.post(END).status_code == 403
    assert kms.encrypt(KeyId=key, Plaintext=b"drill")["KeyId"].endswith(key)


@pytest.mark.parametrize(("name", "value"), [("kind", "fire"), ("share", "0"), ("minutes", "0"), ("minutes", "121")])
def test_what_is_no_drill_is_refused_beside_its_field(name: str, value: str, signed_in: Client) -> None:
    answer = signed_in.post(DRILLS, {"kind": "timeout", "share": "100", "minutes": "10", name: value})
    assert answer.status_code == 422
    assert f'id="id_{name}-error"' in answer.content.decode()
