"""What holds of every page as an administrator sees it. All are fetched once: a walk takes longer than most test files.

Drafts (static/js/drafts.js): all forms with longer texts keep what is typed, and none keeps a secret. Moments: none is printed as it is.
"""

from __future__ import annotations

import re

import pytest

from tests.conftest import new_account, sign_in_browser
from tests.support import samples

# Texts that are no drafts: plaintexts and ciphertexts, names that are typed to confirm.
NO_DRAFTS = re.compile(
    "^/(play|lab)/|/delete/$|^/keys/bulk/|^/styleguide/|^/principals/identity-providers/one/preview/"
)  # of a token
# Words in the names of fields that hold a secret.
SECRETS = re.compile("password|secret|plaintext|material$|token|pin$|^old$|^new$|^again$", re.IGNORECASE)
# What Django writes for a datetime that a template prints as it is.
AS_IT_IS = re.compile(
    r"\b(?:Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)\.? \d{1,2}, \d{4}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
)


@pytest.fixture(scope="module")
def pages(prepared: object) -> dict[str, str]:
    """Address → page, of all that answer with one."""
    account = new_account()
    made, browser = samples.make(account.client), sign_in_browser(account.administrator)
    account.client().encrypt(KeyId=made.symmetric, Plaintext=b"x")
    found = {}
    for address in {one for each in samples.addresses(made).values() for one in each}:
        answer = browser.get(address)
        if answer.status_code == 200 and "text/html" in answer.get("Content-Type", "") and not answer.streaming:
            found[address] = answer.content.decode()
    assert len(found) > 100
    return found


@pytest.fixture(scope="module")
def forms(pages: dict[str, str]) -> list[tuple[str, str, str]]:
    """(address, start tag, content) of every form on every page."""
    return [
        (address, tag, content)
        for address, page in pages.items()
        for tag, content in re.findall(r"(<form\b[^>]*>)(.*?)</form>", page, re.DOTALL)
    ]


def test_no_page_prints_a_moment_as_it_is(pages: dict[str, str]) -> None:
    wrong = []
    for address, page in pages.items():
        if "<main" not in page:
            continue
        main = page[page.index("<main") : page.index("</main>")]
        shown = re.sub(
            r'<time .*?</time>|<span class="visually-hidden">.*?</span>|<(?:pre|textarea)\b.*?</(?:pre|textarea)>|<p class="print-only">.*?</p>',
            "",
            main,
            flags=re.DOTALL,
        )
        wrong += [(address, found) for found in AS_IT_IS.findall(re.sub(r"<[^>]*>", " ", shown))]
    assert not wrong


def test_forms_with_a_text_keep_drafts_and_no_draft_holds_a_secret(forms: list[tuple[str, str, str]]) -> None:
    kept = [(address, content) for address, tag, content in forms if "data-draft=" in tag]
    assert len(kept) >= 10
    assert {
        address
        for address, tag, content in forms
        if "data-draft=" not in tag and not NO_DRAFTS.search(address) and re.search("<textarea(?![^>]*hidden)", content)
    } == set()
    assert {
        (address, field)
        for address, content in kept
        for field in re.findall(r"<(?:input|textarea)\b[^>]*>", content)
        if (name := re.search(r'name="([^"]*)"', field))
        and SECRETS.search(name[1])
        and not re.search('type="(password|file|hidden)"|data-no-draft', field)
    } == set()
