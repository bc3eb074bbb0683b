"""What a principal may read of many keys is decided row by row behind the page, kept by what is usual, and left out by each query itself."""

from __future__ import annotations

import json
import random
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from engine import denials
from engine import visibility as engine
from keys.inventory import deciding, query, reads, visibility
from keys.inventory.columns import COLUMNS
from keys.inventory.models import HiddenKey, InventoryKey, StoredVisibility
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import threads
from tests.support.answers import body

READ = ["kms:GetKeyLastUsage", "kms:ListResourceTags", "kms:GetKeyRotationStatus"]
BLUE = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def reader(account: TestAccount, *statements: dict[str, Any]) -> TestUser:
    user = account.create_user("reader", json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    account.client("iam").create_login_profile(UserName="reader", Password="long enough")
    user.password = "long enough"
    return user


def keys(account: TestAccount, number: int, team: str = "red") -> list[str]:
    return [account.create_key(Tags=[{"TagKey": "team", "TagValue": team}]) for _ in range(number)]


def told(browser: Client) -> dict[str, set[str]]:
    """Key ID → what the export says is not permitted."""
    exported = json.loads(body(browser.get("/keys/export/?format=json")))
    return {row["key_id"]: set(row.get("unknown", {})) for row in exported}


def decided_slowly(account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A reader who may not read some of seven keys, of which a request decides two."""
    keys(account, 5, "red"), keys(account, 2, "blue")
    signed_in.get("/keys/")
    browser = sign_in_browser(
        reader(account, EVERYTHING, {"Effect": "Deny", "Action": READ, "Resource": "*", "Condition": BLUE})
    )
    monkeypatch.setattr(deciding, "STEP", 2)
    monkeypatch.setattr(deciding, "AT_ONCE", 0.0)
    return browser


def test_what_takes_long_to_decide_is_decided_behind_the_page_which_says_so(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = decided_slowly(account, signed_in, monkeypatch)
    behind = threads.held(monkeypatch, deciding)
    page = browser.get("/keys/")
    assert len(page.context["rows"]) == 2
    said = page.content.decode()
    assert "2 of 7 so far" in said
    assert "(at least 2)" in said
    assert 'class="panel provisional"' in said
    assert {value.number for facet in page.context["facets"] for value in facet.values} <= {2}
    assert "2 of 7 so far" in browser.get("/").content.decode()
    assert len(browser.get("/keys/").context["rows"]) == 2
    assert len(behind) == 1, "one thread at a time"
    assert "2 of 7 so far" in browser.get("/keys/progress/", headers={"HX-Request": "true"}).content.decode()
    behind[0]()
    assert "data-read-list" in browser.get("/keys/progress/").content.decode()
    page = browser.get("/keys/")
    assert len(page.context["rows"]) == 7
    assert "so far" not in page.content.decode()


def test_who_may_read_everything_is_told_no_more_than_is_decided(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose permissions depend on tags: that it is every key will be known at the end alone."""
    keys(account, 4)
    signed_in.get("/keys/")
    allowed = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {"Null": {"aws:ResourceTag/secret": "true"}},
    }
    browser = sign_in_browser(reader(account, allowed))
    monkeypatch.setattr(deciding, "STEP", 3)
    monkeypatch.setattr(deciding, "AT_ONCE", 0.0)
    behind = threads.held(monkeypatch, deciding)
    page = browser.get("/keys/")
    assert "(at least 3)" in page.content.decode()
    assert sorted(value.number for facet in page.context["facets"] for value in facet.values) == [3]
    behind[0]()
    assert "(4)" in browser.get("/keys/").content.decode()


def test_a_file_waits_until_it_is_decided_of_every_key(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = decided_slowly(account, signed_in, monkeypatch)
    assert len(told(browser)) == 7


def test_a_row_that_is_not_decided_yet_is_in_no_list(account: TestAccount, signed_in: Client) -> None:
    """Another worker may add it between the decision and the page."""
    keys(account, 2)
    signed_in.get("/keys/")
    browser = sign_in_browser(reader(account, EVERYTHING, {"Effect": "Deny", "Action": READ, "Resource": "*"}))
    browser.get("/keys/")
    row = StoredVisibility.objects.filter(account_id=account.account_id).latest("pk")
    first = InventoryKey.objects.filter(account_id=account.account_id).earliest("pk")
    seen_with = visibility.Visibility(row.pk, True, row.denied_mask, (), row.usual_mask, first.pk)
    listed = query.visible_keys(account.account_id, "us-east-1", seen_with)
    assert [key.pk for key in listed.readable(reads.DESCRIBE)] == [first.pk]
    assert list(listed.unreadable(reads.TAGS)) == [first]


@pytest.mark.parametrize(
    "condition", [BLUE, {"StringNotEquals": {"aws:ResourceTag/team": "blue"}}], ids=["few", "most"]
)
def test_what_is_kept_follows_every_change_of_a_key(
    account: TestAccount, signed_in: Client, condition: dict[str, Any]
) -> None:
    """Whichever is usual, and whether a key comes to it or leaves it: the list has what is decided for each key."""
    user = reader(account, EVERYTHING, {"Effect": "Deny", "Action": READ[1], "Resource": "*", "Condition": condition})
    mine = [*keys(account, 4, "red"), *keys(account, 2, "blue")]
    browser, chance, kms = sign_in_browser(user), random.Random(7), account.client()
    for turn in range(8):
        for key_id in chance.sample(mine, 2):
            kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "team", "TagValue": chance.choice(["red", "blue"])}])
        if turn == 3:
            mine += keys(account, 1, "blue") + keys(account, 1, "red")
        if turn == 5:
            for key_id in mine:
                kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "team", "TagValue": "blue"}])
        who = engine.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
        refused = {key_id for key_id, _actions in denials.denied_actions(who, ("ListResourceTags",))}
        found = told(browser)
        assert set(found) == set(mine)
        assert {key_id for key_id, unknown in found.items() if "tags" in unknown} == refused
        page = browser.get("/keys/?cols=tags")
        assert ("not permitted" in page.content.decode()) == bool(refused)
        assert any(facet.name == "tag" for facet in page.context["facets"]) == (not refused)


