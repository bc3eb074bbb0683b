"""What holds of every page as an administrator sees it. All are fetched once: a walk takes longer than most test files.

Drafts (static/js/drafts.js): all forms with longer texts keep what is typed, and none keeps a secret. Moments: none is printed as it is.
Writes: each page that changes something is in a table of tests/keys/test_write_pages.py, and each form offers to show its call.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from django.urls import resolve

from tests.conftest import new_account, sign_in_browser
from tests.keys.test_write_pages import ELSEWHERE, LEADS_ON, NO_CALL, NO_SUCH_CALL, asked
from tests.support import htmlforms, samples
from tests.support.samples import Samples

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


@dataclass(frozen=True)
class Walk:
    made: Samples
    answers: dict[str, Any]


@pytest.fixture(scope="module")
def walk(prepared: object) -> Walk:
    account = new_account()
    made, browser = samples.make(account.client), sign_in_browser(account.administrator)
    account.client().encrypt(KeyId=made.symmetric, Plaintext=b"x")
    addresses = {one for each in samples.addresses(made).values() for one in each}
    draft = "?w=sample"  # the wizard's other steps need its first
    browser.post(f"/keys/new/configure/{draft}", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"})
    addresses |= {f"/keys/new/{step}/{draft}" for step in ("labels", "administrators", "users", "policy")}
    return Walk(made, {address: browser.get(address) for address in addresses})


@pytest.fixture(scope="module")
def pages(walk: Walk) -> dict[str, str]:
    """Address → page, of all that answer with one."""
    found = {
        address: answer.content.decode()
        for address, answer in walk.answers.items()
        if answer.status_code == 200 and "text/html" in answer.get("Content-Type", "") and not answer.streaming
    }
    assert len(found) > 100
    return found


@pytest.fixture(scope="module")
def sent(walk: Walk) -> list[tuple[str, str, str]]:
    """(address, name of the pattern that it is sent to, content) of every form that is posted, also of pages that answer with an error."""
    found = []
    for address, answer in walk.answers.items():
        text = "" if answer.streaming else answer.content.decode(errors="replace")
        for form in re.finditer(r"<form ([^>]*)>(.*?)</form>", text, re.DOTALL):
            if 'method="post"' in form[1]:
                target = re.search(r'action="([^"?#]+)', form[1])
                match = resolve(target[1] if target else address.partition("?")[0])
                if "<button" not in form[2]:
                    continue  # a list with nothing in it to send
                found.append((address, match.url_name or match.route, form[2]))
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


def test_enter_in_a_search_field_searches(pages: dict[str, str]) -> None:
    """Without scripts, too: the button that Enter presses is the form's only one or its search's, or the view looks whether the text of
    the search is another than when it was last searched (console.addresses.searches_keys)."""
    found = [
        (address, form)
        for address, page in pages.items()
        for form in htmlforms.forms(address, page)
        if any(each.kind == "search" for each in form.fields)
    ]
    assert {form.enter for _address, form in found} >= {None, "", "search"}
    assert {
        address
        for address, form in found
        if form.enter not in (None, "search")
        and not any(each.name == "searched" for each in form.fields)
        and (form.method != "get" or form.buttons)
    } == set()


def test_no_write_page_is_forgotten(walk: Walk, sent: list[tuple[str, str, str]]) -> None:
    """A view that reads a POST, or that a form of any page is sent to, is in one of the tables of tests/keys/test_write_pages.py."""
    known = {*NO_CALL, *NO_SUCH_CALL, *ELSEWHERE, *asked(walk.made)}
    writes = {
        pattern.name or route
        for route, pattern in samples.patterns()
        if re.search(r"POST|carry_out", inspect.getsource(inspect.unwrap(pattern.callback)))
    }
    writes |= {name for _page, name, _form in sent}
    writes.discard("keys/<str:key_id>/do/delete/")  # another address of key-delete
    assert writes - known == set()


def test_every_form_that_makes_a_call_offers_to_show_it(sent: list[tuple[str, str, str]]) -> None:
    mute = {
        (page, name)
        for page, name, form in sent
        if name not in NO_CALL
        and name not in LEADS_ON
        and not re.search(r'name="preview"|button-call|class="call"', form)
        and re.search(r"<button(?![^>]*aria-disabled)", form)  # all that it offers is unavailable
    }
    assert mute == set()


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


CRUMBS = re.compile(r'<ol class="breadcrumbs">(.*?)</ol>', re.DOTALL)
ENTRIES = re.compile(r'<div class="side-list">(.*?)</nav>', re.DOTALL)


def crumbs(page: str) -> list[tuple[str, str]]:
    """(address, words) of each page above, and ("", what the page is called)."""
    found = CRUMBS.search(page)
    items = re.findall(r"<li.*?</li>", found[1], re.DOTALL) if found else []
    return [
        (unescape(link[1]) if (link := re.search(r'href="([^"]*)"', each)) else "", words_of(each)) for each in items
    ]


# Under no page: the sign-in, what the account menu leads to, and parts that scripts fetch.
ALONE = re.compile(
    "/principals/(sign-in/.*|switch-role/|security-credentials/)$|/search/|/styleguide/|/keys/(options|progress)/"
)
MENU = {"/principals/security-credentials/": "My security credentials"}


def test_the_pages_above_a_page_are_those_above_the_page_that_it_stands_under(pages: dict[str, str]) -> None:
    """So the way down is the way back up: a page that left one out would lead past it."""
    ways = {address: crumbs(page) for address, page in pages.items()}
    found = ENTRIES.search(pages["/keys/"])
    assert found is not None
    entries = {
        link.partition("?")[0]: words_of(words)
        for link, words in re.findall(r'<a\b[^>]*href="([^"]+)"[^>]*>(.*?)</a>', found[1], re.DOTALL)
    }
    wrong: dict[str, object] = {}
    for address, page in pages.items():
        *above, _here = crumbs(page) or [("", "")]
        if not above:
            if address.partition("?")[0] not in entries and not ALONE.match(address):
                wrong[address] = "neither in the navigation nor under a page"
            continue
        if (entries | MENU).get(above[0][0].partition("?")[0]) != above[0][1]:
            wrong[address] = above[0]
        parent, _words = above[-1]
        if parent in ways and above[:-1] != (expected := [each for each in ways[parent] if each[0]]):
            wrong[address] = (above, expected)
        if not all(words for _address, words in above):
            wrong[address] = above
    assert not wrong
