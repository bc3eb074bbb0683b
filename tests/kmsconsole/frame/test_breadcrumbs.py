"""Breadcrumbs: what stands above a page by its address, each a link, and the page itself."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.samples import POLICY

NAV = re.compile(r'<ol class="breadcrumbs">(.*?)</ol>', re.DOTALL)


def crumbs(browser: Client, address: str) -> list[str]:
    """The words of the breadcrumbs of a page; every link among them leads to a page."""
    found = NAV.search(browser.get(address).content.decode())
    assert found, address
    for link in re.findall(r'href="([^"]+)"', found[1]):
        assert browser.get(html.unescape(link)).status_code == 200, link
    return [html.unescape(each) for each in re.findall(r">([^<>]+)(?:</a>)?</li>", found[1])]


@pytest.fixture(scope="module")
def sample_account() -> tuple[TestAccount, Any]:
    account = new_account()
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_group(GroupName="team")
    iam.create_policy(PolicyName="reader", PolicyDocument=POLICY)
    return account, sign_in_browser(account.administrator)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/principals/users/ann/", ["Users", "ann"]),
        ("/principals/users/ann/password/", ["Users", "ann", "Console password"]),
        ("/principals/users/ann/policies/new/", ["Users", "ann", "Inline policy"]),
        ("/principals/users/ann/delete/", ["Users", "ann", "Delete user ann?"]),
        ("/principals/groups/team/", ["Groups", "team"]),
        ("/principals/users/new/", ["Users", "Create user"]),
        ("/audit/verify/", ["Audit", "Verify integrity"]),
    ],
)
def test_a_page_under_another_shows_the_way_back(
    sample_account: tuple[TestAccount, Client], address: str, words: list[str]
) -> None:
    assert crumbs(sample_account[1], address) == words


def test_a_managed_policys_pages_lead_back_to_it(sample_account: tuple[TestAccount, Client]) -> None:
    account, browser = sample_account
    arn = f"arn:aws:iam::{account.account_id}:policy/reader"
    assert crumbs(browser, f"/principals/policies/one/edit/?arn={arn}") == ["Policies", "reader", "Edit policy"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tab/tags/", []),
        ("policy/edit/", ["Edit key policy"]),
        ("policy/history/", ["Key policy history"]),
        ("do/disable/", ["Disable key"]),
        ("do/grant-add/", ["Create grant"]),
        ("delete/", ["Schedule key deletion"]),
    ],
)
def test_a_keys_pages_call_it_by_its_alias(
    sample_account: tuple[TestAccount, Client], address: str, words: list[str]
) -> None:
    account, browser = sample_account
    key_id, alias = account.create_key(), f"way-{address.strip('/').replace('/', '-')}"
    account.client().create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
    assert crumbs(browser, f"/keys/{key_id}/{address}") == ["Customer managed keys", alias, *words]


def test_a_key_whose_aliases_may_not_be_listed_goes_by_its_id(account: TestAccount) -> None:
    key_id = account.create_key()
    account.client().create_alias(AliasName="alias/hidden", TargetKeyId=key_id)
    iam = account.client("iam")
    denied = POLICY.replace("Allow", "Deny").replace("kms:List*", "kms:ListAliases")
    iam.put_user_policy(UserName="admin", PolicyName="no-aliases", PolicyDocument=denied)
    browser = sign_in_browser(account.administrator)
    found = NAV.search(browser.get(f"/keys/{key_id}/do/disable/").content.decode())
    assert found
    assert key_id in found[1]
    assert "hidden" not in found[1]


def test_an_aws_managed_key_stands_under_its_own_list(account: TestAccount, signed_in: Client) -> None:
    signed_in.post("/lab/services/", {"apply": "1", "tick": "s3", "key-s3": "alias/aws/s3"})
    key_id = account.client().describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    assert crumbs(signed_in, f"/keys/{key_id}/") == ["AWS managed keys", "aws/s3"]