def test_what_is_the_same_for_most_keys_is_kept_once(account: TestAccount, signed_in: Client) -> None:
    keys(account, 6, "red"), keys(account, 2, "blue")
    signed_in.get("/keys/")
    for condition in (BLUE, {"StringNotEquals": {"aws:ResourceTag/team": "blue"}}):
        document = [EVERYTHING, {"Effect": "Deny", "Action": READ, "Resource": "*", "Condition": condition}]
        name = f"reader{len(condition)}{next(iter(condition))}"
        user = account.create_user(name, json.dumps({"Version": "2012-10-17", "Statement": document}))
        who = engine.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
        row, decided = deciding.up_to_date(who)
        assert decided
        assert HiddenKey.objects.filter(visibility=row).count() == 2


def test_each_order_of_a_list_whose_reader_is_denied_something_is_an_indexs(
    account: TestAccount, signed_in: Client
) -> None:
    """No list of 100,000 keys is sorted for a page of 25."""
    keys(account, 3, "red"), keys(account, 2, "blue")
    signed_in.get("/keys/")
    browser = sign_in_browser(
        reader(account, EVERYTHING, {"Effect": "Deny", "Action": READ, "Resource": "*", "Condition": BLUE})
    )
    browser.get("/keys/")
    for column in COLUMNS:
        for sort in (column.field, f"-{column.field}"):
            with CaptureQueriesContext(connection) as queries:
                browser.get(f"/keys/?sort={sort}")
            lists = [
                each["sql"]
                for each in queries.captured_queries
                if "LIMIT 25" in each["sql"] and "manager" in each["sql"]
            ]
            assert lists, sort
            with connection.cursor() as cursor:
                for sql in lists:
                    cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                    plan = " ".join(str(step[3]) for step in cursor.fetchall())
                    assert "USE TEMP B-TREE" not in plan, (sort, plan)


