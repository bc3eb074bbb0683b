"""What saves time: an audit without noise, a playground that offers what the key can, a search that understands what pages show, a review
whose parts are edited."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import choose_principal
from tests.support.server import ACCOUNT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    """A key of each kind, by its alias."""
    kms = server.client()
    kinds = {
        "payments": {"Tags": [{"TagKey": "owner", "TagValue": "payments-team"}]},
        "signing": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        "mac": {"KeySpec": "HMAC_384", "KeyUsage": "GENERATE_VERIFY_MAC"},
    }
    made = {}
    for alias, given in kinds.items():
        made[alias] = kms.create_key(**given)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=made[alias])
    return made


def test_the_audit_hides_what_the_console_read_and_leads_from_a_policy_to_its_change(
    visit: Callable[..., Page], server: Server, keys: dict[str, str]
) -> None:
    kms, key = server.client(), keys["payments"]
    policy = kms.get_key_policy(KeyId=key)["Policy"]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    changed = policy.replace(f'"{root}"', f'["{root}"]').replace('"kms:*"', '["kms:*"]')
    assert changed != policy
    kms.put_key_policy(KeyId=key, Policy=changed)
    page = visit()
    page.goto(f"/keys/{key}/")
    page.goto(f"/audit/?key={key}")
    rows = page.locator("#event-rows")
    expect(rows).to_contain_text("PutKeyPolicy")
    expect(rows).not_to_contain_text("DescribeKey")
    expect(page.locator("main")).to_contain_text(re.compile(r"reads? by this console (is|are) hidden\."))
    expect(page.locator("details.facet summary", has_text="Operation")).to_have_count(1)

    # The fields that most searches take are above the events; the others are folded, until one of them is in use.
    fields = page.locator(
        ".audit-filter input:not([type=hidden]):not([type=checkbox]):visible, .audit-filter select:visible"
    )
    expect(fields).to_have_count(6)
    expect(rows.locator("tr").first).to_be_in_viewport()
    page.get_by_text("More filters").click()
    expect(page.get_by_label("Alias as it was called")).to_be_visible()
    page.goto("/audit/?kind=write")
    expect(page.get_by_label("Kind of call")).to_be_visible()
    expect(rows).not_to_contain_text("GenerateDataKey")

    # A policy that says the same otherwise is no change.
    page.goto(f"/audit/?key={key}")
    rows.get_by_role("link", name="PutKeyPolicy").click()
    page.get_by_role("link", name=re.compile("change", re.IGNORECASE)).first.click()
    expect(page.locator("main")).to_contain_text("Key policy history")
    expect(page.locator(".policy-changes")).to_contain_text("Both say the same: only order or form differ")
    expect(page.locator(".policy-change")).to_have_count(0)


def test_the_first_press_works_and_only_what_the_key_can_is_offered(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    for alias, words, others in (
        ("payments", "Encrypt with this key", ["Sign with this key"]),
        ("signing", "Sign with this key", ["Encrypt with this key"]),
        ("mac", "Generate MAC", ["Encrypt with this key", "Sign with this key"]),
    ):
        page.goto(f"/keys/{keys[alias]}/")
        head = page.locator("main .page-header")
        for other in others:
            expect(page.locator("main").get_by_role("link", name=other, exact=True)).to_have_count(0)
        link = page.locator("main").get_by_role("link", name=words, exact=True)
        if not link.is_visible():
            head.locator("summary").last.click()
        link.click()
        expect(page.locator("#id_KeyId")).to_have_value(keys[alias])
        if alias == "signing":
            algorithms = page.locator("#id_SigningAlgorithm option").all_inner_texts()
            assert [each.strip() for each in algorithms] == ["ECDSA_SHA_256"]
        page.locator("#play-form textarea").first.fill("a message")
        page.locator("#play-form button[type=submit]").last.click()
        expect(page.locator("#outcome [data-encoding=base64], #outcome pre").first).to_be_visible()
        expect(page.locator("#outcome .callout-error")).to_have_count(0)


def test_a_search_understands_what_pages_show_and_what_one_means_to_do(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    for query in ("owner=payments-team", "tag:owner payments", "enabled payments", "SYMMETRIC_DEFAULT payments"):
        page.goto(f"/keys/?q={query.replace('=', '%3D').replace(' ', '+')}")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody")).to_contain_text("payments")
    page.keyboard.press("Control+k")
    page.keyboard.type("rotate payments")
    page.locator("#palette .results a", has_text=re.compile("Rotate", re.IGNORECASE)).first.click()
    expect(page).to_have_url(re.compile(f"/keys/{keys['payments']}/"))
    page.keyboard.press("Control+k")
    page.keyboard.type("admin")
    expect(page.locator("#palette .results a[href*='/principals/users/admin/']").first).to_be_visible()


def test_each_part_of_the_review_is_edited_and_leads_back_to_it(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/keys/new/")
    skip = page.get_by_role("button", name="Skip to review")
    expect(skip).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Alias", exact=True).fill("reviewed")
    for _step in ("administrators", "users"):
        expect(skip).to_be_visible()
        page.get_by_role("button", name="Next").click()
    page.go_back()
    page.go_back()
    page.get_by_role("button", name="Skip to review").click()
    parts = page.locator("main a", has_text="Edit")
    assert parts.count() >= 4
    parts.nth(1).click()
    page.get_by_label("Alias", exact=True).fill("reviewed-again")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("main")).to_contain_text("reviewed-again")


def test_enter_in_a_steps_search_searches_and_keeps_the_ticks(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Alias", exact=True).fill("searched")
    page.keyboard.press("Enter")
    choose_principal(page, "admin (user)")
    search = page.get_by_label("Search users and roles")
    for _time in range(2):  # the second time with the text as it was
        search.fill("nobody-has-this-name")
        search.press("Enter")
        expect(page.get_by_label("admin (user)")).to_be_checked()
        expect(page.locator("[name=chosen]")).to_have_count(1)
    expect(page.locator("[aria-current=step]")).to_contain_text("administrators")


def test_a_keys_head_says_what_it_is(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    page.goto(f"/keys/{keys['payments']}/tab/tags/")
    head = page.locator(".facts").first
    for said in ("SYMMETRIC_DEFAULT", "Encrypt and decrypt", "AWS_KMS"):
        expect(head).to_contain_text(said)
    expect(head).to_contain_text(re.compile("rotat", re.IGNORECASE))


def test_empty_lists_lead_on_and_dates_are_whole_on_hover(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    lists = [f"/principals/{each}/" for each in ("users", "groups", "roles", "policies")]
    for address in (*(f"{each}?q=nothing-has-this" for each in ("/keys/", *lists)), "/audit/?text=nothing-has-this"):
        page.goto(address)
        empty = page.locator("main .empty")
        expect(empty).to_have_css("text-align", "center")
        expect(empty.get_by_role("link")).to_have_count(1)
    page.goto("/audit/")
    shown = page.locator("#event-rows time").first
    expect(shown).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"))
    expect(shown).to_have_attribute("title", re.compile("UTC"))
    expect(page.locator("#theme option").first).to_have_text("System theme")
    expect(page.locator(".foot")).not_to_contain_text("Style guide")
