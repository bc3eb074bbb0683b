"""A teacher's board in a browser: steps appear as they are done, what the teacher says appears on students' pages, arrow keys present,
and a student's account is looked into and not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page, expect

from tests.support.lesson_students import Student, make_class
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BOARD = "/classes/accounts/board/"
STUDENTS = ["first-key", "rotation"]


@pytest.fixture(scope="module")
def students(server: Server) -> dict[str, Student]:
    made = make_class(server, STUDENTS, "Board")
    for each in made.values():
        each.prepare()
    return made


@pytest.fixture
def teacher(visit: Callable[..., Page]) -> Page:
    return visit()


@pytest.fixture
def student_page(chromium: Browser, server: Server, students: dict[str, Student]) -> Iterator[Page]:
    context = chromium.new_context(base_url=server.url)
    for each in students["first-key"].browser.cookies:
        context.add_cookies([{"name": each.name, "value": str(each.value), "url": server.url}])
    yield context.new_page()
    context.close()


def test_a_students_steps_and_errors_appear_on_an_open_board(teacher: Page, students: dict[str, Student]) -> None:
    teacher.goto(f"{BOARD}?lesson=first-key")
    line = teacher.get_by_role("row").filter(has=teacher.get_by_role("link", name="first-key", exact=True))
    expect(line.locator(".board-done")).to_have_count(0)
    teacher.evaluate("window.neverLeft = true")
    kms = students["first-key"].client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    expect(line.locator(".board-done")).to_have_count(1)
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    with pytest.raises(ClientError):
        kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    expect(line.locator(".board-done")).to_have_count(2)
    expect(line).to_contain_text("CreateAlias: AlreadyExistsException")
    assert teacher.evaluate("window.neverLeft")


def test_a_message_and_the_step_to_go_to_appear_on_an_open_page_of_a_student(teacher: Page, student_page: Page) -> None:
    student_page.goto("/keys/")
    student_page.evaluate("window.neverLeft = true")
    teacher.goto(f"{BOARD}manage/")
    teacher.get_by_label("Message to all students").fill("Coffee at ten")
    teacher.locator("main form").filter(has=teacher.locator("[name=message]")).get_by_role("button").last.click()
    expect(teacher.get_by_role("status").first).to_contain_text("The message is on the students' pages.")
    teacher.goto(f"{BOARD}?lesson=first-key")
    teacher.get_by_label("Direct all students to step").select_option("2")
    teacher.get_by_role("button", name="Send", exact=True).click()
    said = student_page.locator("#class-notice")
    expect(said).to_contain_text("Coffee at ten")
    expect(said).to_contain_text("2. Give it an alias")
    assert student_page.evaluate("window.neverLeft")
    said.get_by_role("link").click()
    student_page.wait_for_url("**/learn/first-key/#create-alias")


def test_a_new_class_leaves_the_form_and_its_credentials_are_readable_on_a_phone(
    visit: Callable[..., Page], server: Server
) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    page.goto("/classes/accounts/new/")
    page.get_by_label("Class name").fill("Only a link")
    page.get_by_role("button", name="Create class").click()
    expect(page).to_have_url(f"{server.url}/classes/accounts/only-a-link/manage/")
    expect(page.get_by_role("img", name="QR code of the join link")).to_be_visible()
    page.goto("/classes/accounts/new/")
    page.get_by_label("Class name").fill("With cards")
    page.locator("#id_students").fill("Cara Card")
    page.get_by_role("button", name="Create class").click()
    expect(page.locator(".code-block")).to_have_count(2)
    expect(page).to_have_url(f"{server.url}/classes/accounts/with-cards/")
    for block in page.locator(".code-block").all():
        button, text = block.get_by_role("button").bounding_box(), block.locator("pre").bounding_box()
        assert button is not None
        assert text is not None
        assert button["y"] + button["height"] <= text["y"] or button["x"] >= text["x"] + text["width"]
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("With cards (1)")


def test_arrow_keys_lead_through_a_presentation_whose_count_is_live(
    teacher: Page, students: dict[str, Student]
) -> None:
    teacher.goto(f"{BOARD}present/?lesson=first-key&step=0")
    title = teacher.get_by_role("heading", level=1)
    expect(title).to_have_text("A first key")
    expect(teacher.locator("#presented")).to_contain_text("2 students are in")
    teacher.keyboard.press("ArrowRight")
    expect(title).to_have_text("1. Create a symmetric key")
    teacher.keyboard.press("ArrowRight")
    expect(title).to_have_text("2. Give it an alias")
    teacher.keyboard.press("ArrowRight")
    expect(title).to_have_text("3. Write your name on it")
    teacher.keyboard.press("ArrowLeft")
    expect(title).to_have_text("2. Give it an alias")
    expect(teacher.locator("#presented")).to_contain_text(" of 2 have done it")
    size = title.evaluate("heading => parseFloat(getComputedStyle(heading).fontSize)")
    assert size >= 40  # pixels: to be read from the last row
    teacher.keyboard.press("ArrowRight")
    expect(teacher.locator("#presented")).to_contain_text("0 of 2 have done it")
    owner = {"TagKey": "owner", "TagValue": "rotation"}
    students["rotation"].client().tag_resource(KeyId=students["rotation"].key, Tags=[owner])
    expect(teacher.locator("#presented")).to_contain_text("1 of 2 have done it")


def test_a_students_account_is_looked_into_and_not_changed(teacher: Page, students: dict[str, Student]) -> None:
    student = students["rotation"]
    teacher.goto(BOARD)
    teacher.get_by_role("link", name="rotation", exact=True).click()
    teacher.get_by_role("button", name="Open read-only").click()
    expect(teacher.get_by_text("nothing can be changed")).to_be_visible()
    teacher.get_by_role("link", name="mine", exact=True).click()
    expect(teacher.get_by_role("heading", level=1)).to_have_text("mine")
    disable = teacher.locator("main .page-header").get_by_text("Disable", exact=True)
    expect(disable).to_have_attribute("aria-disabled", "true")
    teacher.goto(f"/keys/{student.key}/do/disable/")
    expect(teacher.get_by_role("main")).to_contain_text("not authorized to perform: kms:DisableKey")
    assert student.client().describe_key(KeyId=student.key)["KeyMetadata"]["KeyState"] == "Enabled"
