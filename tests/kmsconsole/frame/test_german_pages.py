"""No page shows an English word to who reads German: not one that a translation is there for, and none that was never marked for it."""

from __future__ import annotations

import gettext
import io
import re
import zipfile
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.utils import translation

from keys.evaluator import explanation
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import samples
from tests.support.server import ROOT

# What only English sentences have. AWS's own words (errors, ARNs, code, policies) are in elements that are not looked at.
ENGLISH = re.compile(r"\b(the|and|with|this|that|which|of|is|are|you|your|from|not|no|or|for|by|to)\b", re.IGNORECASE)
AWS_SAYS = re.compile(r"\b\w*(Exception|AccessDenied|DeleteConflict): ")  # an error is shown as AWS words it
KEY_OF_A_LOG = re.compile(r"kmsconsole/log/\S+")  # as verifiers have it: of random letters, which may stand as "+no+"
LEFT_OUT = {"/styleguide/", "/keys/?q=no-such-key"}  # samples for who writes pages; a search in English
UNREAD = {"code", "pre", "script", "style", "textarea", "option", "kbd"}


class Words(HTMLParser):
    """The texts of a page, with those attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.within: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ("input", "br", "meta", "link", "img", "col", "rect", "path", "circle"):
            classes = set((given.get("class") or "").split())
            foreign = "lang" in given and tag != "html"  # the name of a language, in that language
            self.within.append("mono" if foreign or classes & {"mono", "callout-error", "call-kinds"} else tag)
        self.found += [given[name] or "" for name in ("title", "aria-label", "placeholder") if name in given]

    def handle_endtag(self, tag: str) -> None:
        if self.within:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not UNREAD & set(self.within) and "mono" not in self.within:
            self.found.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def pages(prepared: object) -> dict[str, list[str]]:
    """Address → the words on its page, in German."""
    account = new_account()
    made, browser = samples.make(account.client), sign_in_browser(account.administrator)
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    found = {}
    for address in [address for each in samples.addresses(made).values() for address in each]:
        answer: Any = browser.get(address)
        if address not in LEFT_OUT and not answer.streaming and answer["Content-Type"].startswith("text/html"):
            texts = Words()
            texts.feed(answer.content.decode().replace("<wbr>", ""))  # it may break there, and is one word
            found[address] = texts.found
    return found


def catalog() -> dict[str, str]:
    with (ROOT / "locale/de/LC_MESSAGES/django.mo").open("rb") as opened:
        found = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
    return {msgid: text for msgid, text in found.items() if isinstance(msgid, str) and msgid != text}


def test_no_word_that_has_a_translation_is_shown_in_english(pages: dict[str, list[str]]) -> None:
    known = catalog()
    shown = {(word, address) for address, texts in pages.items() for word in texts if word in known}
    assert not shown


def test_no_sentence_is_english(pages: dict[str, list[str]]) -> None:
    shown = {
        word: address
        for address, texts in pages.items()
        for word in texts
        if ENGLISH.search(KEY_OF_A_LOG.sub("", word)) and not AWS_SAYS.search(word)
    }
    assert not shown


def test_the_readme_of_an_import_is_german_and_its_commands_are_not(account: TestAccount) -> None:
    key_id = account.create_key(Origin="EXTERNAL")
    browser = sign_in_browser(account.administrator)
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    sent = {"wrapping_spec": "RSA_4096", "algorithm": "RSAES_OAEP_SHA_256"}
    answer = browser.post(f"/keys/{key_id}/import/parameters/", sent)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        readme = opened.read("README.txt").decode()
    assert f"Import von Schlüsselmaterial für {key_id} (SYMMETRIC_DEFAULT)" in readme
    assert "ein öffentlicher Schlüssel RSA_4096 (DER)" in readme
    assert "--region us-east-1 --endpoint-url http://testserver" in readme
    assert not ENGLISH.search(re.sub(r"(?m)^(aws|openssl| {4}).*$", "", readme))


def test_whose_an_inline_policy_is_is_said_in_german() -> None:
    with translation.override("de"):
        assert explanation.policy_name("reader (user ann)") == "reader (Benutzer ann)"
        assert explanation.policy_name("reader (group team)") == "reader (Gruppe team)"
        assert explanation.policy_name("KeyAdministrator") == "KeyAdministrator"
