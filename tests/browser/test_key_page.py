"""A key's page in a browser: its tabs are one line at every width, and the rare ones are in a menu."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def key_id(server: Server) -> str:
    return str(server.client().create_key(MultiRegion=True)["KeyMetadata"]["KeyId"])


PLACES = "[...document.querySelectorAll('.tabs li a, #tab-more')].map(at => at.getBoundingClientRect())"
INSIDE = f"{PLACES}.every(place => place.right <= document.querySelector('.tabs').getBoundingClientRect().right + 1)"


def lines(page: Page) -> int:
    """How many lines the tabs and the menu beside them take."""
    return int(page.evaluate(f"new Set({PLACES}.map(place => Math.round(place.top))).size"))


@pytest.mark.parametrize("language", ["English", "Deutsch"])
def test_the_tabs_fit_in_one_line_whichever_is_open(visit: Callable[..., Page], key_id: str, language: str) -> None:
    page = visit()
    page.get_by_role("button", name=language).click()
    page.wait_for_load_state()
    for tab in ("policy", "crypto", "impact"):
        page.goto(f"/keys/{key_id}/tab/{tab}/")
        assert lines(page) == 1
        assert page.evaluate(INSIDE)
        assert page.evaluate("(row => row.scrollWidth - row.clientWidth)(document.querySelector('.tabs ul'))") == 0


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}, {"viewport": {"width": 390, "height": 844}}])
def test_a_rare_tab_is_opened_from_the_menu_which_then_names_it(
    visit: Callable[..., Page], key_id: str, options: dict[str, object]
) -> None:
    page = visit(**options)
    page.goto(f"/keys/{key_id}/")
    more = page.locator("#tab-more")
    expect(more).to_have_text("More")
    more.click()
    page.get_by_role("link", name="Regionality").click()
    page.wait_for_url("**/tab/regions/")
    expect(more).to_contain_text("Regionality")
    expect(more).to_have_attribute("aria-current", "true")
    expect(more).to_be_in_viewport()
    if options.get("java_script_enabled", True):
        expect(more).to_be_focused()
