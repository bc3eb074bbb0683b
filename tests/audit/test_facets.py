"""Facets of the audit page: by kind of call, user, key, error and source address, with true counts or "at least"."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from audit import search as audit_search
from engine.public.vocabulary import kind_of_call
from engine.trail import search, search_question
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person


def facets(answer: Any) -> dict[str, dict[str, int]]:
    return {
        facet.name: {each.value.rpartition("/")[2]: each.number for each in facet.values}
        for facet in answer.context["facets"]
    }


@pytest.fixture
def used(account: TestAccount) -> str:
    """A key, made and encrypted with three times by the administrator; ann was denied once."""
    key_id = account.create_key()
    for _ in range(3):
        account.client().encrypt(KeyId=key_id, Plaintext=b"x")
    ann = account.create_user("ann", document(allow("kms:ListKeys")))
    with pytest.raises(ClientError):
        ann.client().encrypt(KeyId=key_id, Plaintext=b"x")
    account.client().list_keys()
    return key_id


def test_events_are_counted_by_kind_user_key_error_and_source(
    account: TestAccount, signed_in: Client, used: str
) -> None:
    other = account.create_key()
    found = facets(signed_in.get("/audit/"))
    assert found["kind"]["use"] == 3
    assert found["kind"]["denied"] == 1
    assert found["kind"]["read"] >= 1
    assert found["user"]["ann"] == 1
    assert found["key"] == {used: 5, other: 1}
    assert found["error"] == {"AccessDenied": 1}


@pytest.mark.parametrize("narrowed", ["kind=use", "kind=denied", "kind=write", "kind=read", "user=ann", "error=Access"])
def test_a_facet_s_number_is_that_of_the_rows_it_leads_to(signed_in: Client, used: str, narrowed: str) -> None:
    before = signed_in.get("/audit/")
    answer = signed_in.get(f"/audit/?{narrowed}")
    name, _, value = narrowed.partition("=")
    counted = facets(before)[name]
    number = counted.get(value) or sum(n for each, n in counted.items() if each.startswith(value))
    assert len(answer.context["events"]) == number
    assert all(event["kind"] == value for event in answer.context["events"] if name == "kind")


def test_facets_combine_with_the_other_filters_and_are_taken_away_by_a_link(signed_in: Client, used: str) -> None:
    answer = signed_in.get(f"/audit/?kind=use&key={used}&after=")
    assert facets(answer)["key"] == {used: 3}
    assert [event["name"] for event in answer.context["events"]] == ["Encrypt"] * 3
    page = text(answer)
    assert f'href="?key={used}"' in page, "the chosen kind is removed by its own link"
    assert "kind=use" in page


def test_a_value_that_a_menu_has_no_room_for_is_searched_in_it(
    account: TestAccount, signed_in: Client, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = account.create_key()
    monkeypatch.setattr(audit_search, "FACET_VALUES", 1)
    answer = signed_in.get("/audit/?kind=write&after=")
    (keys,) = [facet for facet in answer.context["facets"] if facet.name == "key"]
    assert keys.others == 1
    assert {keys.values[0].words, *keys.offered} == {used, other}
    page = text(answer)
    assert "Key: 1 more value" in page
    assert '<input type="hidden" name="kind" value="write"' in page
    assert f'<option value="{keys.offered[0]}"' in page
    assert [event["name"] for event in signed_in.get(f"/audit/?kind=write&key={other}").context["events"]] == [
        "CreateKey"
    ]


def test_what_there_was_no_time_to_count_is_at_least(
    signed_in: Client, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "at least" not in text(signed_in.get("/audit/"))
    monkeypatch.setattr(search, "SURVEY_SECONDS", 0.0)
    answer = signed_in.get("/audit/?reads=on")
    assert not any(facet.whole for facet in answer.context["facets"])
    assert "at least 1" in text(answer)


def test_a_search_that_only_the_records_answer_looks_as_far_as_its_time_goes_and_goes_on(
    signed_in: Client, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/audit/?text={used}&kind=use"
    monkeypatch.setattr(search, "PAGE_SECONDS", 0.0)
    monkeypatch.setattr(search_question, "CHUNK", 1)
    names: list[str] = []
    after = ""
    for _ in range(60):
        answer = signed_in.get(f"{address}&after={after}")
        names += [event["name"] for event in answer.context["events"]]
        if not (after := answer.context["after"]):
            break
        assert "Searched back to" in text(answer)
        assert "No event matches" not in text(answer)
    assert names == ["Encrypt"] * 3


def test_an_empty_list_that_nothing_narrows_offers_no_filter_to_clear(signed_in: Client) -> None:
    signed_in.post("/region/", {"region": "eu-west-3", "next": "/"})
    assert "No event of this Region." in text(signed_in.get("/audit/"))
    signed_in.get("/keys/")
    page = text(signed_in.get("/audit/"))
    assert "No event of this Region but what this console has read." in page
    assert "Clear the filter" not in page
    assert "The record tells of no key in this Region." in (states := text(signed_in.get("/audit/keys/")))
    assert "Clear the filter" not in states
    then = text(signed_in.get("/audit/keys/?as_of=2020-01-01"))
    assert "Clear the filter" not in then
    assert "To the present" in then
    assert "Clear the filter" in text(signed_in.get("/audit/?kind=write"))


def test_pages_have_each_event_once(account: TestAccount, signed_in: Client) -> None:
    for _ in range(120):
        account.client().list_keys()
    seen: list[str] = []
    after = ""
    while True:
        answer = signed_in.get(f"/audit/?operation=ListKeys&after={after}")
        seen += [event["id"] for event in answer.context["events"]]
        after = answer.context["after"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 120


def test_who_may_only_look_events_up_gets_events_and_no_refusal_is_recorded(account: TestAccount, used: str) -> None:
    ben = sign_in_browser(person(account, "ben", document(allow(["kms:*", "cloudtrail:LookupEvents"]))))
    answer = ben.get("/audit/?kind=use")
    assert [event["name"] for event in answer.context["events"]] == ["Encrypt"] * 3
    assert answer.context["facets"] == []
    account.client("cloudtrail")
    denied = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ReadRecord"}]
    )["Events"]
    assert not [event for event in denied if event["Username"] == "ben"]


def test_one_reading_of_the_record_answers_a_page_with_its_facets(account: TestAccount, signed_in: Client) -> None:
    signed_in.get("/audit/?kind=denied&user=ann")
    asked = [event["name"] for event in signed_in.get("/audit/?reads=on").context["events"]]
    assert asked.count("ReadRecord") == 1
    assert "LookupEvents" not in asked


@pytest.mark.parametrize(
    ("operation", "read_only", "kind"),
    [
        ("Encrypt", True, "use"),
        ("GenerateRandom", True, "use"),
        ("DescribeKey", True, "read"),
        ("PutKeyPolicy", False, "write"),
        ("CreateUser", False, "write"),
        ("ListUsers", True, "read"),
    ],
)
def test_the_kind_of_a_call_is_read_from_the_table_of_operations(operation: str, read_only: bool, kind: str) -> None:
    assert kind_of_call(operation, read_only=read_only) == kind


def test_a_place_to_go_on_at_that_is_no_number_of_an_event_is_refused(signed_in: Client) -> None:
    assert signed_in.get("/audit/", {"after": "9" * 4_301}).status_code == 400
