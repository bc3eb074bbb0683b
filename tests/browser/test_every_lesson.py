"""Every lesson is done from its first step to its last: by the commands that it prints, in a shell, and by the pages that it leads to.

A wrong path is gone first: it is not ticked, and the page says what was wrong. The shells work beside the browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.lesson_commands import PATHS
from tests.support.lesson_pages import WALKS, Walk
from tests.support.lesson_students import LESSONS, ShownStep, Student, make_class
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_REFUSED = re.compile(r"An error occurred \((\w+)\)")
_NOT_AS_PRINTED = re.compile(
    r"No such file|not found|usage:|Unable to|Traceback|syntax error|Parameter validation|[Uu]nknown"
)


@dataclass
class Done:
    """A lesson before the right path was gone, and after; what the commands wrote."""

    wrong: dict[str, ShownStep]
    right: dict[str, ShownStep]
    output: str
    errors: str


def do(student: Student, folder: Path) -> Done:
    student.prepare()
    assert not any(step.done for step in student.steps().values() if student.path.first_key)
    student.go_wrong(folder)
    wrong = student.steps()
    output, errors = student.go_right(folder)
    return Done(wrong, student.steps(), output, errors)


@pytest.fixture(scope="module")
def slugs(request: pytest.FixtureRequest) -> list[str]:
    """Of the lessons whose tests are run."""
    chosen = {str(item.callspec.params.get("slug")) for item in request.session.items if hasattr(item, "callspec")}
    return [slug for slug in PATHS if slug in chosen]


@pytest.fixture(scope="module")
def lessons(
    server: Server, tmp_path_factory: pytest.TempPathFactory, slugs: list[str]
) -> Iterator[dict[str, Future[Done]]]:
    students = make_class(server, slugs)
    with ThreadPoolExecutor(2) as shells:
        yield {slug: shells.submit(do, each, tmp_path_factory.mktemp(slug)) for slug, each in students.items()}


@pytest.fixture(scope="module")
def walkers(server: Server, slugs: list[str]) -> dict[str, Student]:
    """Who use the pages."""
    return make_class(server, slugs, "Pages")


@pytest.fixture(scope="module")
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    context = chromium.new_context(base_url=server.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_every_lesson_is_among_them() -> None:
    assert set(PATHS) == set(WALKS) == set(LESSONS)


@pytest.mark.parametrize("slug", PATHS)
def test_a_lesson_is_done_by_the_pages_that_it_leads_to(walkers: dict[str, Student], page: Page, slug: str) -> None:
    student = walkers[slug]
    student.prepare()
    cookies = [(each.name, each.value) for each in student.browser.cookies]
    page.context.add_cookies(
        [{"name": name, "value": str(value), "url": student.server.url} for name, value in cookies]
    )
    walk = Walk(student, page)
    WALKS[slug](walk)
    walk.answer()
    open_steps = page.locator(".lab-steps > li:not(.lab-done)")
    assert open_steps.all_inner_texts() == []
    assert page.locator(".lab-done").count() == len(student.lesson.steps)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("slug", PATHS)
def test_a_lesson_is_done_by_the_commands_that_it_prints(lessons: dict[str, Future[Done]], slug: str) -> None:
    done = lessons[slug].result(300)
    assert tuple(_REFUSED.findall(done.errors)) == PATHS[slug].refused, done.errors
    assert not _NOT_AS_PRINTED.search(_REFUSED.sub("", done.errors)), done.errors
    assert {name: step.text for name, step in done.right.items() if not step.done} == {}, done.output + done.errors


@pytest.mark.parametrize("slug", PATHS)
def test_a_wrong_path_is_not_ticked_and_its_hint_is_shown(lessons: dict[str, Future[Done]], slug: str) -> None:
    shown = lessons[slug].result(300).wrong[PATHS[slug].step]
    assert not shown.done
    assert PATHS[slug].hint in shown.text
