"""A first-time user's way from the printed address and password to a first encrypted secret: its clicks are counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.server import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MOST = 9


class Hand:
    """Counts what a mouse does; typing is no click, but coming to a field is."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def type(self, what: Locator, text: str) -> None:
        self.click(what)
        self.page.keyboard.type(text)


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_address_to_a_first_secret(chromium: Browser, server: Server, scripts: bool) -> None:
    context = chromium.new_context(base_url=server.url, java_script_enabled=scripts)
    page = context.new_page()
    hand = Hand(page)
    page.goto("/")
    hand.type(page.get_by_label("User name"), "admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    hand.click(page.get_by_role("link", name="Create key").first)
    page.get_by_role("button", name="Next").wait_for()
    hand.click(page.get_by_role("button", name="Next"))
    hand.type(page.get_by_label("Alias", exact=True), f"first-{scripts}")
    hand.click(page.get_by_role("button", name="Skip to review"))
    hand.click(page.get_by_role("button", name="Finish"))
    hand.click(page.get_by_role("link", name="Encrypt with it"))
    hand.type(page.locator("#id_Plaintext"), "my first secret")
    hand.click(page.locator("form").get_by_role("button", name="Encrypt", exact=True))
    expect(page.locator("#blob-CiphertextBlob")).to_have_text(re.compile(r"^[A-Za-z0-9+/=]{100,}$"))
    assert hand.clicks <= MOST, hand.clicks
    context.close()


@pytest.mark.parametrize("start", ["/", "/keys/"])
def test_a_key_takes_four_clicks_and_one_field(visit: Any, start: str) -> None:
    page = visit()
    page.goto(start)
    hand = Hand(page)
    hand.click(page.get_by_role("main").get_by_role("link", name=re.compile("^Create (your first )?key$")).first)
    hand.click(page.get_by_role("button", name="Next"))
    expect(page.get_by_label("Alias", exact=True)).to_be_focused()
    page.keyboard.type(f"four-clicks{start.replace('/', '-')}")
    hand.click(page.get_by_role("button", name="Skip to review"))
    hand.click(page.get_by_role("button", name="Finish"))
    expect(page.get_by_text("Your key was created with alias four-clicks")).to_be_visible()
    assert hand.clicks == 4


def test_a_type_shows_only_what_goes_with_it_without_scripts(visit: Any) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/keys/new/")
    expect(page.get_by_text("SYMMETRIC_DEFAULT")).to_be_visible()
    page.get_by_label("Asymmetric").check()
    page.get_by_label("Key encapsulation").check()
    expect(page.get_by_text("ML_KEM_768")).to_be_visible()
    expect(page.get_by_text("SYMMETRIC_DEFAULT")).to_be_hidden()
    expect(page.get_by_text("RSA_2048").first).to_be_hidden()


def test_what_an_empty_page_says_stands_in_its_middle(visit: Any) -> None:
    page = visit()
    page.goto("/styleguide/")
    words = page.locator(".panel > .empty-first")
    panel, said = words.locator("..").bounding_box(), words.bounding_box()
    assert panel
    assert said
    assert said["width"] < panel["width"] / 2 + 200  # narrow enough to be read
    assert abs((said["x"] + said["width"] / 2) - (panel["x"] + panel["width"] / 2)) < 2