def test_a_list_to_print_asks_no_more_for_many_rows_than_for_few(account: TestAccount, signed_in: Client) -> None:
    user = reader(account, EVERYTHING, {"Effect": "Deny", "Action": READ, "Resource": "*", "Condition": BLUE})
    browser, asked = sign_in_browser(user), []
    for _turn in range(3):
        keys(account, 2, "red"), keys(account, 3, "blue")
        browser.get("/keys/")
        with CaptureQueriesContext(connection) as queries:
            assert "not permitted" in browser.get("/keys/?print=all").content.decode()
        asked.append(len(queries))
    assert asked[1] == asked[2]


TEXTS = (
    "tag",
    "alias",
    "words",
    "green",
    "ßtraße",
    "Σίσυφος",
    "x",
    "same",
    "same tag",
    "team=same",
    "state:enabled same",
    "enabled same",
    "a(b",
)


def some_texts(account: TestAccount) -> list[dict[str, Any]]:
    """Keys whose words are in the description, an alias or a tag, alone or in several."""
    found = []
    for number, (description, alias, tag) in enumerate(
        [
            ("words a(b", "alias", "tag"),
            ("same words", "green", "Σίσυφος"),
            ("ΣΊΣΥΦΟΣ", "same", "green"),
            ("x", "x-alias", "same"),
            ("", "", "ßtraße"),
            ("ßtraße same", "", "same"),
        ]
    ):
        tags = [{"TagKey": "team", "TagValue": tag}, {"TagKey": "hidden", "TagValue": ("yes", "no")[number % 2]}]
        key_id = account.create_key(Description=description, Tags=tags)
        if alias:
            account.client().create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
        found.append({"id": key_id, "description": description, "alias": alias, "tag": tag, "open": number % 2 == 1})
    return found


@pytest.mark.parametrize("lists_aliases", [True, False], ids=["aliases", "no aliases"])
@pytest.mark.parametrize("few", [query._FEW, 0], ids=["found by the index", "looked for in each row"])
def test_a_search_looks_in_what_its_reader_may_read_and_in_nothing_else(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, few: int, lists_aliases: bool
) -> None:
    monkeypatch.setattr(query, "_FEW", few)
    made = some_texts(account)
    hidden = {"StringEquals": {"aws:ResourceTag/hidden": "yes"}}
    statements = [
        EVERYTHING,
        {"Effect": "Deny", "Action": "kms:ListResourceTags", "Resource": "*", "Condition": hidden},
    ]
    if not lists_aliases:
        statements.append({"Effect": "Deny", "Action": "kms:ListAliases", "Resource": "*"})
    signed_in.get("/keys/")
    browser = sign_in_browser(reader(account, *statements))
    for text in TEXTS:
        expected = set()
        for each in made:
            parts = [each["id"], each["description"]]
            if lists_aliases:
                parts.append(each["alias"])
                parts += ["team", "hidden", each["tag"], "no"] if each["open"] else []
            held, words, ok = " ".join(parts).lower(), text.lower().split(), True
            for word in words:
                if word.startswith("team="):
                    ok = ok and each["open"] and each["tag"].lower() == word[5:]
                elif word not in ("enabled", "state:enabled"):
                    ok = ok and word in held
            if ok:
                expected.add(each["id"])
        for indexed in (True, False):
            listing = browser.get("/keys/", {"q": text}).context["listing"]
            assert {row.key_id for row in listing.base.matching(text, indexed=indexed)} == expected, (text, indexed)
            assert listing.matching == len(expected), text


def test_the_texts_of_an_older_installation_are_parted_when_it_is_migrated(
    account: TestAccount, signed_in: Client
) -> None:
    some_texts(account)
    signed_in.get("/keys/")
    mine = InventoryKey.objects.filter(account_id=account.account_id).order_by("pk")
    expected = list(mine.values_list("search", "described", "named"))
    mine.update(search="as it was", described=None, named=None)
    migration = import_module("keys.migrations.0019_parts_of_search")
    migration.write_texts(apps, connection.schema_editor())
    assert list(mine.values_list("search", "described", "named")) == expected
