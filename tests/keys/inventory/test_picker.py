"""Key pickers: searched by alias, ID and tag among any number of keys, with and without scripts, and only what may be seen."""

from __future__ import annotations

import gzip
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.inventory import inventory, key_rows
from keys.inventory.models import InventoryKey
from tests.conftest import TestAccount, sign_in_browser
from tests.support import htmlforms
from tests.support.answers import text
from tests.support.policies import allow, document, person

PAGES = ("/play/encrypt/", "/play/re-encrypt/", "/lab/envelope/", "/lab/direct/", "/lab/ciphertext/", "/lab/services/")


@pytest.fixture
def wanted(account: TestAccount) -> str:
    key_id = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "finance"}])
    account.client().create_alias(AliasName="alias/zz-payments", TargetKeyId=key_id)
    return key_id


def fill(account: TestAccount, number: int) -> None:
    """Rows of that many keys, as a list that was read has them."""
    place = {"account_id": account.account_id, "region": "us-east-1"}
    rows = []
    for each in range(number):
        key_id, alias = str(uuid.uuid4()), f"app-{each:05}"
        rows.append(
            InventoryKey(
                **place, key_id=key_id, alias=alias, aliases=[alias], has_alias=True, state="Enabled", manager="CUSTOMER",
                spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT", origin="AWS_KMS", created=timezone.now(),
                arn=f"arn:aws:kms:us-east-1:{account.account_id}:key/{key_id}", search=f"{key_id} {alias}",
            )
        )  # fmt: skip
    InventoryKey.objects.bulk_create(rows, batch_size=500)
    key_rows.recount(**place)


def options(answer: Any) -> list[str]:
    return [value for value, _words in answer.context["choices"]]


def test_a_picker_is_searched_by_alias_id_and_tag_as_one_types(
    account: TestAccount, signed_in: Client, wanted: str
) -> None:
    account.create_key()
    for typed in ("zz-pay", wanted[:13], "owner=finance", "tag:owner"):
        answer = signed_in.get("/keys/options/", {"find": typed, "usage": "ENCRYPT_DECRYPT"})
        assert options(answer) == [wanted], typed
    assert "No key matches." in text(signed_in.get("/keys/options/", {"find": "nothing"}))
    assert options(signed_in.get("/keys/options/", {"find": "zz-pay", "usage": "SIGN_VERIFY"})) == []


@pytest.mark.parametrize("page", PAGES)
def test_without_scripts_a_button_searches_the_pickers_of_every_page(
    account: TestAccount, signed_in: Client, wanted: str, page: str
) -> None:
    other = account.create_key()
    assert f'value="{other}"' in text(signed_in.get(page))
    found = text(signed_in.get(page, {"find": "owner=finance"}))
    assert f'value="{wanted}"' in found
    assert f'value="{other}"' not in found


# A page → what was filled in beside its picker, and where that stands again.
FILLED: dict[str, tuple[dict[str, Any], str]] = {
    "/play/encrypt/": ({"Plaintext": "typed", "Plaintext_as": "text"}, "typed</textarea>"),
    "/lab/envelope/": ({"step": "generate", "context_name": "typed", "context_value": "x"}, 'value="typed"'),
    "/lab/direct/": ({"size": "262144"}, 'value="262144" selected'),
    "/lab/ciphertext/": ({"step": "make", "plaintext": "typed"}, "typed"),
    "/lab/services/": ({"apply": "1", "tick": ["s3", "ebs"], "key-s3": "KEY"}, 'value="KEY" selected'),
}


@pytest.mark.parametrize("page", FILLED)
@pytest.mark.parametrize(
    "pressed", [{"narrow": "1", "find": "owner=finance"}, {"find": "owner=finance", "searched": ""}]
)
def test_a_search_without_scripts_keeps_what_was_filled_in_and_does_nothing_else(
    account: TestAccount, signed_in: Client, wanted: str, page: str, pressed: dict[str, str]
) -> None:
    chosen, other = account.create_key(), account.create_key()
    given, there = FILLED[page]
    given = {name: chosen if value == "KEY" else value for name, value in given.items()}
    answer = signed_in.post(page, {**given, **pressed})
    found = text(answer)
    assert answer.status_code == 200
    assert there.replace("KEY", chosen) in found
    assert f'value="{wanted}"' in found
    assert f'value="{other}"' not in found
    if "tick" in given:
        assert [row["service"].slug for row in answer.context["rows"] if row["ticked"]] == given["tick"]
        assert not answer.context["made"]
    assert "measured" not in answer.context


