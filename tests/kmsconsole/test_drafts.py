"""Which forms keep what is typed as a draft in the browser (static/js/drafts.js): all with longer texts, and none keeps a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client

from tests.conftest import TestAccount
from tests.support import samples
from tests.support.answers import text

# Texts that are no drafts: plaintexts and ciphertexts, names that are typed to confirm.
NO_DRAFTS = re.compile("^/(play|lab)/|/delete/$|^/keys/bulk/|^/styleguide/")
# Words in the names of fields that hold a secret.
SECRETS = re.compile("password|secret|plaintext|material$|token|pin$|^old$|^new$|^again$", re.IGNORECASE)


@pytest.fixture
def forms(account: TestAccount, signed_in: Client) -> list[tuple[str, str, str]]:
    """(address, start tag, content) of every form on every page."""

    def found() -> Iterator[tuple[str, str, str]]:
        for address in {one for each in samples.addresses(samples.make(account.client)).values() for one in each}:
            answer = signed_in.get(address)
            if answer.status_code == 200 and "text/html" in answer.get("Content-Type", "") and not answer.streaming:
                for tag, content in re.findall(r"(<form\b[^>]*>)(.*?)</form>", text(answer), re.DOTALL):
                    yield address, tag, content

    return list(found())


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
