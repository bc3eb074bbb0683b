"""Pages that come of a POST: wizard steps, errors beside fields, previews, the sessions of a browser. No accessibility violation in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.support.accessible import violations
from tests.support.pages import open_list
from tests.support.server import ACCESS_KEY_ID, PASSWORD, SECRET, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}


def wrong(page: Page) -> list[str]:
    """What axe finds, and whether the page is wider than a phone."""
    width = page.evaluate("document.documentElement.scrollWidth")
    viewport = page.viewport_size
    assert viewport is not None
    return [*violations(page), *([f"{page.url} is {width} wide"] if width > viewport["width"] else [])]


def test_the_wizard_with_tags_in_rows(visit: Callable[..., Page]) -> None:
    page = visit(viewport=PHONE)
    found: list[str] = []
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Alias").fill("in-rows")
    page.get_by_label("Tag key 1").fill("team")
    page.get_by_role("button", name="Add tag").click()
    page.get_by_label("Tag key 2").fill("team")
    page.get_by_role("button", name="Next").click()
    assert page.locator("#tag-key-2-error").inner_text() == "“team” is a duplicate."
    found += wrong(page)
    page.get_by_role("button", name="Remove tag 2").click()
    page.get_by_label("Tag key 2").wait_for(state="detached")
    assert page.get_by_label("Alias").input_value() == "in-rows"
    for heading in ("administrators", "users", "policy", "review"):
        page.get_by_role("button", name="Next").click()
        page.wait_for_url(f"**/new/{heading}/*")
        found += wrong(page)
    assert "team=" in page.get_by_role("main").inner_text()
    assert not found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dialog_that_asks(visit: Callable[..., Page], server: Server, scheme: str) -> None:
    key_id = server.client().create_key(Description="asked about")["KeyMetadata"]["KeyId"]
    page = visit(viewport=PHONE, color_scheme=scheme)
    page.goto(f"/keys/{key_id}/")
    page.get_by_role("link", name="Disable", exact=True).click()
    page.get_by_role("dialog", name="Disable key").get_by_text("Programs that use it will fail.").wait_for()
    assert not wrong(page)
    assert page.locator("h1").count() == 1


def test_changes_that_are_looked_at_first(visit: Callable[..., Page], server: Server) -> None:
    key_id = server.client().create_key(Description="looked at")["KeyMetadata"]["KeyId"]
    page = visit(viewport=PHONE)
    found: list[str] = []
    page.goto("/principals/users/new/")
    page.get_by_label("User name").fill("not a name")
    page.get_by_role("button", name="Create user").click()
    found += wrong(page)
    page.get_by_label("User name").fill("looked-at")
    page.get_by_role("button", name="Show the call").click()
    page.get_by_text("aws iam create-user").wait_for()
    found += wrong(page)
    page.goto(f"/keys/{key_id}/")
    page.goto(f"/keys/{key_id}/do/rotate/?call=1")
    page.get_by_text("aws kms rotate-key-on-demand").wait_for()
    found += wrong(page)
    open_list(page, "/keys/?q=looked")
    page.locator("input[name=key]").first.check()
    page.locator("#bulk").select_option("disable")
    page.locator("#bulk").locator("xpath=ancestor::form").get_by_role("button").first.click()
    page.get_by_role("heading", name="Disable").wait_for()
    found += wrong(page)
    page.get_by_role("button", name="Disable: 1 key").click()
    page.wait_for_url("**/keys/bulk/*/")
    found += wrong(page)
    assert not found


def test_an_endpoint_and_what_its_test_found(visit: Callable[..., Page], server: Server) -> None:
    page = visit(viewport=PHONE)
    page.goto("/settings/endpoints/new/")
    page.get_by_label("Name", exact=True).fill("itself")
    page.get_by_label("Address", exact=True).fill(server.url)
    page.get_by_label("Access key ID").fill(ACCESS_KEY_ID)
    page.get_by_role("main").locator("form button.button-primary").first.click()
    found = wrong(page)  # the secret is missing
    page.get_by_label("Secret access key").fill(SECRET)
    page.get_by_role("main").locator("form button.button-primary").first.click()
    page.get_by_role("heading", name="itself").wait_for()
    found += wrong(page)
    page.get_by_role("link", name="Forget").click()
    page.get_by_role("button", name="Forget").click()
    page.wait_for_url("**/settings/endpoints/")
    assert not found


def test_another_session_is_added_and_switched_to(visit: Callable[..., Page], server: Server) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="second")
    iam.create_login_profile(UserName="second", Password=PASSWORD)
    page = visit(viewport=PHONE)
    found: list[str] = []
    menu = page.locator("header details.menu").last
    menu.locator("summary").click()
    menu.get_by_role("link", name="Add session").click()
    page.get_by_label("User name").fill("second")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    menu.locator("summary").click()
    assert menu.locator("summary").inner_text().startswith("second")
    found += wrong(page)
    menu.get_by_role("button", name="admin @").first.click()
    page.get_by_text("You are admin in account").wait_for()
    menu.locator("summary").click()
    menu.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_text("Other sessions").wait_for()
    found += wrong(page)
    page.get_by_role("main").get_by_role("button", name="second @").first.click()
    page.get_by_text("You are second in account").wait_for()
    assert not found
