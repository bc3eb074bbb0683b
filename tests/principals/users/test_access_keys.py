"""Access keys: shown once, switched off and on, deleted, and when each was last used."""

from __future__ import annotations

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text
from tests.support.principals import LIST_KEYS


def test_an_access_key_shows_when_it_was_last_used(account: TestAccount, signed_in: Client) -> None:
    user = account.create_user("ann", LIST_KEYS)
    user.client().list_keys()
    assert "(kms)" in text(signed_in.get("/principals/users/ann/"))


def test_the_secret_is_shown_on_one_answer_and_nowhere_else(account: TestAccount, signed_in: Client) -> None:
    account.client("iam").create_user(UserName="ann")
    answer = signed_in.post("/principals/users/ann/access-keys/new/")
    made = answer.context["access_key"]
    assert made["SecretAccessKey"] in text(answer)
    assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    page = text(signed_in.get("/principals/users/ann/"))
    assert made["AccessKeyId"] in page
    assert made["SecretAccessKey"] not in page


def test_an_access_key_is_switched_off_and_on_and_deleted(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    user = account.create_user("ann", LIST_KEYS)
    address = f"/principals/users/ann/access-keys/{user.access_key_id}/"
    for change, status in (("deactivate", "Inactive"), ("activate", "Active")):
        assert signed_in.post(address, {"do": change})["Location"] == "/principals/users/ann/"
        assert [key["Status"] for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]] == [status]
    signed_in.post(address, {"do": "delete"})
    assert iam.list_access_keys(UserName="ann")["AccessKeyMetadata"] == []
