"""What a page has for paper: whole IDs, the filter in force, the account's time, and all of a list or that it is cut."""

from __future__ import annotations

import json
import re
import time

import pytest
from django.test import Client

from audit import search as audit_search
from console import paging
from engine import clock
from kmsconsole.frame import style_sheet
from tests.conftest import TestAccount, TestUser, new_account, sign_in_browser
from tests.support.layout import TEMPLATES

CUT = re.compile(r"\|truncate|\|slice:['\"]:\d+['\"] *}}")


def printed(page: str) -> str:
    found = re.search(r'<p class="print-only">(.*?)</p>', page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def test_paper_has_the_filter_and_the_time_of_the_account(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    account.move_clock(days=40)
    page = signed_in.get("/keys/", {"q": "<b>", "state": "Enabled", "page": "1", "cols": "alias"}).content.decode()
    head = printed(page)
    assert head.endswith("Filter: q = &lt;b&gt;, state = Enabled")
    assert f"{clock.now(account.account_id):%Y-%m-%d}" in head
    assert "Filter:" not in printed(signed_in.get("/keys/").content.decode())


def test_what_is_cut_on_a_page_is_whole_on_paper() -> None:
    """Only the component that paper undoes cuts a text."""
    cutting = [str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html") if CUT.search(path.read_text())]
    assert cutting == []
    rules = style_sheet.joined().decode()
    paper = rules[rules.index("@layer print {") :]
    assert re.search(r"\.abbreviated::after \{\s*content: attr\(title\)", paper)
    assert "text-overflow" not in paper


def test_the_id_of_a_key_in_an_event_is_whole_on_paper(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    page = signed_in.get("/audit/", {"operation": "CreateKey"}).content.decode()
    assert f'<span class="abbreviated" title="{key}">{key[:12]}…</span>' in page


@pytest.fixture(scope="module")
def thirty(prepared: object) -> tuple[Client, list[str]]:
    """A browser of an account with 30 keys, which lists are printed of, and their IDs."""
    account = new_account()
    browser = sign_in_browser(account.administrator)
    made = [account.create_key() for _ in range(30)]
    while browser.get("/keys/").context["listing"].total < len(made):  # read in the background on a busy machine
        time.sleep(0.1)
    return browser, made


@pytest.fixture
def many(thirty: tuple[Client, list[str]], monkeypatch: pytest.MonkeyPatch) -> tuple[Client, list[str]]:
    monkeypatch.setattr(paging, "PRINTED", 40)
    return thirty


ADDRESSES = (
    "/keys/?size=25&sort=key_id",
    "/audit/?operation=CreateKey",
    "/audit/keys/",
    "/access/?action=kms:Decrypt&principal=admin",
)


def keys_on(many: tuple[Client, list[str]], address: str) -> tuple[int, str]:
    browser, keys = many
    page = browser.get(address).content.decode()
    while "not read yet" in page:  # who can use a key is read for a bounded time, and one goes on
        page = browser.get(address).content.decode()
    return sum(key in page for key in keys), " ".join(page.split())


def test_a_list_of_several_pages_leads_to_all_of_it_on_one(many: tuple[Client, list[str]]) -> None:
    number, page = keys_on(many, ADDRESSES[0])
    assert number == 25
    assert 'href="?size=25&amp;sort=key_id&amp;print=all"' in page
    number, page = keys_on(many, f"{ADDRESSES[0]}&print=all&page=2")
    assert number == 30
    assert "The list is whole: 30 rows." in page


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_list_to_print_is_whole(many: tuple[Client, list[str]], address: str) -> None:
    number, page = keys_on(many, address + ("&" if "?" in address else "?") + "print=all")
    assert number == 30
    assert "Cut:" not in page


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_list_to_print_says_that_it_is_cut(
    many: tuple[Client, list[str]], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PRINTED", 20)
    monkeypatch.setattr(audit_search, "PAGE", 10)
    _number, page = keys_on(many, address + ("&" if "?" in address else "?") + "print=all")
    assert "Cut: these are the first" in page


def test_a_list_to_print_asks_nothing_of_each_key(
    many: tuple[Client, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like an export: the inventory is up to date, and 500 calls would each be recorded durably while one waits."""
    asked = list[str]()
    monkeypatch.setattr("keys.inventory.inventory.describe_rows", lambda request, rows: asked.extend(rows) or rows)
    many[0].get("/keys/")
    assert len(asked) == 25, "rows of a page are described once more"
    number, _page = keys_on(many, "/keys/?print=all")
    assert (number, len(asked)) == (30, 25)


def test_a_list_to_print_has_of_a_key_that_may_not_be_described_its_id_alone(account: TestAccount) -> None:
    key = account.create_key(Description="secret project")
    account.client().create_alias(AliasName="alias/hidden-name", TargetKeyId=key)
    browser = sign_in_browser(account.administrator)
    browser.get("/keys/")
    allowed = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}
    account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    page = ann.get("/keys/?print=all&cols=key_id&cols=alias&cols=state&cols=description&cols=spec").content.decode()
    assert key in page
    assert "not permitted" in page
    for hidden in ("secret project", "hidden-name", "SYMMETRIC_DEFAULT"):
        assert hidden not in page
