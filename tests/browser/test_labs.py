"""The labs as a person goes through them: their results, too, have no accessibility violation and fit a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.support.accessible import violations
from tests.support.pages import use_region
from tests.support.server import Server

LAB_REGION = "sa-east-1"  # of this test alone: the form begins with the first key, and what others make may not be used by anybody

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def sound(page: Page) -> None:
    assert not violations(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_flipped_bit_is_refused(visit: Callable[..., Page], server: Server) -> None:
    server.client(region=LAB_REGION).create_key()
    page = visit(java_script_enabled=True)
    use_region(page, LAB_REGION)
    page.goto("/lab/ciphertext/")
    page.get_by_label("Text", exact=True).fill("launch code")
    page.get_by_role("button", name="Encrypt", exact=True).click()
    page.get_by_role("button", name="Flip a bit Tag").click()
    assert "InvalidCiphertextException" in page.locator("section", has=page.locator("#answer")).inner_text()
    sound(page)


def test_ticked_services_make_their_calls(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    page.goto("/lab/services/")
    for name in ("Amazon S3", "Amazon RDS"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Apply").last.click()
    rows = page.locator("table.made tbody tr")
    assert rows.count() == 5
    assert "rds.us-east-1.amazonaws.com" in rows.filter(has_text="CreateGrant").inner_text()
    sound(page)
    page.get_by_role("link", name="Event CreateGrant").click()
    assert '"rds.amazonaws.com"' in page.locator("main").inner_text()
