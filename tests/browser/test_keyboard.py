"""The console by keyboard alone: whatever is done with a mouse is done with Tab, arrows, Space and Enter, and focus is always somewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.pages import open_list, until
from tests.support.server import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOCUS = """(at => at === document.body ? '' : getComputedStyle(at).outlineStyle)(document.activeElement)"""


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    """Keys with names of this module's own: more than one page of a list."""
    kms = server.client()
    made = {}
    for number in range(27):
        name = f"oak{number:02}"
        made[name] = kms.create_key(Description=f"tree {name}")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made[name])
    kms.disable_key(KeyId=made["oak01"])
    return made


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, server: Server, keys: dict[str, str]) -> Iterator[Page]:
    """A page on which nothing but the keyboard has been used, signing in included."""
    context = chromium.new_context(base_url=server.url, viewport={"width": 1280, "height": 800})
    context.add_init_script("window.swaps = 0; addEventListener('htmx:afterSettle', () => { window.swaps += 1; });")
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)
    yield page
    context.close()


@pytest.fixture
def page(signed_in: Page) -> Page:
    signed_in.bring_to_front()
    return signed_in


def content(page: Page, address: str) -> None:
    """Open an address and skip to its content."""
    open_list(page, address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def tab_to(page: Page, wanted: Locator, most: int = 60, key: str = "Tab") -> None:
    """Press Tab until `wanted` has the focus. Every stop on the way shows that it has it."""
    expect(wanted).to_have_count(1)
    handle = wanted.element_handle()
    for _ in range(most):
        page.keyboard.press(key)
        assert page.evaluate(FOCUS) in ("solid", "auto"), page.evaluate(
            "document.activeElement.outerHTML.slice(0, 200)"
        )
        if page.evaluate("wanted => wanted === document.activeElement", handle):
            return
    raise AssertionError(f"{wanted} is not reached by {most} times Tab")


def back_to(page: Page, wanted: Locator) -> None:
    tab_to(page, wanted, key="Shift+Tab")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def swapped(page: Page, times: int = 1) -> None:
    """Wait until the page has taken in what came; a key that is pressed while it does would be a step of another test."""
    until(page, "times => window.swaps >= times", times)


def test_a_refused_sign_in_goes_on_at_the_password(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/principals/sign-in/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type("not it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    context.close()


def test_the_palette_gives_the_focus_back(page: Page) -> None:
    content(page, "/keys/?q=tree")
    tab_to(page, page.locator("#facet-state"))
    page.keyboard.press("Control+k")
    page.keyboard.type("oak05")
    expect(page.locator("#palette [data-answers=oak05] .results a").first).to_contain_text("oak05")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.locator("#facet-state")).to_be_focused()


def test_a_facet_is_chosen_and_taken_away_without_losing_the_place(page: Page) -> None:
    content(page, "/keys/?q=tree")
    press(page, page.locator("#facet-state"))
    press(page, page.locator("details[open]").get_by_role("link", name="Disabled"))
    page.wait_for_url("**state=Disabled**")
    swapped(page)
    expect(page.locator("#facet-state")).to_be_focused()
    expect(page.locator("tbody tr")).to_have_count(1)
    press(page, page.locator(".chip-remove", has_text="Disabled"))
    page.wait_for_url(lambda url: "state" not in url)
    expect(page.locator("#facet-state")).to_be_focused()


def test_a_list_that_is_sorted_or_turned_keeps_the_focus_on_what_did_it(page: Page) -> None:
    content(page, "/keys/?q=tree&size=25")
    press(page, page.locator("#sort-alias"))
    page.wait_for_url("**sort=alias**")
    swapped(page)
    expect(page.locator("#sort-alias")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=-alias**")
    swapped(page, 2)
    expect(page.locator("#sort-alias")).to_be_focused()
    tab_to(page, page.locator("#page-next"), most=120)
    page.keyboard.press("Enter")
    page.wait_for_url("**page=2**")
    expect(page.locator("#page-previous")).to_be_focused()


def test_columns_are_chosen_with_space_and_applied(page: Page) -> None:
    content(page, "/keys/?q=tree")
    press(page, page.locator("#columns"))
    press(page, page.locator("details[open] input[value=origin]"), "Space")
    press(page, page.get_by_role("button", name="Apply"))
    expect(page.locator("#sort-origin")).to_be_visible()
    expect(page.locator("#columns")).to_be_focused()


def test_a_menu_closes_by_escape_and_when_focus_goes_on(page: Page) -> None:
    content(page, "/keys/?q=tree")
    press(page, page.locator("#facet-state"))
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("#facet-state")).to_be_focused()
    expect(page.locator("details.facet[open]")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("details.facet[open]")).to_have_count(1)
    tab_to(page, page.locator("details.facet summary").nth(1))
    expect(page.locator("details.facet[open]")).to_have_count(0)


def test_a_key_is_selected_with_space_and_disabled(page: Page, server: Server, keys: dict[str, str]) -> None:
    content(page, "/keys/?q=oak02")
    press(page, page.locator("input[name=key]"), "Space")
    expect(page.locator("[data-selected]")).to_have_text("1 selected")
    back_to(page, page.locator("#bulk"))
    page.keyboard.type("Disa")
    press(page, page.get_by_role("button", name="Preview"))
    page.get_by_role("heading", name="Disable").wait_for()
    page.keyboard.press("Tab")
    press(page, page.get_by_role("button", name="Disable: 1 key"))
    expect(page.get_by_text("1 done, 0 refused, 0 left.")).to_be_visible()
    assert server.client().describe_key(KeyId=keys["oak02"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_disabling_a_key_asks_in_a_dialog_that_escape_leaves(page: Page, server: Server, keys: dict[str, str]) -> None:
    def state() -> str:
        return str(server.client().describe_key(KeyId=keys["oak05"])["KeyMetadata"]["KeyState"])

    content(page, f"/keys/{keys['oak05']}/")
    link, dialog = page.get_by_role("link", name="Disable", exact=True), page.get_by_role("dialog", name="Disable key")
    press(page, link)
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()  # Enter, held down, says no
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    for _ in range(8):  # Tab stays in front
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    assert state() == "Enabled"
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The key is disabled.")
    assert state() == "Disabled"


def test_where_the_dialog_cannot_be_fetched_its_page_asks(page: Page, keys: dict[str, str]) -> None:
    content(page, f"/keys/{keys['oak06']}/")
    page.route(
        "**/do/disable/", lambda route: route.abort() if route.request.resource_type == "fetch" else route.continue_()
    )
    press(page, page.get_by_role("link", name="Disable", exact=True))
    page.wait_for_url("**/do/disable/")
    expect(page.get_by_role("heading", level=1, name="Disable key")).to_be_visible()
    page.unroute("**/do/disable/")


def test_the_tabs_of_a_key_are_walked_from_one_to_the_next(page: Page, keys: dict[str, str]) -> None:
    content(page, f"/keys/{keys['oak03']}/")
    for turn, slug in enumerate(("aliases", "tags", "use"), 1):
        press(page, page.locator(f"#tab-{slug}"))
        page.wait_for_url(f"**/tab/{slug}/")
        swapped(page, turn)
        expect(page.locator(f"#tab-{slug}")).to_be_focused()
        expect(page.locator(f"#tab-{slug}")).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(page.locator("#tab-tags")).to_have_attribute("aria-current", "page")


def test_what_is_refused_now_says_why_to_whoever_comes_to_it(page: Page, keys: dict[str, str]) -> None:
    content(page, f"/keys/{keys['oak01']}/")
    rotate = page.get_by_role("button", name="Rotate now")
    why = page.locator(f"[id='{rotate.get_attribute('aria-describedby')}']")
    expect(why).to_be_hidden()
    tab_to(page, rotate)
    expect(why).to_be_visible()
    expect(rotate).to_have_accessible_description(f"DisabledException: {arn(page)} is disabled.")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{page.url}")


def arn(page: Page) -> str:
    return page.locator(".facts dd", has_text="arn:aws:kms").locator("code").first.inner_text()


def search_principals(page: Page, name: str) -> None:
    """The step shows the first of them, which are more than one goes through by Tab."""
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(name)
    press(page, page.get_by_role("button", name="Search", exact=True))


def test_a_key_is_made_from_the_first_step_to_finish(page: Page) -> None:
    content(page, "/keys/new/")
    tab_to(page, page.get_by_label("Symmetric", exact=False).first)
    page.keyboard.press("Enter")  # what is chosen already will do
    page.wait_for_url("**/labels/**")
    expect(page.get_by_label("Alias", exact=True)).to_be_focused()
    page.keyboard.type("made-by-keys")
    press(page, page.get_by_role("button", name="Add tag"))
    expect(page.get_by_label("Tag key 2")).to_be_focused()
    press(page, page.get_by_role("button", name="Remove tag 2"))
    expect(page.get_by_label("Tag key 2")).to_have_count(0)
    expect(page.locator("#tag-more")).to_be_focused()
    press(page, page.get_by_role("button", name="Next"))
    page.wait_for_url("**/administrators/**")
    search_principals(page, "admin")
    press(page, page.get_by_label("admin (user)"), "Space")
    press(page, page.get_by_role("button", name="Next"))
    page.wait_for_url("**/users/**")
    search_principals(page, "admin")
    press(page, page.get_by_role("button", name="Next"))
    page.wait_for_url("**/policy/**")
    press(page, page.get_by_role("button", name="Next"))
    page.wait_for_url("**/review/**")
    press(page, page.get_by_role("button", name="Finish"))
    expect(page.get_by_role("status").first).to_contain_text("made-by-keys")


def test_a_step_that_is_refused_goes_on_at_the_field_that_is_wrong(page: Page) -> None:
    content(page, "/keys/new/")
    press(page, page.get_by_label("Symmetric", exact=False).first)
    page.wait_for_url("**/labels/**")
    expect(page.get_by_label("Alias", exact=True)).to_be_focused()
    page.keyboard.type("not an alias")
    page.keyboard.press("Enter")
    expect(page.locator("#id_alias-error")).to_be_visible()
    expect(page.get_by_label("Alias", exact=True)).to_be_focused()
    expect(page.get_by_label("Alias", exact=True)).to_have_value("not an alias")


def test_a_used_keys_deletion_is_confirmed_by_typing_its_name(page: Page, server: Server, keys: dict[str, str]) -> None:
    server.client().encrypt(KeyId=keys["oak04"], Plaintext=b"x")
    content(page, f"/keys/{keys['oak04']}/")
    press(page, page.get_by_role("link", name="Schedule deletion"))
    page.wait_for_url("**/do/delete/")
    press(page, page.locator("#id_confirmed"), "Space")
    tab_to(page, page.locator("#id_typed"))
    page.keyboard.type("oak04")
    press(page, page.get_by_role("button", name="Schedule key deletion"))
    page.get_by_text("will be destroyed on").wait_for()
    assert server.client().describe_key(KeyId=keys["oak04"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_call_that_is_asked_for_is_where_the_page_goes_on(page: Page, keys: dict[str, str]) -> None:
    content(page, f"/keys/{keys['oak06']}/do/describe/")
    press(page, page.get_by_role("button", name="Show the call"))
    page.get_by_text("aws kms update-key-description").wait_for()
    expect(page.locator(".call summary")).to_be_focused()


def test_an_answer_of_the_playground_is_where_the_page_goes_on(page: Page) -> None:
    content(page, "/play/generate-random/")
    tab_to(page, page.get_by_role("textbox").or_(page.get_by_role("spinbutton")).first)
    page.keyboard.press("Enter")
    expect(page.locator("#blob-Plaintext")).to_be_visible()
    expect(page.locator("#result")).to_be_focused()


def test_an_identifier_is_copied_also_where_browsers_have_no_clipboard(page: Page, keys: dict[str, str]) -> None:
    content(page, f"/keys/{keys['oak07']}/")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    button = page.get_by_role("button", name=f"Copy {keys['oak07']}", exact=True)
    press(page, button)
    until(page, "id => window.copied === id", keys["oak07"])
    expect(button).to_be_focused()


def test_the_region_changes_when_it_is_chosen_not_at_every_arrow(page: Page) -> None:
    open_list(page, "/keys/")
    tab_to(page, page.locator("#region"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#region").input_value()
    assert chosen == "us-west-1"
    expect(page.get_by_role("button", name="Go", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Go", exact=True)).to_be_hidden()
    expect(page.locator("#region")).to_have_value(chosen)
    expect(page.locator("#region")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    press(page, page.get_by_role("button", name="Go", exact=True))
    expect(page.get_by_role("button", name="Go", exact=True)).to_be_hidden()
    expect(page.locator("#region")).to_have_value("us-east-1")


def test_the_theme_changes_on_the_list_as_it_is_narrowed_now(page: Page) -> None:
    content(page, "/keys/?q=tree")
    press(page, page.locator("#facet-state"))
    press(page, page.locator("details[open]").get_by_role("link", name="Disabled"))
    page.wait_for_url("**state=Disabled**")
    swapped(page)
    for keys, theme in (("ArrowDown", "light"), ("ArrowUp", "system")):
        page.locator("#theme").focus()
        page.keyboard.press(keys)
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator("#theme")).to_be_focused()
        assert "state=Disabled" in page.url
