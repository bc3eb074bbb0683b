"""What several browser tests look for on a page."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Error, Page, expect


def key_option(page: Page, alias: str) -> str:
    """The words of the key picker's option for the key with this alias. It is searched: a picker offers the first few keys, and other modules
    make keys on the shared server."""
    with page.expect_response("**/keys/options/**"):
        page.locator("#find").fill(alias)
    option = page.locator("select[name=KeyId] option").filter(has_text=f"{alias} — ")
    expect(option).to_have_count(1)
    return option.inner_text()


def until(page: Page, condition: str, argument: Any = None) -> None:
    """Wait until this script is true on the page.

    Not `wait_for_function`: that asks again by eval within the page, which our Content-Security-Policy refuses whenever the first time
    was too early. A page that goes to another address meanwhile is asked there.
    """
    end = time.monotonic() + 10
    while not _is_true(page, condition, argument):
        assert time.monotonic() < end, f"never true: {condition}"
        page.wait_for_timeout(20)


def _is_true(page: Page, condition: str, argument: Any) -> bool:
    try:
        return bool(page.evaluate(condition, argument))
    except Error as error:
        if "because of a navigation" not in error.message:
            raise
        return False


def use_region(page: Page, region: str) -> None:
    """A module that counts keys or looks for one on a first page makes them in a Region of its own: other modules share the server."""
    with page.expect_navigation():
        page.locator("#region").select_option(region)
    expect(page.locator("#region")).to_have_value(region)


def read_whole(page: Page) -> None:
    """Wait until the key list that the page shows, or counts, is read whole: a page waits for it a moment only."""
    expect(page.locator("#progress:not([hidden])")).to_have_count(0)


def open_list(page: Page, address: str) -> None:
    page.goto(address)
    read_whole(page)


def choose_principal(page: Page, label: str) -> None:
    """Tick a user or role on a step of the wizard that shows the first of them only: other modules make users on the shared server."""
    page.locator("#q").fill(label.split(" ", 1)[0])
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_label(label).check()
