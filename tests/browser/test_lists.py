"""The frame, the lists, the audit and the endpoint pages in a browser: with mouse, with keyboard alone, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.support.accessible import violations
from tests.support.server import Server, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}
KINDS = ("users", "groups", "roles", "policies")
CUT = "[...document.querySelectorAll('.table-wrap')].filter(each => each.scrollWidth > each.clientWidth).length"


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    """A few keys with names of this module's own."""
    kms = server.client()
    made = {}
    for name in ("walnut", "hazel", "almond"):
        made[name] = kms.create_key(Description=f"nut {name}", Tags=[{"TagKey": "nut", "TagValue": name}])[
            "KeyMetadata"
        ]["KeyId"]
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made[name])
    kms.disable_key(KeyId=made["hazel"])
    return made


# What the sweep over the URLconf (test_pages.py) does not come to: the same pages asked something.
ADDRESSES = (
    "/keys/?q=nut&state=Disabled&cols=alias&cols=tags&cols=rotation&cols=public&cols=description&cols=last_used",
    "/keys/?q=nothing-has-this",
    "/audit/?operation=CreateKey&as_of=2025-01-01",
    "/keys/?as_of=2025-01-01",
    "/audit/?start=2030-01-01&end=2029-01-01",
    "/audit/keys/?as_of=2020-01-01",
    "/search/?q=nut",
)


def nothing_wrong(page: Page, what: str) -> None:
    assert not violations(page), what
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{what} is {width} wide"  # type: ignore[index]


