"""Every page: reachable, no accessibility violation in either theme, no script error, usable on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support import samples
from tests.support.accessible import violations
from tests.support.long_form import one_in
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


# Routes that are no page: downloads, parts of a page, and forms that only take a POST (of those that answer 405 one is enough).
NO_PAGE = {
    "keys/export/", "keys/progress/", "keys/options/", "keys/<str:key_id>/public-key.pem", "keys/<str:key_id>/public-key.der", "audit/export/",
    "keys/bulk/", "keys/views/", "keys/new/", "principals/sign-out/", "principals/sign-in/use/", "principals/back-to-user/",
    "settings/endpoints/switch/", "settings/endpoints/refresh/", "language/", "region/", "keys/<str:key_id>/do/delete/",
    "principals/users/<str:name>/sessions/", "settings/profile/sessions/",
    "audit/newer/", "audit/searches/", "audit/compliance/run/", "audit/verify/checkpoint/", "audit/verify/verify_kmsconsole_trail.py",
    "audit/checkpoint/", "audit/consistency/", "audit/proof/<uuid:event_id>/",
    "classes/accounts/notice/", "classes/accounts/credentials.txt", "learn/<slug:lesson>/lesson.zip",
    "drills/end/", "principals/security-credentials/recovery-codes/", "principals/password-policy/second-factor/",
    "principals/sign-in/saml/", "principals/sign-in/saml/<slug:provider_id>/",
}  # fmt: skip
SAMPLES = "/styleguide/"  # it shows the body of an error page, which has a heading of its own
EXPECTED = {"/no/such/page/": 404, "/theme/": 405, "/join/pages/": 404}  # no such link to a class


@pytest.fixture(scope="session")
def paths(server: Server) -> list[str]:
    """The address of each page of the URLconf, with objects of each kind; tests/support/samples.py refuses a new one without."""
    made = samples.make(server.client, "pages")
    found = [address for route, each in samples.addresses(made).items() if route not in NO_PAGE for address in each]
    return [*found, "/principals/sign-in/?add=1", "/no/such/page/"]


def test_no_page_has_an_accessibility_violation_or_is_wider_than_a_phone(
    visit: Callable[..., Page], paths: list[str]
) -> None:
    """Colours on each third page and on the style guide, which shows every component; on every page by `make walks`. They are those of
    tokens.css, so that the same component has the same on each page."""
    coloured = {SAMPLES, *one_in(3, paths)}
    page = visit(viewport=DESK)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    problems: dict[str, list[str]] = {}
    too_wide: list[tuple[str, int]] = []
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == EXPECTED.get(path, 200), path
        headings = page.locator("h1").count()
        if found := [
            *violations(page, colours=path in coloured),
            *([f"{headings} h1"] if headings > 1 and path != SAMPLES else []),
        ]:
            problems[path] = found
        page.set_viewport_size(PHONE)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide.append((path, width))
        page.set_viewport_size(DESK)
    assert not problems
    assert not too_wide
    assert not errors


def test_the_sign_in_page_has_no_accessibility_violation(chromium: Any, server: Server) -> None:
    page = chromium.new_page()
    page.goto(server.url)
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"
    assert not violations(page)
    page.close()


def test_no_link_of_the_frame_is_dead(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/")
    links = {link.get_attribute("href") for link in page.locator("nav a, header a, footer a").all()}
    assert len(links) > 10
    for link in links:  # the sweep shows these pages; here it is enough that they answer
        assert page.request.get(str(link)).status == 200, link


def test_a_key_is_made_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Alias", exact=True).fill("no-script")
    for _ in range(4):
        page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Finish").click()
    assert "no-script" in page.locator("tbody").inner_text()


def test_rows_that_are_added_take_over_no_inline_style(visit: Callable[..., Page]) -> None:
    """A browser puts one on a field whose size was changed by hand. The Content-Security-Policy refuses it (conftest.visit looks)."""
    page = visit()
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Add tag").click()
    expect(page.locator("#tag-key-2")).to_be_focused()
    page.locator("#tag-key-1").evaluate("field => field.style.setProperty('height', '60px')")
    page.get_by_role("button", name="Add tag").click()
    expect(page.locator("#tag-key-3")).to_be_focused()
