"""The frame, the lists, the audit and the endpoint pages in a browser: with mouse, with keyboard alone, and without JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect

from tests.support.accessible import violations
from tests.support.long_form import LONG
from tests.support.pages import open_list, use_region
from tests.support.server import Server, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}


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
    grower, iam = "G" * 64, server.client("iam")  # the longest name of a user, in one word
    iam.create_user(UserName=grower)
    allow = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    iam.put_user_policy(UserName=grower, PolicyName="grows", PolicyDocument=json.dumps({"Statement": [allow]}))
    own = iam.create_access_key(UserName=grower)["AccessKey"]
    server.client(access_key_id=own["AccessKeyId"], secret_access_key=own["SecretAccessKey"]).create_key()
    return made


WIDE_REGION = "eu-central-1"  # of these tests alone
MANY_VALUES_REGION = "eu-north-1"


@pytest.fixture(scope="module")
def widest(server: Server) -> Iterator[None]:
    """What is legal and as wide as it gets: the longest names, without a space, the longest specs, a date of deletion, two aliases."""
    kms, iam = server.client(region=WIDE_REGION), server.client("iam")
    for number, (spec, usage) in enumerate(
        (("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"), ("ECC_NIST_P256", "KEY_AGREEMENT"), ("RSA_2048", "ENCRYPT_DECRYPT"))
    ):
        key = kms.create_key(
            KeySpec=spec,
            KeyUsage=usage,
            MultiRegion=number == 2,
            Description="W" * 8192,
            Tags=[{"TagKey": "W" * 128, "TagValue": "W" * 256}],
        )["KeyMetadata"]["KeyId"]
        for alias in ("a", "b"):
            kms.create_alias(AliasName=f"alias/{number}{alias}{'W' * 240}", TargetKeyId=key)
        if number == 2:  # the longest state: the primary key waits for its replica
            kms.replicate_key(KeyId=key, ReplicaRegion="eu-south-1")
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    path, name, group = "/" + "w" * 400 + "/", "W" * 64, "W" * 128
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    role = iam.create_role(
        RoleName=name, Path=path, Description="W" * 1000, AssumeRolePolicyDocument=json.dumps({"Statement": trust})
    )["Role"]
    iam.create_user(UserName=name, Path=path)
    iam.create_group(GroupName=group, Path=path)
    policy = iam.create_policy(
        PolicyName=group,
        Path=path,
        Description="W" * 1000,
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
        ),
    )["Policy"]["Arn"]
    session = server.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName=name)["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        server.client(
            region=WIDE_REGION,
            access_key_id=session["AccessKeyId"],
            secret_access_key=session["SecretAccessKey"],
            session_token=session["SessionToken"],
        ).generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="RSA_2048")
    yield
    iam.delete_policy(PolicyArn=policy)
    iam.delete_group(GroupName=group)
    iam.delete_user(UserName=name)
    iam.delete_role(RoleName=name)


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


def nothing_wrong(page: Page, what: str, *, colours: bool = True) -> None:
    assert not violations(page, colours=colours), what
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{what} is {width} wide"  # type: ignore[index]


def test_what_is_asked_for_is_accessible_and_fits_a_phone(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit(viewport=PHONE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for address in ADDRESSES:
        page.goto(address)
        nothing_wrong(page, address, colours=LONG)  # those of the same page asked nothing: test_pages.py
    open_list(page, "/keys/?q=nut")
    page.locator("details.facet summary").first.click()
    nothing_wrong(page, "an open facet")
    page.keyboard.press("Control+k")
    page.locator("#palette .results a").first.wait_for()
    nothing_wrong(page, "the palette")
    assert not errors


def test_the_pages_of_a_bulk_action_are_accessible(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    open_list(page, "/keys/?q=nut")
    page.locator("input[name=key]").first.check()
    page.locator("#bulk").select_option("delete")
    page.get_by_role("button", name="Preview").click()
    nothing_wrong(page, "the preview")
    page.get_by_role("button", name="Schedule deletion").click()
    open_list(page, "/keys/?q=nut")
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
    open_list(page, "/keys/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_focus_can_be_seen_at_every_stop(visit: Callable[..., Page], keys: dict[str, str]) -> None:
    page = visit()
    open_list(page, "/keys/?q=nut")
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
    open_list(page, "/keys/")
    page.get_by_label("Filter by alias").fill("nut")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.wait_for_url("**q=nut**")
    page.locator("details.facet", has_text="Status").locator("summary").click()
    page.get_by_role("link", name="Disabled").click()
    page.wait_for_url("**state=Disabled**")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("hazel")
    expect(page.locator("h1 .count")).to_have_text(re.compile(r"^\(1 of \d+\)$"))  # as the rows are now
    page.go_back()
    page.wait_for_url("**q=nut")
    expect(page.locator("h1 .count")).to_have_text(re.compile(r"^\(3\b"))
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
    open_list(page, "/keys/")  # one that is still being read comes anew
    for address in ("/", "/keys/?q=nut", "/audit/", "/settings/endpoints/new/"):
        page.goto(address)
        page.wait_for_timeout(300)
        assert page.evaluate("window.shift") < 0.01, address
    open_list(page, "/keys/?q=nut")
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
    open_list(page, "/keys/")
    page.get_by_label("Filter by alias").fill("walnut")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("input[name=key]").check()
    page.locator("#bulk").select_option("tag")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Tag key").fill("shell")
    page.get_by_role("button", name="Add a tag").click()
    expect(page.get_by_text("1 done, 0 refused, 0 left.")).to_be_visible()
    open_list(page, "/keys/")
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
    expect(page.locator("#id_url-error")).to_be_visible()
    nothing_wrong(page, "a connection")
    page.get_by_role("button", name="Save anyway").click()
    page.get_by_role("button", name="Use this endpoint").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The connection is refused")
    page.locator(".endpoint-menu summary").click()
    page.get_by_role("button", name="Embedded").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.goto("/settings/endpoints/")
    page.get_by_role("link", name="nowhere").click()
    page.get_by_role("link", name="Forget").click()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("were removed")).to_be_visible()


PAPER = {"width": 718, "height": 1040}  # what a sheet of A4 has between Chromium's margins
BROKEN = """() => {
  const broken = [];
  for (const head of document.querySelectorAll("main thead th")) {
    const texts = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/\\w+/g)) {
        const range = new Range();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        if (range.getClientRects().length > 1) broken.push(word[0]);
      }
    }
  }
  return [...broken, ...(document.documentElement.scrollWidth > innerWidth ? ["wider than the sheet"] : [])];
}"""


def test_paper_has_no_frame_but_whole_ids_the_filter_and_the_accounts_time(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    page.set_viewport_size(PAPER)
    written = "each => getComputedStyle(each, '::after').content"
    for address in (
        "/audit/?operation=CreateKey",
        "/audit/keys/",
        f"/keys/{keys['walnut']}/tab/access/",
        f"/keys/{keys['walnut']}/tab/policy/",
        "/audit/compliance/",
        "/keys/?q=nut",
    ):
        page.goto(address)
        page.emulate_media(media="print")
        assert page.evaluate(BROKEN) == [], address
        for hidden in (".top", ".side", ".foot", "main .toolbar", "main .list-tools", "main .button", "main select"):
            if page.locator(hidden).count():
                expect(page.locator(hidden).first).to_be_hidden()
        head = page.locator(".print-only").first
        expect(head).to_contain_text("111122223333")
        expect(head).to_contain_text(f"{datetime.now(UTC):%Y-%m-%d}")
        for abbreviated in page.locator("main .abbreviated").all()[:3]:
            assert str(abbreviated.get_attribute("title")) in abbreviated.evaluate(written), address
        page.emulate_media(media="screen")
    expect(head).to_contain_text("Filter: q = nut")
    open_list(page, "/keys/?q=nut&print=all")
    expect(page.locator("main")).to_contain_text("The list is whole: 3 rows.")


def test_paper_holds_the_longest_names_and_states(visit: Callable[..., Page], server: Server, widest: None) -> None:
    page = visit()
    page.set_viewport_size(PAPER)
    use_region(page, WIDE_REGION)
    for address in ("/keys/", "/audit/keys/", "/audit/", "/keys/?as_of=2030-01-01"):
        page.goto(address)
        page.emulate_media(media="print")
        assert page.evaluate(BROKEN) == [], address
        page.emulate_media(media="screen")


def test_a_facet_leads_to_more_values_which_are_searched(visit: Callable[..., Page], server: Server) -> None:
    tags = [{"TagKey": f"fruit {number:02}", "TagValue": "ripe"} for number in range(20)]
    server.client(region=MANY_VALUES_REGION).create_key(Tags=tags)
    page = visit()
    use_region(page, MANY_VALUES_REGION)
    open_list(page, "/keys/")
    page.locator("#facet-tag").click()
    expect(page.locator(".facet[open]").get_by_role("link", name="fruit 00=ripe")).to_be_visible()
    expect(page.locator(".facet[open]").get_by_role("link", name="fruit 19=ripe")).to_have_count(0)
    page.get_by_role("link", name="More… Tag").click()
    page.get_by_role("searchbox", name="Search the values").fill("fruit 1")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_role("link", name="fruit 19=ripe").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_phone_shows_states_and_outcomes_without_scrolling_sideways_and_folds_the_filters(
    visit: Callable[..., Page], server: Server, keys: dict[str, str]
) -> None:
    page = visit(viewport=PHONE)
    with pytest.raises(ClientError, match="NotFoundException"):
        server.client().describe_key(KeyId="alias/none")
    now = datetime.now(UTC).isoformat().replace("+", "%2B")
    for address in ("/keys/", "/audit/", f"/keys/?as_of={now}"):
        page.goto(address)
        place = page.locator("tbody .pinned").first.bounding_box()
        assert place is not None
        assert place["x"] + place["width"] <= PHONE["width"], address
        named = page.locator("tbody tr:has(.pinned) th[scope=row]").first.bounding_box()
        assert named is not None
        if address == "/audit/":  # whose outcomes may be long error codes: they are not over the name
            assert named["x"] + named["width"] <= place["x"] + 1, address
        field = page.locator(".filters input:not([type=hidden])").first
        expect(field).not_to_be_visible()
        page.locator(".filters > summary").click()
        expect(field).to_be_visible()
        nothing_wrong(page, address, colours=LONG)


def test_no_list_is_cut_on_a_desk_or_wider_than_a_phone_whatever_names_there_are(
    visit: Callable[..., Page], widest: None
) -> None:
    page = visit()
    use_region(page, WIDE_REGION)
    now = datetime.now(UTC).isoformat().replace("+", "%2B")
    lists = ["/keys/", "/keys/?cols=alias&cols=tags&cols=description&cols=rotation", "/audit/keys/", "/audit/"]
    lists += [f"/principals/{each}/" for each in ("users", "roles", "groups", "policies")]
    cut = "[...document.querySelectorAll('.table-wrap')].map(each => each.scrollWidth - each.clientWidth)"
    states = """[...document.querySelectorAll('.table .pinned .badge')].map(each =>
      each.getBoundingClientRect().right - each.closest('.table-wrap').getBoundingClientRect().right)"""
    for address in [*lists, *(f"{each}{'&' if '?' in each else '?'}as_of={now}" for each in lists)]:
        page.goto(address)
        for folded in page.locator(".filters > summary").all():
            expect(folded).not_to_be_visible()
        assert page.locator("main").get_by_text("WWWWWWWW").count(), address
        assert not any(page.evaluate(cut)), address
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
            assert all(beyond <= 0 for beyond in page.evaluate(states)), address


@pytest.mark.parametrize("scripts", [True, False])
def test_a_pickers_search_keeps_what_is_typed_beside_it_and_enter_in_it_encrypts_nothing(
    visit: Callable[..., Page], keys: dict[str, str], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts)
    page.goto("/play/encrypt/")
    page.locator("#id_Plaintext").fill("not to be lost")
    page.locator("#find").fill("almond")
    page.locator("#find").press("Enter")
    picker = page.locator("#id_KeyId")
    expect(picker.locator(f"option[value='{keys['almond']}']")).to_have_count(1)
    expect(picker.locator(f"option[value='{keys['hazel']}']")).to_have_count(0)
    if not scripts:  # without them, what was chosen before the search is sent with it, and stays
        picker.select_option(keys["almond"])
    expect(picker).to_have_value(keys["almond"])
    expect(page.locator("#id_Plaintext")).to_have_value("not to be lost")
    expect(page.locator("#blob-CiphertextBlob")).to_have_count(0)
    page.locator("#id_Plaintext").press("Control+End")
    page.locator("#play-form").get_by_role("button", name="Encrypt", exact=True).click()
    expect(page.locator("#blob-CiphertextBlob")).to_have_count(1)


def test_ticks_stay_while_one_pages_and_narrows_and_go_with_the_action(
    visit: Callable[..., Page], server: Server, keys: dict[str, str]
) -> None:
    kms = server.client()
    for _ in range(26):
        kms.create_key(Description="ticked")
    page = visit()
    open_list(page, "/keys/?q=ticked&size=25&sort=key_id")
    expect(page.locator("h1 .count")).to_have_text(re.compile(r"^\(26\b"))  # all are read: no page comes by itself
    page.locator("tbody input[name=key]").nth(3).check()
    page.locator("tbody input[name=key]").nth(4).check()
    page.locator("#page-next").click()
    page.wait_for_url("**page=2**")
    page.locator("tbody input[name=key]").first.check()
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    expect(page.locator("[data-ticked]")).to_have_text("(2 of them on other pages)")
    page.locator("#page-previous").click()
    page.wait_for_url("**page=1**")
    expect(page.locator("tbody input[name=key]:checked")).to_have_count(2)
    open_list(page, "/keys/?q=hazel")
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
    page.wait_for_load_state()  # what forgets the ticks is a script
    open_list(page, "/keys/?q=hazel")
    expect(page.locator("input[name=key]:checked")).to_have_count(0)


def test_what_is_ticked_before_the_script_or_right_after_the_list_is_another_stays_ticked(
    visit: Callable[..., Page], keys: dict[str, str]
) -> None:
    page = visit()
    page.add_init_script(  # what one may do before the scripts run, and in the very moment another list is there
        "let first = true; new MutationObserver((_, observer) => { const box = document.querySelector('tbody input[name=key]');"
        "if (box && first) { first = false; box.click(); } }).observe(document, {childList: true, subtree: true});"
    )
    open_list(page, "/keys/?q=nut&sort=key_id")
    expect(page.locator("[data-selected]")).to_have_text("1 selected")
    page.evaluate(
        "document.addEventListener('htmx:afterSwap', () => document.querySelectorAll('tbody input[name=key]')[1].click(), {once: true})"
    )
    page.locator("thead a#sort-key_id").click()
    expect(page.locator("[data-selected]")).to_have_text("2 selected")
    page.get_by_role("button", name="Clear ticks").click()
