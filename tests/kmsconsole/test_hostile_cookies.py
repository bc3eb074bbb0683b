"""A cookie may hold anything. What is not one of ours is ignored and removed, on every page; nothing fails of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from kmsconsole.frame.cookies import COOKIES
from tests.conftest import TestAccount
from tests.support.long_form import one_in

ROOT = Path(__file__).parents[2]
PAGES = ("/", "/keys/", "/settings/profile/", "/settings/endpoints/", "/audit/", "/styleguide/")
OPEN = ("/principals/sign-in/", "/styleguide/", "/nowhere/")
HOSTILE = {
    "slash": "a/b",
    "empty": "",
    "long": "a" * 5_000,
    "control": "a\x01\x1f\x7fb",
    "nul": "a\0b",
    "not-ascii": "größe-日本".encode().decode("latin-1"),
    "surrogate": "\xff\xfe",
    "path": "../../../etc/passwd",
    "quotes": "\"'<script>",
    "host": "@127.0.0.1:1/",
    "escaped": '"\\000\\012"',
    "number": "0x7f.1",
}


def header(browser: Client, **changed: str) -> str:
    """The Cookie header as it goes over the wire, not as a well-behaved client writes it."""
    held = {name: morsel.value for name, morsel in browser.cookies.items()}
    return "; ".join(f"{name}={value}" for name, value in {**held, **changed}.items())


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", COOKIES)
def test_no_page_fails_of_it_and_it_is_removed(name: str, hostile: str, browser: Client) -> None:
    """Each of each on one of the pages in turn, for it is removed before a view is asked; on all of them by `make walks`."""
    turn = [*COOKIES].index(name) + [*HOSTILE.values()].index(hostile)
    for address in one_in(len(OPEN), OPEN, first=turn):
        answer = browser.get(address, HTTP_COOKIE=header(browser, **{name: hostile}))
        assert answer.status_code in (200, 302, 404), address
        cookie = answer.cookies.get(name)
        assert cookie is not None, address
        assert cookie["max-age"] == 0 or COOKIES[name](cookie.value), "removed, or a good one in its place"


@pytest.fixture(scope="module")
def browser() -> Client:
    """Not signed in: the header is what is looked at."""
    return Client()


def test_who_is_signed_in_sees_the_pages_all_the_same(signed_in: Client) -> None:
    names = [name for name in COOKIES if name not in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)]
    for address, hostile in zip(PAGES * len(HOSTILE), HOSTILE.values(), strict=False):
        cookies = header(signed_in, **dict.fromkeys(names, hostile))
        assert signed_in.get(address, HTTP_COOKIE=cookies).status_code == 200, (address, hostile)


def test_a_sign_in_with_a_hostile_region_is_in_the_default_region(account: TestAccount) -> None:
    for hostile in HOSTILE.values():
        browser = Client()
        answer = browser.post(
            "/principals/sign-in/",
            {"account": account.account_id, "user_name": "admin", "password": "correct horse battery"},
            HTTP_COOKIE=f"region={hostile}",
        )
        assert answer.status_code == 302
        assert answer.cookies["region"].value == ""
        page = browser.get("/keys/")
        assert (page.status_code, page.context["signed_in"].region) == (200, settings.DEFAULT_REGION), hostile


def test_a_region_that_aws_does_not_have_is_taken(account: TestAccount) -> None:
    browser = Client()
    browser.cookies["region"] = "eu-moon-1"
    browser.post(
        "/principals/sign-in/",
        {"account": account.account_id, "user_name": "admin", "password": "correct horse battery"},
    )
    page = browser.get("/keys/")
    assert (page.status_code, page.context["signed_in"].region) == (200, "eu-moon-1")


def test_each_cookie_that_the_code_names_is_in_the_table() -> None:
    named = set()
    for room in ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                named |= _cookie_names(node)
    assert named
    assert named <= set(COOKIES)


def _cookie_names(node: ast.AST) -> set[str]:
    """`request.COOKIES["x"]`, `request.COOKIES.get("x")`, `answer.set_cookie("x", …)`."""
    given: ast.expr | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "COOKIES":
        given = node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        of_cookies = isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "COOKIES"
        if node.func.attr == "set_cookie" or of_cookies:
            given = node.args[0]
    return {str(given.value)} if isinstance(given, ast.Constant) else set()
