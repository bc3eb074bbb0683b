"""The key lists: facets, counts, columns, saved views and exports."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.inventory import key_rows, lists, query
from keys.inventory.columns import COLUMNS
from keys.inventory.models import InventoryCount, InventoryKey
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.keys.inventory.listed import facet, reader, rows
from tests.support.answers import text
from tests.support.policies import allow, document
from tests.support.principals import second_person


def test_each_facet_is_counted_among_what_the_others_leave(sample_keys: dict[str, str], signed_in: Client) -> None:
    assert facet(signed_in, "/keys/", "kind") == {"Symmetric": 2, "Asymmetric": 1, "HMAC": 1}
    assert facet(signed_in, "/keys/?state=Disabled", "kind") == {"Symmetric": 1}
    assert facet(signed_in, "/keys/?state=Disabled", "state") == {"Enabled": 3, "Disabled": 1}
    assert facet(signed_in, "/keys/", "regionality") == {"SINGLE": 3, "PRIMARY": 1}
    assert facet(signed_in, "/keys/", "rotation") == {"365 days": 1, "off": 1}
    assert facet(signed_in, "/keys/", "tag") == {"team=blue": 1, "team=red": 1}


def test_the_counts_that_are_kept_are_those_of_the_rows(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    kms = account.client()
    signed_in.get("/keys/")
    kms.enable_key(KeyId=sample_keys["red"])
    kms.tag_resource(KeyId=sample_keys["red"], Tags=[{"TagKey": "team", "TagValue": "blue"}])
    kms.schedule_key_deletion(KeyId=sample_keys["mac"], PendingWindowInDays=7)
    signed_in.get("/keys/")
    account.move_clock(days=8)
    assert len(rows(signed_in, "/keys/")) == 3
    kept = Counter(dict(_counts(account)))
    key_rows.recount(account.account_id, "us-east-1")
    assert kept == Counter(dict(_counts(account)))
    assert facet(signed_in, "/keys/", "tag") == {"team=blue": 2}


def _counts(account: TestAccount) -> list[tuple[tuple[str, str], int]]:
    counts = InventoryCount.objects.filter(account_id=account.account_id)
    return [((facet, value), number) for facet, value, number in counts.values_list("facet", "value", "number")]


def test_a_tag_narrows_the_list(sample_keys: dict[str, str], signed_in: Client) -> None:
    assert [row.key_id for row in rows(signed_in, "/keys/?tag=team%3Dblue")] == [sample_keys["blue"]]
    assert len(rows(signed_in, "/keys/?tag=team")) == 2
    assert not rows(signed_in, "/keys/?tag=team%3Dgreen")


def test_the_list_sorts_by_every_column_both_ways(sample_keys: dict[str, str], signed_in: Client) -> None:
    for column in COLUMNS:
        up = [row.key_id for row in rows(signed_in, f"/keys/?sort={column.field}")]
        down = [row.key_id for row in rows(signed_in, f"/keys/?sort=-{column.field}")]
        assert sorted(up) == sorted(down) == sorted(sample_keys.values()), column.field


def test_descriptions_and_tags_sort_as_they_are_shown_and_keys_without_them_come_last(
    account: TestAccount, signed_in: Client
) -> None:
    told: dict[str, tuple[str, dict[str, str]]] = {
        "b": ("Billing", {"team": "red"}),
        "a": ("accounts", {"stage": "test", "Owner": "me"}),
        "none": ("", {}),
        "c": ("billing, old", {"team": "Blue"}),
    }
    kms, made = account.client(), {}
    for name, (description, tags) in told.items():
        listed = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
        made[kms.create_key(Description=description, Tags=listed)["KeyMetadata"]["KeyId"]] = name
    for sort, expected in (
        ("description", ["a", "b", "c", "none"]),
        ("-description", ["c", "b", "a", "none"]),
        ("tags", ["a", "c", "b", "none"]),
        ("-tags", ["b", "c", "a", "none"]),
    ):
        assert [made[row.key_id] for row in rows(signed_in, f"/keys/?sort={sort}")] == expected, sort
    key_id = next(each for each, name in made.items() if name == "none")
    kms.update_key_description(KeyId=key_id, Description="Aardvark")
    assert [made[row.key_id] for row in rows(signed_in, "/keys/?sort=description")] == ["none", "a", "b", "c"]


def test_a_column_that_sorts_nothing_yet_is_filled_when_an_older_installation_is_migrated(
    account: TestAccount, signed_in: Client
) -> None:
    kms = account.client()
    made = kms.create_key(Description="Old", Tags=[{"TagKey": "team", "TagValue": "Red"}])["KeyMetadata"]["KeyId"]
    signed_in.get("/keys/")
    InventoryKey.objects.filter(key_id=made).update(description_order=None, tags_order=None)
    migration = import_module("keys.migrations.0006_list_order")
    migration.fill(apps, connection.schema_editor())
    row = InventoryKey.objects.get(key_id=made)
    assert (row.description_order, row.tags_order) == ("old", "team=red")


@pytest.mark.parametrize("words", ["key", "team blue", "b", "no such words", 'a"b', "team=blue"])
def test_a_text_finds_and_counts_the_same_keys_whether_few_or_many_hold_it(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    kms = account.client()
    for number, team in enumerate(("blue", "red", "blue")):
        kms.create_key(Description=f"key {number}", Tags=[{"TagKey": "team", "TagValue": team}])
    found = []
    for few in (query._FEW, 0):
        monkeypatch.setattr(query, "_FEW", few)
        page = signed_in.get("/keys/", {"q": words})
        counts = {each.name: [(value.value, value.number) for value in each.values] for each in page.context["facets"]}
        found.append(([row.key_id for row in page.context["rows"]], counts, page.context["listing"].total))
    assert found[0] == found[1]
    assert len(found[0][0]) == found[0][2] == {"key": 3, "team blue": 2, "team=blue": 2, "b": found[0][2]}.get(words, 0)


def test_unknown_members_of_the_address_are_left_out(sample_keys: dict[str, str], signed_in: Client) -> None:
    assert len(rows(signed_in, "/keys/?sort=password&size=1000000&page=-3&due=x&cols=secret&state=")) == 4


def test_what_is_due_leads_to_its_keys(account: TestAccount, sample_keys: dict[str, str], signed_in: Client) -> None:
    account.client().schedule_key_deletion(KeyId=sample_keys["mac"])
    assert [row.key_id for row in rows(signed_in, "/keys/?due=deletion")] == [sample_keys["mac"]]
    signed_in.get("/keys/")
    InventoryKey.objects.filter(account_id=account.account_id).update(created=timezone.now() - timedelta(days=100))
    account.client().encrypt(KeyId=sample_keys["blue"], Plaintext=b"x")
    assert [row.key_id for row in rows(signed_in, "/keys/?due=unused")] == [sample_keys["sign"]]


def test_a_use_is_in_the_list(account: TestAccount, sample_keys: dict[str, str], signed_in: Client) -> None:
    signed_in.get("/keys/")
    account.client().sign(KeyId=sample_keys["sign"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    used = {row.key_id: row.last_used for row in rows(signed_in, "/keys/")}
    assert used.pop(sample_keys["sign"]) is not None
    assert set(used.values()) == {None}


def test_a_key_that_anyone_can_use_is_marked(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client().put_key_policy(KeyId=sample_keys["mac"], PolicyName="default", Policy=policy)
    assert [row.key_id for row in rows(signed_in, "/keys/?public=yes")] == [sample_keys["mac"]]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Allow", "Principal": "*", "Action": "kms:*"}, True),
        ({"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "kms:Decrypt"}, True),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/x"}, "Action": "kms:*"}, True),
        ({"Effect": "Deny", "Principal": "*", "Action": "kms:*"}, False),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*"}, False),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"kms:CallerAccount": "1"}}}, False),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"StringNotEquals": {"kms:CallerAccount": "1"}}}, True),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, True),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}, True),
    ],
)
def test_anyone_means_a_principal_that_no_condition_narrows(statement: dict[str, Any], expected: bool) -> None:
    assert key_rows.allows_anyone(json.dumps({"Statement": statement})) is expected


def test_a_view_is_saved_shown_and_deleted(sample_keys: dict[str, str], signed_in: Client) -> None:
    query = "state=Disabled&sort=alias&cols=alias&cols=tags&page=3"
    answer = signed_in.post("/keys/views/", {"name": "off", "query": query, "manager": "CUSTOMER"})
    assert answer["Location"] == "/keys/?sort=alias&cols=alias&cols=tags&state=Disabled"
    page = signed_in.get(answer["Location"])
    assert [(view.name, current) for view, current in page.context["views"]] == [("off", True)]
    signed_in.post("/keys/views/", {"name": "off", "query": query, "manager": "CUSTOMER", "delete": "1"})
    assert not signed_in.get("/keys/").context["views"]


def test_a_view_is_its_owners_alone(account: TestAccount, sample_keys: dict[str, str], signed_in: Client) -> None:
    signed_in.post("/keys/views/", {"name": "mine", "query": "", "manager": "CUSTOMER"})
    assert not reader(account, "ann").get("/keys/").context["views"]


def test_a_view_stays_with_who_saved_it_whatever_the_users_are_called(account: TestAccount) -> None:
    ann = second_person(account, "ann")
    ann.post("/keys/views/", {"name": "mine", "query": "", "manager": "CUSTOMER"})
    account.client("iam").update_user(UserName="ann", NewUserName="eve")
    namesake = second_person(account, "ann")
    renamed = sign_in_browser(TestUser(account, "eve", "", "", "", "long enough"))
    assert [len(each.get("/keys/").context["views"]) for each in (renamed, namesake)] == [1, 0]


def test_who_manages_a_key_leads_to_the_other_list(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    account.client().describe_key(KeyId="alias/aws/s3")
    managers = {words: number for _url, words, number, _current in signed_in.get("/keys/").context["managers"]}
    assert managers == {"Customer": 4, "AWS": 1}
    assert [row.alias for row in rows(signed_in, "/keys/aws/")] == ["aws/s3"]


def test_the_list_filters_sorts_and_counts(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    for name in ("apple", "pear"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=account.create_key(Description=f"about {name}"))
    account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Tags=[{"TagKey": "team", "TagValue": "blue"}])
    assert "(3)" in text(signed_in.get("/keys/"))
    assert [row.alias for row in signed_in.get("/keys/?q=PEAR").context["rows"]] == ["pear"]
    assert [row.spec for row in signed_in.get("/keys/?q=team").context["rows"]] == ["RSA_2048"]
    assert [row.spec for row in signed_in.get("/keys/?spec=RSA_2048").context["rows"]] == ["RSA_2048"]
    assert [row.alias for row in signed_in.get("/keys/?sort=alias").context["rows"]] == ["apple", "pear", ""]
    assert [row.alias for row in signed_in.get("/keys/?sort=-alias").context["rows"]] == ["pear", "apple", ""]


def test_the_list_pages(account: TestAccount, signed_in: Client) -> None:
    for _ in range(27):
        account.create_key()
    assert len(signed_in.get("/keys/").context["rows"]) == 25
    assert len(signed_in.get("/keys/?page=2").context["rows"]) == 2


@pytest.mark.parametrize("columns", ["cols=alias", "cols=alias&cols=state", "cols=state&cols=tags", "cols=tags", ""])
def test_each_row_leads_to_its_key_whatever_columns_are_shown(
    account: TestAccount, signed_in: Client, sample_keys: dict[str, str], columns: str
) -> None:
    """Of a key without an alias, or of one whose aliases the reader may not list, the key ID does."""
    account.create_key()
    ann = account.create_user("ann", document(allow(["kms:ListKeys", "kms:DescribeKey"])))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann.password = "long enough"
    for browser in (signed_in, sign_in_browser(ann)):
        page = browser.get(f"/keys/?{columns}")
        body_of_table = text(page).partition("<tbody>")[2].partition("</tbody>")[0]
        for row in body_of_table.split("</tr>")[:-1]:
            assert re.search(r'<a [^>]*href="/keys/[0-9a-z-]{36}/"', row), row


@pytest.mark.parametrize("who", ["administrator", "who may describe some keys"])
def test_the_cells_of_a_key_among_others_are_those_of_the_key_by_itself(
    account: TestAccount,
    signed_in: Client,
    sample_keys: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    who: str,
) -> None:
    """What cells have in common is written once for a page."""
    account.create_key()  # has nothing that another has not, but its ID
    if who != "administrator":
        blue = f"arn:aws:kms:us-east-1:{account.account_id}:key/{sample_keys['blue']}"
        signed_in = reader(account, "ann", "kms:DescribeKey", "kms:ListResourceTags", resource=blue)
    columns = "&".join(f"cols={column.field}" for column in COLUMNS)
    together = cells_of_keys(signed_in, f"/keys/?{columns}")
    monkeypatch.setattr(lists, "SIZES", (1,))
    alone = [cells_of_keys(signed_in, f"/keys/?{columns}&size=1&page={page}") for page in range(1, 6)]
    assert together == [cells for (cells,) in alone]
    assert len(set(map(str, together))) == 5


def cells_of_keys(browser: Client, address: str) -> list[list[str]]:
    """Of each key that a page lists, its cells but that of its tick; of links to another list, the words."""
    table = text(browser.get(address)).partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.sub(r'href="\?[^"]*"', "", table).split("</tr>")[:-1]
    return [re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)[1:] for row in rows]
