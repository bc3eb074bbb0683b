"""Key pickers where there are more keys than one shows: found by alias, ID and tag, while one types; and all pages of a list on paper."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.long_form import examples
from tests.support.pages import until, use_region
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MANY_REGION = "ap-southeast-1"  # of this module alone
MANY = examples(60, 10_000)  # a picker shows 25, a page of the list 50
READ = examples(300_000, 900_000)  # milliseconds that the inventory may take to read them on a busy machine


@pytest.fixture(scope="module")
def needle(server: Server) -> str:
    """The one key that is looked for; each picker would show it last."""
    kms = server.client(region=MANY_REGION)

    def make(number: int) -> None:
        kms.create_alias(
            AliasName=f"alias/hay-{number:05}",
            TargetKeyId=kms.create_key(Description="hay")["KeyMetadata"]["KeyId"],
        )

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(MANY - 1)))
    key_id = str(kms.create_key(Tags=[{"TagKey": "owner", "TagValue": "seamstress"}])["KeyMetadata"]["KeyId"])
    kms.create_alias(AliasName="alias/zz-needle", TargetKeyId=key_id)
    return key_id


def offers_only(page: Page, key_id: str) -> None:
    until(
        page, "id => [...document.querySelectorAll('#id_KeyId option')].map(each => each.value).join() === id", key_id
    )


def test_a_picker_finds_one_of_many_keys_by_alias_id_and_tag(
    visit: Callable[..., Page], server: Server, needle: str
) -> None:
    """60 keys; 10,000 by `make walks`."""
    page = visit()
    use_region(page, MANY_REGION)
    page.goto("/keys/")
    expect(page.locator("h1 .count")).to_have_text(f"({MANY:,})", timeout=READ)
    page.goto("/play/encrypt/")
    assert page.locator(f"#id_KeyId option[value='{needle}']").count() == 0, "the picker shows all keys"
    for text in ("zz-needle", needle, "owner=seamstress", "tag:owner"):
        page.locator("#find").fill(text)
        offers_only(page, needle)
        page.locator("#find").fill("hay-")
        until(page, "id => !document.querySelector(`#id_KeyId option[value='${id}']`)", needle)
    page.locator("#find").fill("zz-needle")
    offers_only(page, needle)
    page.locator("#id_Plaintext").fill("a message")
    page.locator("#play-form").get_by_role("button", name="Encrypt", exact=True).click()
    expect(page.locator("#blob-CiphertextBlob")).not_to_be_empty()
    page.keyboard.press("Control+k")
    page.keyboard.type("encrypt with owner=seamstress")
    found = page.locator("#palette .results a", has_text="Encrypt")
    expect(found.first).to_have_attribute("href", f"/play/encrypt/?key={needle}")


def test_all_pages_of_a_list_are_on_paper_and_a_cut_is_said(visit: Callable[..., Page], needle: str) -> None:
    page = visit()
    use_region(page, MANY_REGION)
    page.goto("/keys/")
    expect(page.locator("h1 .count")).to_have_text(f"({MANY:,})", timeout=READ)
    shown: Any = page.locator("tbody tr").count()
    assert shown < MANY
    page.get_by_role("link", name="All on one page, to print").click()
    expect(page.locator("tbody tr")).to_have_count(min(MANY, 500))
    if MANY <= 500:
        expect(page.locator("main")).to_contain_text(f"The list is whole: {MANY} rows.")
    else:
        expect(page.locator("main")).not_to_contain_text("The list is whole")
    page.emulate_media(media="print")
    row = page.locator("tbody tr", has_text=f"hay-{max(10, MANY - 100):05}")  # the newest come first
    expect(row).to_be_visible()
    assert "…" not in row.inner_text()