@pytest.mark.parametrize("page", PAGES)
def test_after_a_search_without_scripts_no_picker_stands_at_a_key_that_nobody_chose(
    account: TestAccount, signed_in: Client, wanted: str, page: str
) -> None:
    """The form is sent as it stands, twice: the key that stood first is none that was chosen, and one that was chosen stays."""
    second = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "bank"}])
    shown = text(signed_in.get(page))
    for search, found in (("owner=finance", wanted), ("owner=bank", second), ("zz-pay", wanted)):
        shown = text(signed_in.post(page, {**sent_by_search(page, shown, ""), "find": search, "narrow": "1"}))
        stand = {each for each in pickers(page, shown) if each and not each.startswith("alias/aws/")}
        assert stand == {found}, search
    other = account.create_key()
    chosen = sent_by_search(page, text(signed_in.get(page)), other)
    assert other in pickers(page, text(signed_in.post(page, {**chosen, "find": "owner=bank", "narrow": "1"})))


def selects(page: str, shown: str) -> list[htmlforms.Field]:
    """Those of keys."""
    return [
        each
        for form in htmlforms.forms(page, shown)
        if any(field.name == "find" for field in form.fields)
        for each in form.fields
        if each.kind == "select" and re.search("key|KeyId", each.name)
    ]


def pickers(page: str, shown: str) -> list[str]:
    """What each picker of keys stands at."""
    return [each.value for each in selects(page, shown)]


def sent_by_search(page: str, shown: str, choose: str) -> dict[str, Any]:
    """What a browser sends of the form that has the search, with a key that is chosen in each picker."""
    (form,) = [each for each in htmlforms.forms(page, shown) if any(field.name == "find" for field in each.fields)]
    given = {each.name: each.value for each in form.fields if each.kind not in ("checkbox", "radio", "file")}
    return {**given, **({each.name: choose for each in selects(page, shown)} if choose else {})}


def test_a_key_that_is_named_is_offered_whatever_the_search_finds(
    account: TestAccount, signed_in: Client, wanted: str
) -> None:
    fill(account, inventory.PICKED + 5)
    answer = signed_in.post("/play/encrypt/", {"KeyId": wanted, "Plaintext": "x", "Plaintext_as": "text"})
    assert answer.status_code == 200
    assert answer.context["facts"]
    assert f'value="{wanted}" selected' in text(signed_in.get(f"/play/encrypt/?key={wanted}"))


def test_a_picker_offers_no_key_that_may_not_be_seen(account: TestAccount, wanted: str) -> None:
    ann = sign_in_browser(person(account, "ann", document(allow("kms:ListKeys"))))
    assert options(ann.get("/keys/options/", {"find": wanted, "usage": "ENCRYPT_DECRYPT"})) == []
    ben = sign_in_browser(person(account, "ben", document(allow("iam:ListUsers"))))
    assert ben.get("/keys/options/").status_code == 403


def test_the_access_explorer_takes_what_a_search_takes(account: TestAccount, signed_in: Client, wanted: str) -> None:
    answer = signed_in.get("/access/", {"action": "kms:Encrypt", "key": "owner=finance"})
    assert answer.context["key"].key_id == wanted
    assert options(signed_in.get("/keys/options/", {"key": "zz-pay"})) == [wanted]
    second = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "finance"}])
    page = text(signed_in.get("/access/", {"action": "kms:Encrypt", "key": "owner=finance"}))
    assert "Which key is meant?" in page
    assert f"key={second}" in page


def test_with_ten_thousand_keys_pages_stay_light_and_ask_no_more(account: TestAccount, signed_in: Client) -> None:
    def asked(page: str) -> int:
        signed_in.get(page)  # what is due once is done
        with CaptureQueriesContext(connection) as queries:
            answer = signed_in.get(page)
        assert len(gzip.compress(answer.content)) < 60_000, page
        return len(queries)

    pages = (*PAGES, "/access/", "/keys/options/?find=app-0&usage=ENCRYPT_DECRYPT")
    account.create_key()  # what is not there may be read by nobody, unless every key may be
    fill(account, 30)
    few = {page: asked(page) for page in pages}
    fill(account, 10_000)
    for page in pages:
        assert asked(page) <= few[page] + 2, page  # the inventory looks for changes from time to time
    assert len(options(signed_in.get("/keys/options/?find=app-0"))) == inventory.PICKED
