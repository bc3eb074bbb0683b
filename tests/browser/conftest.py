"""Debian's Chromium driven by Playwright against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.chromium import launch
from tests.support.server import PASSWORD, Server

expect.set_options(timeout=20_000)  # milliseconds; three browsers and their servers may share two cores


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """`visit(user_name, password)`: a page of a fresh browser signed in as this user; keyword arguments go to the context."""
    contexts = []

    def sign_in(user_name: str = "admin", password: str = PASSWORD, **options: Any) -> Page:
        context = chromium.new_context(base_url=server.url, **{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.goto("/principals/sign-in/")
        page.get_by_label("User name").fill(user_name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
        return page

    yield sign_in
    for context in contexts:
        context.close()
