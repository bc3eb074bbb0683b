"""The playground over the table of key specs and operations: whichever key is chosen, the first press works, and its answer goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.kms.specs import SPECS
from keys.wizard import forms as wizard_forms
from playground.table import OPERATIONS
from tests.support.long_form import covering
from tests.support.pages import use_region
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PRESS_REGION = "ca-central-1"  # of this module alone: a picker offers only so many keys
TYPED = "a message"

# Key usage → what is pressed with each key of it, and then, with what came of it, on the pages that its answer leads to.
PRESSES: dict[str, tuple[tuple[str, ...], ...]] = {
    "ENCRYPT_DECRYPT": (("encrypt", "decrypt"), ("encrypt", "re-encrypt", "decrypt")),
    "SIGN_VERIFY": (("sign", "verify"),),
    "GENERATE_VERIFY_MAC": (("generate-mac", "verify-mac"),),
    "KEY_AGREEMENT": (("get-public-key", "derive-shared-secret"),),
    "ENCAPSULATE_DECAPSULATE": (("encapsulate", "decapsulate"),),
}
# Of symmetric encryption keys alone, and of asymmetric keys of any usage.
SYMMETRIC = tuple((slug, "decrypt") for slug, play in OPERATIONS.items() if play.symmetric_only)
ASYMMETRIC = (("get-public-key",),)
WITHOUT_A_KEY = ("generate-random", "encrypt")


def presses(spec: str, usage: str) -> tuple[tuple[str, ...], ...]:
    if spec == "SYMMETRIC_DEFAULT":
        return (*PRESSES[usage], *SYMMETRIC)
    return (*PRESSES[usage], *(ASYMMETRIC if not spec.startswith("HMAC_") else ()))


TABLE = [
    (spec, usage, slugs)
    for kind, usages in wizard_forms.USAGES.items()
    for usage in usages
    for spec in wizard_forms.specs_for(kind, usage, PRESS_REGION)
    if not SPECS[spec].lacking  # the library that is installed has its algorithm
    for slugs in presses(spec, usage)
]


def test_every_operation_is_pressed() -> None:
    assert {slug for _spec, _usage, slugs in TABLE for slug in slugs} | set(WITHOUT_A_KEY) == set(OPERATIONS)


def press(page: Page, slug: str) -> None:
    page.locator("#play-form").get_by_role("button", name=str(OPERATIONS[slug].title), exact=True).click()
    outcome = page.locator("#outcome")
    expect(outcome.locator("[data-encoding=base64], .callout").first).to_be_visible()
    assert outcome.locator(".callout-error").all_inner_texts() == [], page.url


def test_the_first_press_works_with_each_key_that_is_chosen(visit: Callable[..., Page], server: Server) -> None:
    """Each operation, each way on and each family of specs; all specs with all operations by `make walks`."""
    cases = covering(TABLE, lambda case: case[2], lambda case: (case[0].rpartition("_")[0], case[1]))
    kms, keys = server.client(region=PRESS_REGION), {}
    page = visit()
    use_region(page, PRESS_REGION)
    for spec, usage, slugs in cases:
        if (spec, usage) not in keys:
            keys[spec, usage] = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        page.goto(f"/play/{slugs[0]}/")
        page.locator("#id_KeyId").select_option(keys[spec, usage])
        typed = page.locator("#id_Plaintext, #id_Message")
        if typed.count():
            typed.fill(TYPED)
        press(page, slugs[0])
        expect(page.locator("#id_KeyId")).to_have_value(keys[spec, usage])
        for slug in slugs[1:]:
            title = str(OPERATIONS[slug].title)
            page.locator("#outcome").get_by_role("button", name=f"Use in {title}").first.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            if slug == "derive-shared-secret":  # with a key of the other side, which is of the same curve
                page.locator("#id_KeyId").select_option(keys[spec, usage])
            press(page, slug)
        if slugs[0] == "encrypt" and slugs[-1] == "decrypt":
            expect(page.locator("#outcome [data-encoding=text]")).to_have_text(TYPED)
    first, then = WITHOUT_A_KEY
    page.goto(f"/play/{first}/")
    press(page, first)
    page.get_by_role("button", name="Use in Encrypt").click()
    press(page, then)
