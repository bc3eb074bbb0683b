"""The page of a sealed server in a browser: shares are entered one by one, a wrong one is told, and the console follows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.kmsconsole.server.test_sealed import Sealed, shares_of
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_people_unseal_the_server_and_sign_in(chromium: Any, tmp_path: Path) -> None:
    server = Sealed(tmp_path / "data", KMSCONSOLE_WORKERS="1")
    Server.start(server)
    made = server.manage("change_root_provider", "shamir", "--shares", "3", "--threshold", "2", "--yes")
    shares = shares_of(made.stdout)
    server.stop()
    with server:
        context = chromium.new_context(base_url=server.url)
        page = context.new_page()
        page.goto("/keys/")  # a bookmark of the console
        expect(page.get_by_role("heading", name="This server is sealed")).to_be_visible()
        expect(page.get_by_label("Your share")).to_be_focused()

        def enter(share: str) -> None:
            page.get_by_label("Your share").fill(share)
            page.get_by_role("button", name="Enter share").click()

        enter("no share!")
        expect(page.get_by_role("alert")).to_contain_text("This is not a share")
        expect(page.get_by_label("Your share")).to_have_value("")
        enter(shares[0])
        expect(page.get_by_role("status")).to_contain_text(re.compile("1 of 2 shares entered"))
        enter(shares[2])
        expect(page.get_by_role("heading", name="This server is unsealed")).to_be_visible()
        for share in shares:
            assert share not in page.content()
        context.close()
