"""Closing a class: its keys, users and group go, after the short name was typed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from django.test import Client, override_settings

from tests.conftest import TestAccount
from tests.support.classes import make, student, users_of


def test_closing_wants_the_short_name_and_then_takes_keys_users_and_group(
    account: TestAccount, browser: Client
) -> None:
    ann, ben = (student(account, each) for each in make(browser, access_keys="on").context["students"])
    kept, gone = (each.client().create_key()["KeyMetadata"]["KeyId"] for each in (ann, ben))
    mine = account.create_key()
    page = browser.get("/classes/spring/close/")
    assert {key.key_id for key in page.context["keys"]} == {kept, gone}
    assert mine not in page.content.decode()
    refused = browser.post("/classes/spring/close/", {"key": gone, "days": "7", "confirm": "autumn"})
    assert refused.status_code == 422
    assert users_of(account) == ["ann", "ben"]
    browser.post("/classes/spring/close/", {"key": gone, "days": "7", "confirm": "spring"})
    iam, kms = account.client("iam"), account.client()
    assert users_of(account) == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_group(GroupName="SPRING-CLASS")
    assert kms.describe_key(KeyId=gone)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert kms.describe_key(KeyId=kept)["KeyMetadata"]["KeyState"] == "Enabled"
    assert kms.describe_key(KeyId=mine)["KeyMetadata"]["KeyState"] == "Enabled"


def test_closing_shows_its_calls_before_anything_is_confirmed(account: TestAccount, browser: Client) -> None:
    ann = student(account, make(browser, access_keys="on").context["students"][0])
    key = ann.client().create_key()["KeyMetadata"]["KeyId"]
    answer = browser.post("/classes/spring/close/", {"key": key, "days": "9", "preview": "1"})
    assert answer.status_code == 200
    assert "--pending-window-in-days 9" in answer.content.decode()
    assert "aws iam delete-group" in answer.content.decode()
    assert users_of(account) == ["ann", "ben"]


def test_at_another_endpoint_closing_says_why_it_cannot_tell_the_keys(account: TestAccount, browser: Client) -> None:
    ann = student(account, make(browser, access_keys="on").context["students"][0])
    ann.client().create_key()
    with override_settings(BACKEND="http://127.0.0.1:9"):
        page = browser.get("/classes/spring/close/")
        assert page.context["keys"] == []
        assert "Switch to the embedded engine first." in page.content.decode()
        assert "no step will be ticked" in browser.get("/classes/spring/").content.decode()


def test_closing_that_was_refused_goes_on_from_there(account: TestAccount, browser: Client) -> None:
    make(browser)
    account.client("iam").put_group_policy(
        GroupName="SPRING-CLASS",
        PolicyName="extra",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]}',
    )
    answer = browser.post("/classes/spring/close/", {"days": "7", "confirm": "spring"})
    assert answer.status_code == 422
    assert "iam:DeleteGroupPolicy" in answer.content.decode()
    assert users_of(account) == []
    account.client("iam").delete_group_policy(GroupName="SPRING-CLASS", PolicyName="extra")
    assert browser.post("/classes/spring/close/", {"days": "7", "confirm": "spring"}).status_code == 302
