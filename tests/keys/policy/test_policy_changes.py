"""What one policy says and another does not, by meaning: order and form are no change, members come and go one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from keys.policy.policy_changes import ADDED, CHANGED, REMOVED, ElementChange, StatementChange, difference
from tests.conftest import TestAccount
from tests.support.answers import text
from tests.support.policies import allow, document

ROOT = "arn:aws:iam::111122223333:root"


def of(older: str, newer: str) -> list[StatementChange]:
    return difference(older, newer).statements


words = st.text(alphabet="abcdefgh:*/", min_size=1, max_size=8)
members = st.one_of(words, st.lists(words, min_size=1, max_size=4))
conditions = st.dictionaries(
    st.sampled_from(["StringEquals", "StringLike", "Bool"]), st.dictionaries(words, members, max_size=3), max_size=2
)
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": members, "Resource": members},
    optional={
        "Sid": words,
        "Principal": st.one_of(st.just("*"), st.dictionaries(st.sampled_from(["AWS", "Service"]), members, max_size=2)),
        "Condition": conditions,
    },
)
policies = st.fixed_dictionaries(
    {"Statement": st.lists(statements, max_size=5)}, optional={"Version": st.just("2012-10-17"), "Id": words}
)


def other_form(value: Any, data: st.DataObject) -> Any:
    """The same, written in another order, and single members with or without a list around them."""
    if isinstance(value, dict):
        names = data.draw(st.permutations(list(value)))
        return {name: other_form(value[name], data) for name in names}
    if isinstance(value, list):
        inner = [other_form(each, data) for each in data.draw(st.permutations(value))]
        return inner[0] if len(inner) == 1 and data.draw(st.booleans()) else inner
    return value


@given(policies, st.data())
def test_another_order_or_form_of_a_policy_is_no_change(policy: dict[str, Any], data: st.DataObject) -> None:
    newer = json.dumps(other_form(policy, data), indent=data.draw(st.sampled_from([None, 1, 4])))
    found = difference(json.dumps(policy), newer)
    assert found.is_empty, found


@given(policies, policies)
def test_what_one_way_adds_the_other_way_removes(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = difference(json.dumps(one), json.dumps(other)), difference(json.dumps(other), json.dumps(one))
    assert there.is_empty == back.is_empty
    for mark, opposite in ((ADDED, REMOVED), (REMOVED, ADDED), (CHANGED, CHANGED)):
        assert [each.mark for each in there.statements].count(mark) == [each.mark for each in back.statements].count(
            opposite
        )


@given(policies, st.sampled_from(["Action", "Resource"]), st.integers(0, 4))
def test_a_member_that_comes_is_the_one_change(policy: dict[str, Any], element: str, place: int) -> None:
    for number, statement in enumerate(policy["Statement"]):
        statement["Sid"] = f"number {number}"
    if not policy["Statement"]:
        return
    newer = json.loads(json.dumps(policy))
    statement = newer["Statement"][place % len(newer["Statement"])]
    before = statement[element] if isinstance(statement[element], list) else [statement[element]]
    statement[element] = ["new", *before]
    (change,) = of(json.dumps(policy), json.dumps(newer))
    assert change.sid == statement["Sid"]
    assert change.elements == (ElementChange(element, ("new",), ()),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (allow("kms:Encrypt", Principal="*"), allow("kms:Encrypt", Principal={"AWS": "*"})),
        (allow("kms:encrypt"), allow("kms:Encrypt")),
        (allow("kms:*", Principal={"AWS": "111122223333"}), allow("kms:*", Principal={"AWS": ROOT})),
        (allow("kms:*", Condition={"Bool": {"a": True}}), allow("kms:*", Condition={"Bool": {"a": "true"}})),
    ],
)
def test_two_ways_to_write_the_same_are_no_change(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert difference(document(one), document(other)).is_empty


def test_a_version_that_is_not_said_is_the_old_one() -> None:
    statement = [allow("kms:*")]
    assert difference(json.dumps({"Statement": statement}), json.dumps({"Version": "2008-10-17", "Statement": statement})).is_empty  # fmt: skip
    (change,) = difference(json.dumps({"Statement": statement}), document(*statement)).document
    assert change == ElementChange("Version", ("2012-10-17",), ("2008-10-17",))


def test_statements_come_go_and_change_with_their_members() -> None:
    older = document(allow(["kms:Encrypt", "kms:Decrypt"], Sid="Use"), allow("kms:Sign", Sid="Gone"))
    newer = document(allow("kms:Verify", Sid="Come"), allow(["kms:Decrypt", "kms:DescribeKey"], Sid="Use"))
    found = of(older, newer)
    assert [(each.mark, each.sid) for each in found] == [(ADDED, "Come"), (CHANGED, "Use"), (REMOVED, "Gone")]
    assert found[1].elements == (ElementChange("Action", ("kms:DescribeKey",), ("kms:Encrypt",)),)


def test_a_statement_without_sid_is_known_again_by_what_it_says() -> None:
    principal = {"AWS": [ROOT, "arn:aws:iam::111122223333:user/ann"]}
    older = document(allow("kms:*", Principal=principal), allow("kms:Sign"))
    newer = document(allow("kms:Sign"), allow("kms:*", Principal={"AWS": [*principal["AWS"], "*"]}))
    (change,) = of(older, newer)
    assert (change.mark, change.elements) == (CHANGED, (ElementChange("Principal AWS", ("*",), ()),))


def test_another_sid_alone_is_told_as_that() -> None:
    (change,) = of(document(allow("kms:*", Sid="Old")), document(allow("kms:*", Sid="New")))
    assert change.elements == (ElementChange("Sid", ("New",), ("Old",)),)


def test_a_condition_that_is_taken_away_is_told_by_operator_and_key() -> None:
    condition = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    (change,) = of(document(allow("kms:*", Condition=condition, Sid="A")), document(allow("kms:*", Sid="A")))
    assert change.elements == (
        ElementChange("Condition StringEquals kms:ViaService", (), ("s3.us-east-1.amazonaws.com",)),
    )


@pytest.mark.parametrize("broken", ["no JSON", "[" * 40 + "]" * 40, "[]", '"\\ud800"'])
def test_what_is_no_policy_is_compared_as_text_alone(broken: str) -> None:
    found = difference(broken, document(allow("kms:*")))
    assert not found.readable
    assert found.lines


def put(account: TestAccount, key_id: str, policy: str) -> str:
    """Puts a key policy. The ID of its event."""
    account.client().put_key_policy(KeyId=key_id, Policy=policy)
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "PutKeyPolicy"}]
    found = account.client("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"]
    return str(found[0]["EventId"])


def test_the_history_tells_a_change_by_meaning_and_folds_the_text(account: TestAccount, signed_in: Client) -> None:
    root = {"AWS": account.root_arn}
    key_id = account.create_key(Policy=document(allow("kms:*", Principal=root)))
    put(account, key_id, document(allow(["kms:*"], Principal={"AWS": [account.root_arn]})))
    page = text(signed_in.get(f"/keys/{key_id}/policy/history/"))
    assert "Both say the same" in page
    assert "<summary>Differences of the text</summary>" in page
    put(account, key_id, document(allow(["kms:*"], Principal=root), allow("kms:Sign", Principal=root, Sid="Signers")))
    page = text(signed_in.get(f"/keys/{key_id}/policy/history/"))
    assert "Statement added" in page
    assert "Signers" in page
    assert "Statement changed" not in page


def test_an_event_shows_the_policy_it_put_and_leads_to_what_it_changed(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    event = put(account, key_id, document(allow("kms:*", Principal={"AWS": account.root_arn}, Sid="Mine")))
    link = f"/keys/{key_id}/policy/history/?to={event}"
    page = text(signed_in.get(f"/audit/{event}/"))
    assert "Key policy" in page
    assert link in page
    assert "Statement removed" in text(signed_in.get(link)) or "Statement changed" in text(signed_in.get(link))
    assert link in text(signed_in.get(f"/audit/?key={key_id}"))
    assert link in text(signed_in.get(f"/keys/{key_id}/tab/timeline/"))


def test_an_event_of_iam_shows_the_policy_it_put(account: TestAccount, signed_in: Client) -> None:
    account.create_user("ann", document(allow("kms:List*")))
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "PutUserPolicy"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"]
    page = signed_in.get(f"/audit/{event['EventId']}/")
    assert [name for name, _policy in page.context["policies"]] == ["policyDocument"]
    assert '"kms:List*"' in page.context["policies"][0][1]
