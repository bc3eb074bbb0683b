"""A class from nothing in five minutes: what a teacher and a student do in a browser is counted, and what it takes is within the time.

Times are people's, by the keystroke-level model (Card, Moran and Newell, 1980): to think of the next thing, to point at it and to press; and
the time in which somebody who has never seen a page reads it. What is left of the five minutes is the machine's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.server import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

THINK, POINT, PRESS, KEY = 1.35, 1.1, 0.2, 0.28  # seconds; KEY: somebody who types as most people do
READ = 15.0  # a page that one sees for the first time
BUDGET = 300.0
MACHINE = 40.0  # of it: for some fifteen pages and an account


@dataclass
class Counted:
    """A person at a browser, and what they did."""

    page: Page
    clicks: int = 0
    fields: int = 0
    characters: int = 0
    pages: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """As from a bookmark, a slide or a QR code."""
        self.page.goto(address)
        self._see()

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1
        self._see()

    def fill(self, what: Locator, text: str) -> None:
        what.fill(text)
        self.fields += 1
        self.characters += len(text)

    def choose(self, what: Locator, option: str) -> None:
        """Of a list: to open it and to press."""
        what.select_option(label=option)
        self.clicks += 1
        self.fields += 1
        self._see()

    def _see(self) -> None:
        self.page.wait_for_load_state()
        title = self.page.get_by_role("heading", level=1).first.inner_text()
        if title not in self.pages:
            self.pages.append(title)

    @property
    def seconds(self) -> float:
        pointed = self.clicks + self.fields
        return pointed * (THINK + POINT + PRESS) + self.characters * KEY + len(self.pages) * READ


@pytest.fixture
def people(chromium: Browser, server: Server) -> Iterator[tuple[Counted, Counted]]:
    contexts = [chromium.new_context(base_url=server.url) for _ in range(2)]
    teacher, student = (Counted(context.new_page()) for context in contexts)
    yield teacher, student
    for context in contexts:
        context.close()


def test_a_class_from_nothing_is_there_in_five_minutes(people: tuple[Counted, Counted]) -> None:
    """The server was started and holds nothing but its administrator. In the end a student has done a step in an account of their own, and
    the teacher sees it."""
    teacher, student = people
    page = teacher.page
    teacher.open("/")
    teacher.fill(page.get_by_label("User name"), "admin")
    teacher.fill(page.get_by_label("Password"), PASSWORD)
    teacher.click(page.get_by_role("button", name="Sign in"))
    teacher.click(page.get_by_role("navigation").get_by_role("link", name="Classes"))
    teacher.click(page.get_by_role("link", name="Create class").first)
    teacher.fill(page.get_by_label("Class name"), "Five minutes")
    teacher.click(page.get_by_role("button", name="Create class"))
    address = page.locator(".join-link code").inner_text()  # on the projector, as a QR code too
    teacher.click(page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="Five minutes"))
    assert (teacher.clicks, teacher.fields) == (5, 3)

    other = student.page
    student.open(address)
    student.fill(other.get_by_label("Your name"), "Ada")
    student.click(other.get_by_role("main").get_by_role("button"))
    student.click(other.get_by_role("link", name="To the lessons"))
    student.click(other.get_by_role("main").get_by_role("link", name="A first key").first)
    student.click(other.locator("#create-key .actions a.button"))
    student.click(other.get_by_role("button", name="Next", exact=True))
    student.fill(other.get_by_label("Alias", exact=True), "mine")
    student.click(other.get_by_role("button", name="Skip to review"))
    student.click(other.get_by_role("button", name="Finish"))
    assert (student.clicks, student.fields) == (7, 2)

    teacher.choose(page.locator("#lesson"), "A first key")
    assert (teacher.clicks, teacher.fields) == (6, 4)
    line = page.get_by_role("row").filter(has_text="Ada")
    expect(line.locator(".board-done")).to_have_count(2)  # the key and its alias, without a reload
    assert teacher.seconds + student.seconds < BUDGET - MACHINE, (teacher, student)
