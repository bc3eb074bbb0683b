"""All values of a facet: searched, a page at a time, each leading to the list narrowed to it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.inventory import key_rows, lists
from keys.inventory.models import InventoryKey
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person


def tag(account: TestAccount) -> None:
    """15 owners, of which the last has two keys."""
    for number in (*range(15), 14):
        account.create_key(Tags=[{"TagKey": "owner", "TagValue": f"team {number:02}"}])


@pytest.fixture
def tagged(account: TestAccount) -> None:
    tag(account)


@pytest.fixture(scope="module")
def reader(prepared: object) -> Client:
    """Who looks at such keys of an account that no test changes."""
    account = new_account()
    tag(account)
    return sign_in_browser(account.administrator)


def values(answer: Any) -> dict[str, Any]:
    return {each.value: each.number for each, _address in answer.context["rows"]}


def test_a_facet_with_more_values_than_its_menu_leads_to_all_of_them(reader: Client) -> None:
    page = reader.get("/keys/")
    (tags,) = (facet for facet in page.context["facets"] if facet.name == "tag")
    assert len(tags.values) == lists.VALUES_SHOWN
    assert "/keys/values/?manager=CUSTOMER&amp;facet=tag" in text(page)
    answer = reader.get("/keys/values/?facet=tag&manager=CUSTOMER")
    assert values(answer) == {f"owner=team {number:02}": 2 if number == 14 else 1 for number in range(15)}
    for each, address in answer.context["rows"][-2:]:
        assert reader.get(address).context["listing"].total == each.number


@pytest.mark.parametrize(
    ("within", "found"), [("M 1", 5), ("owner=team 07", 1), ("owner", 15), ("=", 15), ("customer", 0), ("nobody", 0)]
)
def test_values_are_searched_by_key_and_value(reader: Client, within: str, found: int) -> None:
    for narrowed in ({}, {"state": "Enabled"}):
        assert len(values(reader.get("/keys/values/", {"within": within, **narrowed}))) == found, narrowed


def test_the_list_s_other_filters_hold_and_come_back(account: TestAccount, signed_in: Client, tagged: None) -> None:
    account.create_key(Description="nightly", Tags=[{"TagKey": "owner", "TagValue": "night"}])
    answer = signed_in.get("/keys/values/?facet=tag&q=nightly&cols=tags")
    assert values(answer) == {"owner=night": 1}
    ((_each, address),) = answer.context["rows"]
    assert address == "/keys/?q=nightly&cols=tags&tag=owner%3Dnight"
    assert "/keys/?q=nightly&amp;cols=tags&amp;tag=owner" in text(answer)


def test_the_page_stands_under_its_list(reader: Client) -> None:
    assert 'href="/keys/values/"' not in text(reader.get("/keys/values/")), "no page of a key called values"
    assert "<h1>AWS managed keys: Tag</h1>" in text(reader.get("/keys/values/?manager=AWS"))


def test_any_value_of_a_tag_key_is_one_link(reader: Client) -> None:
    ((key, address),) = reader.get("/keys/values/").context["keys_of_tags"]
    assert key == "owner"
    assert reader.get(address).context["listing"].total == 16


@pytest.mark.parametrize(
    "address", ["/keys/?q=tag:owner", "/keys/?tag=owner", "/keys/?q=tag:owner&tag=owner&state=Enabled"]
)
def test_a_tag_that_every_key_has_takes_no_counting_and_one_that_nearly_every_key_has_is_counted(
    account: TestAccount, signed_in: Client, tagged: None, address: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert signed_in.get(address).context["listing"].total == 16
    grouped = [each["sql"].partition("GROUP BY")[2] for each in queries]
    assert not any("regionality" in columns for columns in grouped)
    account.create_key(Tags=[{"TagKey": "Owner", "TagValue": "another"}])
    assert signed_in.get(address).context["listing"].total == 16
    assert signed_in.get("/keys/?q=tag:Owner").context["listing"].total == 1


def test_a_page_of_values_has_fifty_and_leads_on(account: TestAccount, signed_in: Client) -> None:
    tags = [{"TagKey": f"key {number:02}", "TagValue": "a"} for number in range(50)]
    account.create_key(Tags=tags)
    account.create_key(Tags=[{"TagKey": "key 50", "TagValue": "a"}])
    first = signed_in.get("/keys/values/")
    assert len(values(first)) == 50
    assert "part=2" in text(first)
    second = signed_in.get("/keys/values/?facet=tag&part=2")
    assert values(second) == {"key 50=a": 1}
    assert "part=3" not in text(second)


def test_other_facets_are_searched_by_constant_and_by_words(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    assert values(signed_in.get("/keys/values/?facet=usage&within=sign")) == {"SIGN_VERIFY": 1}
    assert values(signed_in.get("/keys/values/?facet=usage&within=and")) == {"ENCRYPT_DECRYPT": 1, "SIGN_VERIFY": 1}
    assert values(signed_in.get("/keys/values/?facet=spec&within=rsa")) == {"RSA_2048": 1}
    assert signed_in.get("/keys/values/?facet=description").status_code == 404


def test_tags_that_may_not_be_read_are_no_values(account: TestAccount, tagged: None) -> None:
    ann = sign_in_browser(person(account, "ann", document(allow(["kms:ListKeys", "kms:DescribeKey"]))))
    assert values(ann.get("/keys/values/")) == {}


def test_the_page_asks_as_little_of_a_thousand_tags_as_of_ten(account: TestAccount, signed_in: Client) -> None:
    place = {"account_id": account.account_id, "region": "us-east-1"}

    def asked(number: int) -> int:
        rows = [
            InventoryKey(
                **place, key_id=f"{number}-{each}", state="Enabled", spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT",
                manager="CUSTOMER", created=timezone.now(), tags={"n": f"{number}-{each}"},
            )
            for each in range(number)
        ]  # fmt: skip
        InventoryKey.objects.bulk_create(rows)
        key_rows.recount(**place)
        signed_in.get("/keys/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = signed_in.get("/keys/values/")
        assert len(answer.content) < 60_000
        return len(queries)

    few = asked(10)
    assert asked(1_000) <= few
