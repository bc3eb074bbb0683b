"""What cannot be taken back asks first and says what it would do; what one may not do is said before it is tried, and nobody is recorded
for looking around."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import open_list, use_region
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COMMON_REGION = "ap-northeast-1"  # of this module alone: only the first keys are named


@pytest.fixture(scope="module")
def used(server: Server) -> str:
    """A key that was used a moment ago."""
    kms = server.client()
    key = str(kms.create_key(Description="bulk used")["KeyMetadata"]["KeyId"])
    kms.create_alias(AliasName="alias/bulk-used", TargetKeyId=key)
    kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.create_key(Description="bulk unused")
    kms.schedule_key_deletion(KeyId=kms.create_key(Description="bulk doomed")["KeyMetadata"]["KeyId"])
    return key


def test_the_deletion_of_many_shows_users_and_asks_as_that_of_one_does(visit: Callable[..., Page], used: str) -> None:
    page = visit()
    open_list(page, "/keys/?q=bulk")
    for box in page.locator("tbody input[name=key]").all():
        box.check()
    page.locator("#bulk").select_option("delete")
    page.get_by_role("button", name="Preview").click()
    row = page.locator("tbody tr", has_text="bulk-used")
    expect(row).to_contain_text("admin")
    expect(row.locator("time")).to_be_visible()
    table = page.locator(".table-wrap")
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0, "what one reads first is cut"
    page.set_viewport_size({"width": 390, "height": 844})
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0, "on a phone too"
    for label in ("Status", "Aliases", "Last used", "Used by", "Expected result"):
        cell = row.locator(f"td[data-label='{label}']")
        assert cell.evaluate("each => getComputedStyle(each, '::before').content") == f'"{label}"'
    refused = table.locator(".pinned .field-error")
    assert refused.evaluate("each => each.scrollWidth - each.parentElement.clientWidth") <= 0
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_label("To confirm").fill("delete 2")
    page.get_by_label("Type the names of the keys that were used in the last 30 days").fill("another")
    page.get_by_role("button", name="Schedule deletion").click()
    expect(page.locator("#id_names-error")).to_contain_text("Not typed: bulk-used")


def test_a_rotation_asks_first_and_is_not_made_by_leaving(
    visit: Callable[..., Page], server: Server, used: str
) -> None:
    page = visit()
    page.goto(f"/keys/{used}/")
    page.get_by_role("link", name="Rotate now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("25")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert server.client().list_key_rotations(KeyId=used)["Rotations"] == []


def test_a_classs_form_names_the_keys_that_would_be_common_property(visit: Callable[..., Page], server: Server) -> None:
    kms = server.client(region=COMMON_REGION)
    kms.create_alias(
        AliasName="alias/of-everybody", TargetKeyId=kms.create_key(Description="common")["KeyMetadata"]["KeyId"]
    )
    page = visit()
    use_region(page, COMMON_REGION)
    page.goto("/classes/new/")
    main = page.locator("main")
    expect(main).to_contain_text("common property")
    expect(main).to_contain_text("of-everybody")
    expect(main).to_contain_text("KeyStudentOwnKeys")
    # Hand-outs would name this address, which leads nobody else here.
    expect(main).to_contain_text(re.compile(r"The address \S+//127\.0\.0\.1:\d+\S* works on this machine alone"))


def test_who_may_only_read_sees_why_and_leaves_no_denial(visit: Callable[..., Page], server: Server, used: str) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="reader-ruth")
    iam.create_login_profile(UserName="reader-ruth", Password="long enough")
    reads = [f"{service}:{begin}*" for service in ("kms", "iam") for begin in ("Describe", "List", "Get")]
    statement = {"Effect": "Allow", "Action": reads, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader-ruth", PolicyName="read", PolicyDocument=document)
    page = visit("reader-ruth", "long enough")
    page.goto(f"/keys/{used}/")
    disable = page.locator("main .page-header").get_by_text("Disable", exact=True)
    expect(disable).to_have_attribute("aria-disabled", "true")
    disable.focus()
    expect(page.locator("main .page-header").get_by_text("not authorized to perform: kms:DisableKey")).to_be_visible()
    # In a table, too, it is whole, and makes the table no wider before it is shown.
    page.goto("/principals/users/reader-ruth/")
    table = page.locator(".table-wrap", has=page.locator(".disabled-reason")).last
    for width, bounds in ((1280, table), (390, page.locator("html"))):
        page.set_viewport_size({"width": width, "height": 800})
        refused = table.locator(".disabled-reason").last
        if width == 1280:
            assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0
        refused.get_by_role("button").focus()
        reason = refused.locator(".why")
        expect(reason).to_contain_text("not authorized to perform: iam:")
        inner, outer = reason.bounding_box(), bounds.bounding_box()
        assert inner is not None
        assert outer is not None
        assert outer["x"] <= inner["x"], width
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"], width
        assert outer["y"] <= inner["y"], width
        assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1, width
    page.set_viewport_size({"width": 1280, "height": 800})
    sides = page.get_by_role("navigation", name="Main").locator(".side-list")
    shown = [str(link.get_attribute("href")) for link in sides.get_by_role("link").all()]
    assert "/keys/" in shown
    for address in (*shown, f"/keys/{used}/tab/policy/", f"/keys/{used}/tab/tags/", f"/keys/{used}/tab/access/"):
        page.goto(address)
    denied = [
        json.loads(each["CloudTrailEvent"])
        for each in server.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "reader-ruth"}]
        )["Events"]
    ]
    assert not [each["eventName"] for each in denied if "errorCode" in each]
