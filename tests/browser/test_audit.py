"""The auditor's way by browser, without scripts: verify, a checkpoint kept and compared, a proof, two dates, a rule, sinks, compliance."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.support.server import Server

AUDITED_REGION = "eu-west-2"  # of this module alone: a check shows only its first findings

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def look_until_verified(page: Page) -> None:
    """As one does without scripts, where the page says that the verification goes on."""
    shown, again = page.locator("#verification"), page.get_by_role("link", name="Look again")
    for _ in range(100):
        expect(shown).to_contain_text(re.compile("Look again|The chain is"))
        if not again.count():
            return
        page.wait_for_timeout(100)
        again.click()


def test_an_auditor_verifies_compares_and_sets_a_rule_without_scripts(
    visit: Callable[..., Page], server: Server
) -> None:
    begin = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    kms = server.client(region=AUDITED_REGION)
    key = kms.create_key(Description="audited")["KeyMetadata"]["KeyId"]
    page = visit(java_script_enabled=False)
    page.locator("#region").select_option(AUDITED_REGION)
    page.get_by_role("button", name="Go").first.click()
    expect(page.locator("#region")).to_have_value(AUDITED_REGION)

    page.goto("/audit/verify/")
    page.get_by_role("button", name="Check every record").click()
    look_until_verified(page)
    expect(page.locator("#verification")).to_contain_text("The chain is whole.")
    kept = page.request.get("/audit/checkpoint/?format=note").text()
    kms.update_key_description(KeyId=key, Description="audited twice")
    page.get_by_label("Checkpoint", exact=True).fill(kept)
    page.get_by_role("button", name="Compare").click()
    compared = page.locator("[aria-labelledby=earlier]")
    expect(compared).to_contain_text(re.compile("Extended|The same"))
    page.get_by_label("Checkpoint", exact=True).fill(kept.replace(kept.split("\n")[2], "A" * 43 + "="))
    page.get_by_role("button", name="Compare").click()
    expect(compared).to_contain_text("not genuine")

    page.goto(f"/keys/{key}/tab/timeline/")
    expect(page.locator(".change-cell").first).to_contain_text("+ audited twice")
    page.get_by_role("link", name="UpdateKeyDescription").click()
    proof = page.get_by_role("link", name="Download the proof").get_attribute("href")
    assert page.request.get(str(proof)).json()["format"] == "kmsconsole-event-proof/1"

    page.goto("/audit/keys/compare/")
    page.get_by_label("From").fill(begin)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(f"#key-{key}")).to_be_visible()
    page.goto(f"/keys/{key}/tab/access/")
    page.get_by_role("link", name="Compare two dates").click()
    page.get_by_label("From").fill(begin)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Principals whose access changed")).to_be_visible()

    page.goto("/audit/alerts/new/")
    expect(page.get_by_label("Denied calls", exact=True)).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("many denials")
    page.get_by_role("radio", name="Many denied calls").check()
    page.get_by_label("Denied calls", exact=True).fill("7")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="many denials").click()
    expect(page.get_by_label("Denied calls", exact=True)).to_have_value("7")

    page.goto("/audit/sinks/")
    expect(page.locator("main")).to_contain_text("KMSCONSOLE_SINKS names no file")
    page.goto("/audit/compliance/")
    page.get_by_role("link", name="Every key has a tag “owner”").click()
    expect(page.get_by_role("link", name=key)).to_be_visible()
    page.get_by_role("row", name=key).get_by_role("link", name="Create an exception").click()
    page.get_by_label("Reason").fill("moved next week")
    page.get_by_label("Owner").fill("ann")
    page.get_by_label("Expires").fill(f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Create exception").click()
    expect(page.locator("main")).to_contain_text("moved next week")
    page.goto("/audit/compliance/")
    page.get_by_role("button", name="Run and keep results").click()
    page.goto("/audit/compliance/report/")
    expect(page.get_by_role("img", name=re.compile("table")).first).to_be_visible()
    expect(page.locator("main")).to_contain_text("moved next week")

    page.goto("/audit/?operation=UpdateKeyDescription")
    page.locator("svg.chart a").last.click()
    expect(page.get_by_role("link", name="UpdateKeyDescription").first).to_be_visible()
    page.goto("/audit/keys/")
    expect(page.get_by_role("link", name=key[:8]).first).to_be_visible()
