"""What is typed and not sent: leaving warns, the draft is there on return, and it is gone once it was saved or one signs out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.support.accessible import violations
from tests.support.pages import until
from tests.support.server import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RESTORED = "is restored."
WHEN = re.compile(r"Your draft from \d{4}-\d\d-\d\d \d\d:\d\d is restored\.")  # as all pages write a moment


@pytest.fixture(scope="module")
def key_id(server: Server) -> str:
    return str(server.client().create_key(Description="drafted")["KeyMetadata"]["KeyId"])


@pytest.fixture
def asked() -> list[str]:
    """The kinds of dialogs that the browser has shown."""
    return []


@pytest.fixture
def page(visit: Callable[..., Page], asked: list[str]) -> Page:
    page = visit()

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    return page


def stored(page: Page) -> str:
    return str(
        page.evaluate("JSON.stringify(Object.entries(sessionStorage).filter(([key]) => key.startsWith('draft ')))")
    )


# Where a text is typed: the address, and the label of its field.
TEXTS = {
    "key policy": ("/keys/{key}/policy/edit/", "Key policy (JSON)"),
    "grant": ("/keys/{key}/do/grant-add/", "Name"),
    "tag": ("/keys/{key}/do/tag-add/", "Tag value"),
    "class": ("/classes/new/", "Students"),
    "question": ("/access/", "Principal"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_leaving_warns_and_the_draft_is_there_on_return(page: Page, key_id: str, asked: list[str], what: str) -> None:
    address, label = TEXTS[what]
    page.goto(address.format(key=key_id))
    field = page.get_by_label(label).first
    field.press_sequentially("typed ")
    text = field.input_value()
    page.get_by_role("link", name="Overview", exact=True).first.click()
    page.wait_for_url("**/")
    assert asked == ["beforeunload"]
    page.goto(address.format(key=key_id))
    expect(field).to_have_value(text)
    expect(page.get_by_role("status").filter(has_text=WHEN)).to_be_visible()
    assert not violations(page)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text(RESTORED)).to_be_hidden()
    assert "typed" not in field.input_value()
    page.reload()
    expect(page.get_by_text(RESTORED)).to_be_hidden()


def test_a_tab_that_is_swapped_in_place_warns_too(page: Page, key_id: str, asked: list[str]) -> None:
    page.goto(f"/keys/{key_id}/tab/policy/")
    page.evaluate(
        "document.querySelector('#main .panel-body').insertAdjacentHTML('beforeend', '<form data-draft=sample><input name=text></form>')"
    )
    page.locator("form[data-draft] input").fill("typed")
    page.locator("#tab-tags").click()
    page.wait_for_url("**/tab/tags/")
    assert asked == ["confirm"]


def test_a_refused_text_stays_a_draft_and_a_saved_one_does_not(page: Page, key_id: str, asked: list[str]) -> None:
    page.goto(f"/keys/{key_id}/policy/edit/")
    field, save = page.get_by_label("Key policy (JSON)"), page.get_by_role("button", name="Save changes")
    good = field.input_value()
    field.fill("{")
    save.click()
    page.locator(".field-error").first.wait_for()
    expect(page.get_by_text(RESTORED)).to_be_hidden()  # it never was away
    page.goto(f"/keys/{key_id}/")
    assert asked == ["beforeunload"]
    page.goto(f"/keys/{key_id}/policy/edit/")
    expect(field).to_have_value("{")
    field.fill(good.replace('"Id"', ' "Id"'))
    save.click()
    page.wait_for_url("**/tab/policy/")
    assert stored(page) == "[]"
    page.goto(f"/keys/{key_id}/policy/edit/")
    expect(page.get_by_text(RESTORED)).to_be_hidden()
    assert asked == ["beforeunload"]


def test_rows_of_tags_come_back_and_an_unfinished_key_is_gone_on_with(page: Page) -> None:
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Tag key 1").fill("team")
    page.get_by_role("button", name="Add tag").click()
    page.get_by_label("Tag key 2").fill("stage")
    page.goto("/")
    page.goto("/keys/new/")
    page.get_by_role("link", name="Continue with it").click()
    page.wait_for_url("**/labels/**")
    expect(page.get_by_label("Tag key 1")).to_have_value("team")
    expect(page.get_by_label("Tag key 2")).to_have_value("stage")


def test_secrets_are_never_in_a_draft(page: Page, server: Server) -> None:
    external = server.client().create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    page.goto(f"/keys/{external}/import/")
    page.locator("#train_material").fill("ab" * 32)
    page.locator("#train_description").fill("brought")
    assert "brought" in stored(page)
    assert "abab" not in stored(page)
    page.goto("/principals/users/new/")
    page.get_by_label("User name").fill("drafted-user")
    page.locator("input[type=password]").first.fill(PASSWORD)
    assert "drafted-user" in stored(page)
    assert PASSWORD not in stored(page)
    page.goto("/play/encrypt/")
    page.locator("#id_Plaintext").fill("the launch code")
    assert "launch" not in stored(page)


def test_signing_out_forgets_the_drafts_of_all_tabs(page: Page, key_id: str) -> None:
    page.goto(f"/keys/{key_id}/policy/edit/")
    page.get_by_label("Key policy (JSON)").fill("mine")
    assert "user/admin" in stored(page)  # another user of this browser has drafts of their own
    sign_out_in_another_tab(page)
    until(page, "!Object.keys(sessionStorage).some(key => key.startsWith('draft '))")


def test_a_tab_between_two_pages_forgets_its_drafts_of_before_a_sign_out(page: Page, key_id: str) -> None:
    page.goto(f"/keys/{key_id}/policy/edit/")
    page.get_by_label("Key policy (JSON)").fill("mine")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("about:blank")
    sign_out_in_another_tab(page)
    page.goto("/principals/sign-in/")
    assert "mine" not in stored(page)


def sign_out_in_another_tab(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/")
    other.locator("header details.menu").last.locator("summary").click()
    other.get_by_role("button", name="Sign out", exact=True).click()
    other.wait_for_url("**/sign-in/**")
