"""The key lists: facets, counts, columns, saved views, exports, and that they tell nobody more than the policies do."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connection
from django.http import HttpRequest, QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.store import transaction
from keys import leases
from keys.inventory import deciding, key_rows, lists, query, sync, visibility
from keys.inventory.columns import COLUMNS
from keys.inventory.lists import Listing
from keys.inventory.models import InventoryCount, InventoryKey, SyncState
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import threads
from tests.support.answers import body, text
from tests.support.policies import allow, document
from tests.support.principals import second_person


def rows(browser: Client, address: str) -> list[Any]:
    return list(browser.get(address).context["rows"])


def facet(browser: Client, address: str, name: str) -> dict[str, int | None]:
    for each in browser.get(address).context["facets"]:
        if each.name == name:
            return {value.value: value.number for value in each.values}
    return {}


def person(account: TestAccount, name: str, *actions: str, resource: str = "*") -> Client:
    statements = [
        {"Effect": "Allow", "Action": ["kms:ListKeys", "kms:ListAliases"], "Resource": "*"},
        *([{"Effect": "Allow", "Action": list(actions), "Resource": resource}] if actions else []),
    ]
    user = account.create_user(name, json.dumps({"Version": "2012-10-17", "Statement": statements}))
    account.client("iam").create_login_profile(UserName=name, Password="long enough")
    return sign_in_browser(TestUser(account, name, user.arn, "", "", "long enough"))


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


def test_who_may_not_describe_a_key_does_not_find_it_by_what_it_says(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    signed_in.get("/keys/")
    ann = person(account, "ann")
    for address in (
        "/keys/?q=archive",
        "/keys/?q=blue",
        "/keys/?tag=team%3Dblue",
        "/keys/?state=Enabled",
        "/keys/?kind=HMAC",
    ):
        assert not rows(ann, address), address
    page = ann.get("/keys/?cols=tags&cols=description&cols=alias")
    assert not page.context["facets"]
    assert len(page.context["rows"]) == 4
    for words in ("Payments", "team=", "GENERATE_VERIFY_MAC"):
        assert words not in page.content.decode()
    assert not ann.get("/search/?q=archive").context["found"].keys
    exported = list(csv.DictReader(io.StringIO(body(ann.get("/keys/export/")))))
    assert {row["key_id"] for row in exported} == set(sample_keys.values()), "like the list, the file has their IDs"
    assert {row["description"] for row in exported} | {row["usage"] for row in exported} == {"not permitted"}


def test_a_permission_on_some_keys_shows_those(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    signed_in.get("/keys/")
    arn = f"arn:aws:kms:us-east-1:{account.account_id}:key/{sample_keys['blue']}"
    bob = person(account, "bob", "kms:DescribeKey", resource=arn)
    assert [row.key_id for row in rows(bob, "/keys/?state=Enabled")] == [sample_keys["blue"]]
    assert len(rows(bob, "/keys/")) == 4
    (shown,) = rows(bob, "/keys/?state=Enabled")
    assert shown.tags == {}, "ListResourceTags is a permission of its own"
    assert not rows(bob, "/keys/?q=blue")
    exported, *_others = csv.DictReader(io.StringIO(body(bob.get("/keys/export/"))))
    assert (exported["key_id"], exported["tags"], exported["rotation"]) == (
        sample_keys["blue"],
        "not permitted",
        "not permitted",
    )


def test_a_permission_that_is_taken_away_is_gone_with_the_next_page(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    bob = person(account, "bob", "kms:Describe*", "kms:List*", "kms:Get*")
    assert len(rows(bob, "/keys/?q=blue")) == 1
    deny = {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"}
    account.client("iam").put_user_policy(
        UserName="bob", PolicyName="no", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    assert not rows(bob, "/keys/?q=blue")


def test_who_looks_first_with_fewer_rights_hides_nothing_from_others(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    ann = person(account, "ann")
    assert len(rows(ann, "/keys/")) == 4
    assert [row.key_id for row in rows(signed_in, "/keys/?q=payments")] == [sample_keys["blue"]]
    assert [row.key_id for row in rows(signed_in, "/keys/?tag=team%3Dblue")] == [sample_keys["blue"]]


def test_a_grant_to_describe_shows_the_key(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    ann = person(account, "ann")
    account.client().create_grant(
        KeyId=sample_keys["mac"],
        GranteePrincipal=f"arn:aws:iam::{account.account_id}:user/ann",
        Operations=["DescribeKey"],
    )
    assert [row.key_id for row in rows(ann, "/keys/?kind=HMAC")] == [sample_keys["mac"]]


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
    assert not person(account, "ann").get("/keys/").context["views"]


def test_a_view_stays_with_who_saved_it_whatever_the_users_are_called(account: TestAccount) -> None:
    ann = second_person(account, "ann")
    ann.post("/keys/views/", {"name": "mine", "query": "", "manager": "CUSTOMER"})
    account.client("iam").update_user(UserName="ann", NewUserName="eve")
    namesake = second_person(account, "ann")
    renamed = sign_in_browser(TestUser(account, "eve", "", "", "", "long enough"))
    assert [len(each.get("/keys/").context["views"]) for each in (renamed, namesake)] == [1, 0]


def test_a_reading_whose_worker_died_goes_on_where_it_was(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "STEP", 3)
    for _ in range(8):
        account.create_key()
    kms = account.client()
    reader = sync.InventorySync(kms, account.account_id, "us-east-1", embedded=True)
    reader._begin_full_read(reader.state())
    held = leases.take(sync.lease_name(reader.place), 30)
    assert held is not None
    reader._full_read_step(held)  # and then the worker dies, holding its lease
    assert len(rows(signed_in, "/keys/")) == 3
    assert "3 keys so far" in signed_in.get("/keys/").content.decode()
    held.seconds = -1
    assert leases.renew(held)
    for _ in range(8):  # a page reads for a moment only, however slow the machine is
        if "so far" not in signed_in.get("/keys/").content.decode():
            break
    assert len(rows(signed_in, "/keys/")) == 8


def described(account: TestAccount) -> list[str]:
    """The key of every DescribeKey that the trail holds."""
    trail = account.client("cloudtrail")
    pages = trail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DescribeKey"}]
    )
    return [
        json.loads(event["CloudTrailEvent"])["requestParameters"]["keyId"]
        for event in pages.search("Events[]")
        if event
    ]


def test_a_change_of_one_key_among_many_reads_one_key(account: TestAccount, signed_in: Client) -> None:
    keys = [account.create_key() for _ in range(12)]
    signed_in.get("/keys/?q=nothing-has-this")
    before = len(described(account))
    account.client().disable_key(KeyId=keys[0])
    signed_in.get("/keys/?q=nothing-has-this")
    after = described(account)
    assert after[: len(after) - before] == [keys[0]]
    signed_in.get("/keys/?q=nothing-has-this")
    assert len(described(account)) == len(after), "nothing changed, nothing is read"


def test_who_manages_a_key_leads_to_the_other_list(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    account.client().describe_key(KeyId="alias/aws/s3")
    managers = {words: number for _url, words, number, _current in signed_in.get("/keys/").context["managers"]}
    assert managers == {"Customer": 4, "AWS": 1}
    assert [row.alias for row in rows(signed_in, "/keys/aws/")] == ["aws/s3"]


def test_a_principal_who_was_deleted_gets_an_answer_and_not_a_failure(account: TestAccount, signed_in: Client) -> None:
    bob = person(account, "bob", "kms:*")
    iam = account.client("iam")
    iam.delete_user_policy(UserName="bob", PolicyName="test")
    iam.delete_login_profile(UserName="bob")
    for key in iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="bob")
    for address in ("/", "/keys/", "/audit/", "/settings/endpoints/", "/search/?q=x"):
        answer = bob.get(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith("/principals/sign-in/"), address


def test_a_long_list_is_read_behind_the_page(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        account.create_key()
    monkeypatch.setattr(sync, "STEP", 2)
    monkeypatch.setattr(sync, "AT_ONCE", 0.0)
    behind = threads.held(monkeypatch, sync)
    assert len(rows(signed_in, "/keys/")) == 2
    page = signed_in.get("/keys/").content.decode()
    assert "(at least 2)" in page
    assert 'class="panel provisional"' in page
    part = signed_in.get("/keys/progress/", headers={"HX-Request": "true"}).content.decode()
    assert "2 keys so far" in part
    assert len(behind) == 1, "one reader at a time"
    behind[0]()
    assert "data-read-list" in signed_in.get("/keys/progress/").content.decode()
    assert len(rows(signed_in, "/keys/")) == 7
    assert "at least" not in signed_in.get("/keys/").content.decode()


def test_a_reading_that_ends_while_the_page_is_made_leaves_no_number_as_if_it_were_true(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(rows(signed_in, "/keys/")) == 0
    for _ in range(7):
        account.create_key()
    monkeypatch.setattr(sync, "STEP", 2)
    monkeypatch.setattr(sync, "CATCH_UP", 0.0)
    behind = threads.held(monkeypatch, sync)

    def rest(*_: Any) -> list[Any]:
        behind.pop()()
        return []

    monkeypatch.setattr("keys.inventory.views.listing._views", rest)
    answer = signed_in.get("/keys/")
    assert answer.context["listing"].total < 7
    assert not answer.context["first_reading"]
    assert not behind
    assert answer.context["progress"] is not None, "nothing says that there are more, and the page does not come back"
    assert "data-read-list" in signed_in.get("/keys/progress/").content.decode()


def test_another_endpoint_is_asked_at_a_limited_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [1000.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(sync.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sync.time, "sleep", sleep)
    reader = sync.InventorySync(None, "c1", "us-east-1", embedded=False)
    for _ in range(100):
        reader._wait()
    assert sum(slept) == pytest.approx(100 * 5 / 40 - 1.5, abs=0.2), (
        "forty calls a second, five a key, after a first burst"
    )


def test_making_a_list_asks_neither_the_endpoint_nor_the_database(django_assert_num_queries: Any) -> None:
    """Whoever makes one has synchronised before, by a function that says so (inventory.sync_in_request)."""
    with django_assert_num_queries(0):
        keys = query.visible_keys("111122223333", "us-east-1", visibility.UNRESTRICTED)
        made = Listing(HttpRequest(), "CUSTOMER", QueryDict("q=red&state=Enabled&sort=-tags"), keys)
    with django_assert_num_queries(1):
        assert list(made.base) == []


def test_a_page_with_many_lists_synchronises_once(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[None] = []
    run = sync.InventorySync.run
    monkeypatch.setattr(sync.InventorySync, "run", lambda *given: (runs.append(None), run(*given))[1])
    assert signed_in.get("/").status_code == 200
    assert len(runs) == 1


def test_a_stale_writer_does_not_undo_a_later_reading(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    old = key_rows.read(account.client(), account.account_id, "us-east-1", key_id, embedded=True)
    account.client().disable_key(KeyId=key_id)
    assert rows(signed_in, "/keys/")[0].state == "Disabled"
    key_rows.write(account.account_id, "us-east-1", {key_id: old}, change=0)
    assert InventoryKey.objects.get(account_id=account.account_id, key_id=key_id).state == "Disabled"


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


def test_a_change_by_a_program_is_in_the_list_at_once(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    assert signed_in.get("/keys/").context["rows"][0].state == "Enabled"
    account.client().disable_key(KeyId=key_id)
    assert signed_in.get("/keys/").context["rows"][0].state == "Disabled"
    (state,) = [facet for facet in signed_in.get("/keys/?state=Disabled").context["facets"] if facet.name == "state"]
    assert [(each.value, each.number, each.chosen) for each in state.values] == [("Disabled", 1, True)]


def test_who_may_not_list_keys_gets_awss_error_and_not_the_inventory(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="long enough")
    browser = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    answer = browser.get("/keys/")
    assert answer.status_code == 403
    assert "is not authorized to perform: kms:ListKeys" in text(answer)
    assert "a secret project" not in text(answer)


def test_a_key_that_may_not_be_described_shows_its_id_only(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    user = account.create_user(
        "ann",
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["kms:ListKeys", "kms:ListAliases"], "Resource": "*"}],
            }
        ),
    )
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    user.password = "long enough"
    (row,) = sign_in_browser(user).get("/keys/?cols=alias&cols=key_id&cols=state").context["rows"]
    assert (row.readable, row.description, row.spec) == (False, "", "")


def test_where_the_database_is_busy_the_rows_are_shown_as_they_are(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.client().create_alias(AliasName="alias/before", TargetKeyId=account.create_key())
    assert "before" in signed_in.get("/keys/").content.decode()

    def held(*_given: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("keys.inventory.sync.InventorySync.run", held)
    account.client().create_alias(AliasName="alias/after", TargetKeyId=account.create_key())
    for page in ("/keys/", "/"):
        answer = signed_in.get(page)
        assert answer.status_code == 200
        assert "after" not in signed_in.get("/keys/").content.decode()


def writes_of(browser: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(address).status_code == 200
    return [each["sql"] for each in asked if each["sql"].startswith(("BEGIN", "INSERT", "UPDATE", "DELETE"))]


@pytest.mark.parametrize("address", ["/", "/keys/", "/play/encrypt/"])
def test_what_other_accounts_change_has_nothing_written_by_a_page(
    account: TestAccount, other_account: TestAccount, signed_in: Client, address: str
) -> None:
    """A page that writes waits for all writers: with a class of accounts each would write for each change of any."""
    account.create_key()
    signed_in.get(address)
    signed_in.get(address)
    other_account.create_key()
    assert writes_of(signed_in, address) == []


def test_an_own_change_is_found_among_many_of_others(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.get("/keys/")
    place = {"account_id": account.account_id, "region": "us-east-1"}
    before = SyncState.objects.get(**place).change
    monkeypatch.setattr(deciding, "FAR", 50)
    others = [transaction.key_entity("999999999999", "us-east-1", str(number)) for number in range(60)]
    with transaction.write():
        transaction.changed(*others)
    key_id = account.create_key()
    with transaction.write():
        transaction.changed(*others)
    assert [row.key_id for row in rows(signed_in, "/keys/")] == [key_id]
    assert SyncState.objects.get(**place).change >= before + 120  # so many are not looked through again
    assert not any("keys_syncstate" in each for each in writes_of(signed_in, "/keys/"))


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


@pytest.mark.parametrize("reader", ["administrator", "who may describe some keys"])
def test_the_cells_of_a_key_among_others_are_those_of_the_key_by_itself(
    account: TestAccount,
    signed_in: Client,
    sample_keys: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    reader: str,
) -> None:
    """What cells have in common is written once for a page."""
    account.create_key()  # has nothing that another has not, but its ID
    if reader != "administrator":
        blue = f"arn:aws:kms:us-east-1:{account.account_id}:key/{sample_keys['blue']}"
        signed_in = person(account, "ann", "kms:DescribeKey", "kms:ListResourceTags", resource=blue)
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