def test_what_is_asked_for_is_accessible_and_fits_a_phone(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit(viewport=PHONE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    for address in ADDRESSES:
        page.goto(address)
        nothing_wrong(page, address)
    page.goto("/keys/?q=nut")
    page.locator("details.facet summary").first.click()
    nothing_wrong(page, "an open facet")
    page.keyboard.press("Control+k")
    page.locator("#palette .results a").first.wait_for()
    nothing_wrong(page, "the palette")
    assert not errors


def test_the_pages_of_a_bulk_action_are_accessible(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    page.goto("/keys/?q=nut")
    page.locator("input[name=key]").first.check()
    page.locator("#bulk").select_option("delete")
    page.get_by_role("button", name="Preview").click()
    nothing_wrong(page, "the preview")
    page.get_by_role("button", name="Schedule deletion").click()
    page.goto("/keys/?q=nut")
    page.locator("input[name=key]").first.check()
    page.locator("#bulk").select_option("enable")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("0 left")).to_be_visible()
    nothing_wrong(page, "the job")


def test_the_palette_is_used_with_the_keyboard_alone(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    page.goto("/audit/")
    page.keyboard.press("Control+k")
    page.keyboard.type("walnut")
    expect(page.locator("#palette [data-answers=walnut] .results a").first).to_contain_text("walnut")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#palette .results a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#palette-q")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/keys/{keys['walnut']}/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_enter_before_the_answers_are_there_opens_the_search_page(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    page.route(
        "**/search/?q=hazel",
        lambda route: route.abort() if route.request.headers.get("hx-request") else route.continue_(),
    )
    page.keyboard.press("Control+k")
    page.keyboard.type("hazel")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=hazel")
    expect(page.locator("main .results")).to_contain_text("hazel")


def test_the_first_tab_stop_skips_to_the_content(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/keys/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_focus_can_be_seen_at_every_stop(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    page.goto("/keys/?q=nut")
    seen = 0
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(e => e === document.body ? null : getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth)(document.activeElement)"
        )
        if outline is None:
            break
        assert outline.startswith(("solid", "auto")), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        seen += 1
    assert seen > 30


def test_a_list_is_narrowed_and_the_back_button_widens_it_again(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    page.goto("/keys/")
    page.get_by_label("Filter by alias").fill("nut")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.wait_for_url("**q=nut**")
    page.locator("details.facet", has_text="Status").locator("summary").click()
    page.get_by_role("link", name="Disabled").click()
    page.wait_for_url("**state=Disabled**")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("hazel")
    page.go_back()
    page.wait_for_url("**q=nut")
    expect(page.locator("tbody")).to_contain_text("walnut")
    page.reload()
    expect(page.get_by_label("Filter by alias")).to_have_value("nut")


def test_nothing_jumps_while_a_page_loads_and_a_list_is_narrowed(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value; })"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    for address in ("/", "/keys/?q=nut", "/audit/", "/settings/endpoints/new/"):
        page.goto(address)
        page.wait_for_timeout(300)
        assert page.evaluate("window.shift") < 0.01, address
    page.goto("/keys/?q=nut")
    page.evaluate("document.querySelector('thead a').click()")  # not an input: whatever moves counts
    page.wait_for_url("**sort=**")
    page.wait_for_timeout(300)
    assert page.evaluate("window.shift") < 0.05


def test_times_are_in_the_browsers_zone(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit(timezone_id="Asia/Tokyo")
    page.goto("/audit/")
    expect(page.locator(".foot-zone")).to_contain_text("Asia/Tokyo")


def test_every_page_works_without_javascript(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit(java_script_enabled=False)
    for address in ADDRESSES:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status in (200, 404, 405, 422), address
        assert page.locator("h1").count() == 1, address
    page.goto("/keys/")
    page.get_by_label("Filter by alias").fill("walnut")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("input[name=key]").check()
    page.locator("#bulk").select_option("tag")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Tag key").fill("shell")
    page.get_by_role("button", name="Add a tag").click()
    expect(page.get_by_text("1 done, 0 refused, 0 left.")).to_be_visible()
    page.goto("/keys/")
    page.locator("#region").select_option("eu-west-1")
    page.get_by_role("button", name="Go").click()
    expect(page.locator("#region")).to_have_value("eu-west-1")
    page.locator("#region").select_option("us-east-1")
    page.get_by_role("button", name="Go").click()
    page.locator("#theme").select_option("dark")
    page.get_by_role("button", name="Set").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_an_endpoint_is_connected_tested_and_left_again(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/settings/endpoints/")
    page.get_by_role("link", name="Connect another endpoint").click()
    page.get_by_role("textbox", name="Name").fill("nowhere")
    page.get_by_role("textbox", name="Address").fill(f"http://127.0.0.1:{free_port()}")
    page.get_by_label("Access key ID").fill("AKIANOWHERE")
    page.get_by_label("Secret access key").fill("not a secret")
    page.get_by_role("button", name="Connect and test").click()
    expect(page.get_by_text("The connection is refused")).to_be_visible()
    nothing_wrong(page, "a connection")
    page.get_by_role("button", name="Save anyway").click()
    page.get_by_role("button", name="Use this endpoint").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The connection is refused")
    page.locator(".endpoint-menu summary").click()
    page.get_by_role("button", name="Embedded").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.goto("/settings/endpoints/")
    page.get_by_role("link", name="nowhere").click()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("is forgotten")).to_be_visible()


def test_the_audit_pages_print_without_the_frame(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    for address in ("/audit/", "/audit/keys/", f"/keys/{keys['walnut']}/tab/policy/"):
        page.goto(address)
        page.emulate_media(media="print")
        for hidden in (".top", ".side", ".foot"):
            expect(page.locator(hidden).first).to_be_hidden()
        expect(page.locator(".print-only").first).to_contain_text("111122223333")
        page.emulate_media(media="screen")


def test_a_phone_shows_states_and_outcomes_without_scrolling_sideways_and_folds_the_filters(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page, desk = visit(viewport=PHONE), visit()
    now = datetime.now(UTC).isoformat().replace("+", "%2B")
    for address in ("/keys/", "/audit/", f"/keys/?as_of={now}"):
        page.goto(address)
        place = page.locator("tbody .pinned").first.bounding_box()
        assert place is not None
        assert place["x"] + place["width"] <= PHONE["width"], address
        field = page.locator(".filters input:not([type=hidden])").first
        expect(field).not_to_be_visible()
        page.locator(".filters > summary").click()
        expect(field).to_be_visible()
        nothing_wrong(page, address)
        desk.goto(address)
        expect(desk.locator(".filters > summary")).not_to_be_visible()
        expect(desk.locator(".filters input:not([type=hidden])").first).to_be_visible()
        assert not desk.evaluate(CUT), address
        nothing_wrong(desk, address)


TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}'
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}'


def test_no_list_is_cut_at_1280_pixels_by_the_longest_names(visit: Callable[..., Page], server: Server) -> None:
    kms, iam = server.client(), server.client("iam")
    for spec, usage in (("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"), ("HMAC_512", "GENERATE_VERIFY_MAC")):
        key_id = kms.create_key(KeySpec=spec, KeyUsage=usage, MultiRegion=True, Description="d" * 8192)["KeyMetadata"][
            "KeyId"
        ]
        kms.create_alias(AliasName="alias/" + f"{spec}/".ljust(250, "a"), TargetKeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=30)
    iam.create_user(UserName="U" * 64)
    iam.create_group(GroupName="G" * 128)
    iam.create_role(RoleName="R" * 64, AssumeRolePolicyDocument=TRUST, Description="r" * 1000)
    iam.create_policy(PolicyName="P" * 128, PolicyDocument=ALLOW, Description="p" * 1000)
    now = datetime.now(UTC).isoformat().replace("+", "%2B")
    page = visit()
    for address in ("/keys/", "/audit/", "/audit/keys/", *(f"/principals/{kind}/" for kind in KINDS)):
        for moment in ("", f"?as_of={now}"):
            page.goto(address + moment)
            assert not page.evaluate(CUT), address + moment


def test_ticks_stay_while_one_pages_and_narrows_and_go_with_the_action(
    visit: Callable[..., Page], server: Server, keys: dict[str, str]
) -> None:
    kms = server.client()
    for _ in range(26):
        kms.create_key(Description="ticked")
    page = visit()
    page.goto("/keys/?q=ticked&size=25&sort=key_id")
    page.locator("tbody input[name=key]").nth(3).check()
    page.locator("tbody input[name=key]").nth(4).check()
    page.locator("#page-next").click()
    page.wait_for_url("**page=2**")
    expect(page.locator("[data-ticked]")).to_have_text(
        "(2 of them on other pages)"
    )  # the address changes before the rows
    page.locator("tbody input[name=key]").first.check()
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    expect(page.locator("[data-ticked]")).to_have_text("(2 of them on other pages)")
    page.locator("#page-previous").click()
    page.wait_for_url("**page=1**")
    expect(page.locator("tbody input[name=key]:checked")).to_have_count(2)
    page.goto("/keys/?q=hazel")
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    page.locator("#bulk").select_option("disable")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("3 keys will do it.")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Clear ticks").click()
    expect(page.locator("[data-selected]")).to_have_text("")
    page.reload()
    expect(page.locator("input[name=key]:checked, input[data-other-page]")).to_have_count(0)
    page.locator("tbody input[name=key]").first.check()
    page.locator("#bulk").select_option("disable")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("0 left")).to_be_visible()
    page.goto("/keys/?q=hazel")
    expect(page.locator("input[name=key]:checked")).to_have_count(0)
