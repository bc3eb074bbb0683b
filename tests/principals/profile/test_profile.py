"""One's own page: who one is, one's password by IAM's own operation, one's access keys; a role has neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text

PAGE = "/settings/profile/"
NEW = "an entirely new staple"


def person(account: TestAccount, *actions: str) -> TestUser:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    user.password = "correct horse battery"
    account.client("iam").create_login_profile(UserName="ann", Password=user.password)
    return user


def change(browser: Client, old: str, new: str = NEW, again: str = NEW) -> Any:
    return browser.post(PAGE, {"old": old, "new": new, "again": again})


def test_it_says_who_one_is(account: TestAccount, signed_in: Client) -> None:
    page = text(signed_in.get(PAGE))
    assert account.administrator.arn in page
    assert account.administrator.access_key_id in page
    assert f'href="{PAGE}"' in text(signed_in.get("/"))


def test_ones_own_password_is_changed_with_the_one_until_now(account: TestAccount) -> None:
    ann = person(account, "iam:ChangePassword")
    assert change(sign_in_browser(ann), ann.password).status_code == 302
    ann.password = NEW
    assert sign_in_browser(ann).get(PAGE).status_code == 200
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "ChangePassword"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    assert NEW not in event["CloudTrailEvent"]


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", NEW, NEW, "old"),
        ("", NEW, NEW, "old"),
        ("correct horse battery", "short", "short", "new"),
        ("correct horse battery", NEW, "another", "again"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_changes_nothing(
    account: TestAccount, old: str, new: str, again: str, field: str
) -> None:
    ann = person(account, "iam:ChangePassword")
    answer = change(sign_in_browser(ann), old, new, again)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert sign_in_browser(ann).get(PAGE).status_code == 200


def test_who_may_not_change_their_password_reads_awss_refusal(account: TestAccount) -> None:
    ann = person(account, "kms:ListKeys")
    answer = change(sign_in_browser(ann), ann.password)
    assert "iam:ChangePassword" in str(answer.context["form"].non_field_errors())
    assert "iam:ListAccessKeys" in answer.context["access_keys_problem"]


def test_a_role_has_no_password(account: TestAccount, signed_in: Client) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account.client("iam").create_role(RoleName="auditor", AssumeRolePolicyDocument=document)
    signed_in.post("/principals/switch-role/", {"account": account.account_id, "role": "auditor"})
    page = text(signed_in.get(PAGE))
    assert "A role has no password" in page
    assert change(signed_in, account.administrator.password).status_code == 409
    assert sign_in_browser(account.administrator)


def test_who_may_manage_only_its_own_access_keys_does_so_from_here(account: TestAccount) -> None:
    ann = person(account, "iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey")
    browser = sign_in_browser(ann)
    assert 'action="/principals/users/ann/access-keys/new/?from=profile"' in text(browser.get(PAGE))
    made = browser.post("/principals/users/ann/access-keys/new/?from=profile")
    assert f'<a class="button" href="{PAGE}">' in text(made)
    key = made.context["access_key"]["AccessKeyId"]
    off = browser.post(f"/principals/users/ann/access-keys/{key}/?from=profile", {"do": "deactivate"})
    assert off["Location"] == PAGE
    page = text(browser.get(PAGE))
    assert "Inactive" in page
    assert browser.post(f"/principals/users/ann/access-keys/{key}/?from=profile", {"do": "delete"})["Location"] == PAGE
    assert [each["AccessKeyId"] for each in browser.get(PAGE).context["access_keys"]] == [ann.access_key_id]
