"""Debian's Chromium driven by Playwright against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.support.browsing import Browsing
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
    """`visit(user_name, password)`: a page of a fresh browser signed in as this user; keyword arguments go to the context.

    Whatever a test presses, no page does what its Content-Security-Policy refuses: the browser would say so in its console.

    Each has a session of its own, from a sign-in without the browser: how one signs in there is in test_keyboard.py and test_passkeys.py.
    """
    contexts: list[BrowserContext] = []
    refused: list[tuple[str, str]] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append((message.page.url if message.page else "", message.text))

    def sign_in(user_name: str = "admin", password: str = PASSWORD, **options: Any) -> Page:
        context = chromium.new_context(base_url=server.url, **{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.on("console", listen)
        session = Browsing(server)
        session.sign_in(user_name, password)
        cookies = [(each.name, str(each.value)) for each in session.cookies]
        context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in cookies])
        page = context.new_page()
        page.goto(session.address)
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert not refused
