"""Who gained and lost what with a key between two moments, and because of what: the policy, a grant, their own policies, or time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from engine import clock
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.policies import allow, document, trusting

USE = ["kms:Encrypt", "kms:Decrypt"]


@dataclass(frozen=True)
class World:
    account: TestAccount
    browser: Client
    key: str
    created_later: str
    before: datetime
    after: datetime

    def address(self, key: str) -> str:
        return f"/audit/keys/compare/{key}/"

    def compared(self, key: str, before: datetime, after: datetime | None = None) -> dict[str, list[Any]]:
        asked = {"before": before.isoformat(), **({"after": after.isoformat()} if after else {})}
        answer = self.browser.get(self.address(key), asked)
        assert answer.status_code == 200, answer.content
        return {subject.name: changes for subject, changes in answer.context["rows"]}


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    kms, iam = account.client(), account.client("iam")
    people = {name: account.create_user(name) for name in ("by-policy", "by-grant", "by-iam", "same", "leaves", "late")}
    iam.put_user_policy(UserName="leaves", PolicyName="use", PolicyDocument=document(allow(USE)))
    iam.put_user_policy(UserName="same", PolicyName="use", PolicyDocument=document(allow(USE)))
    key = account.create_key()
    now = clock.now(account.account_id)
    soon = f"{now + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    later = allow("kms:Decrypt", Condition={"DateGreaterThan": {"aws:CurrentTime": soon}})
    iam.put_user_policy(UserName="late", PolicyName="later", PolicyDocument=document(later))
    before = clock.now(account.account_id) + timedelta(seconds=1)
    account.move_clock(days=2)
    named = allow("kms:Decrypt", Sid="More", Principal={"AWS": people["by-policy"].arn})
    kms.put_key_policy(KeyId=key, Policy=trusting(account, named))
    kms.create_grant(KeyId=key, GranteePrincipal=people["by-grant"].arn, Operations=["Decrypt"])
    iam.put_user_policy(UserName="by-iam", PolicyName="use", PolicyDocument=document(allow(USE)))
    iam.delete_user_policy(UserName="leaves", PolicyName="use")
    iam.delete_access_key(UserName="leaves", AccessKeyId=people["leaves"].access_key_id)
    iam.delete_user(UserName="leaves")
    created_later = account.create_key()
    account.move_clock(days=2)
    return World(
        account, sign_in_browser(account.administrator), key, created_later, before, clock.now(account.account_id)
    )


def test_each_gain_and_loss_is_told_with_what_alone_would_undo_it(world: World) -> None:
    """Who may by a condition on the time depends on the request at both moments, and is not among them."""
    found = world.compared(world.key, world.before)
    told = {
        name: [
            (each.mark, [str(one.label) for one in each.columns], [str(one) for one in each.causes]) for each in rows
        ]
        for name, rows in found.items()
    }
    assert told == {
        "by-policy": [("gained", ["Decrypt"], ["Key policy"])],
        "by-grant": [("gained", ["Decrypt"], ["Grants"])],
        "by-iam": [("gained", ["Encrypt", "Decrypt"], ["Policies, groups or tags of the principal"])],
        "leaves": [("lost", ["Encrypt", "Decrypt"], ["The principal was deleted"])],
    }


def test_each_answer_says_how_it_was_decided_and_leads_to_its_explanation_then(world: World) -> None:
    (change,) = world.compared(world.key, world.before)["by-policy"]
    assert change.sentences == (
        "Denied: the key policy leaves it to the principal's account, and no identity-based policy allows it.",
        "Allowed: the key policy names the principal.",
    )
    before, now = change.addresses
    assert "as_of=" in before
    assert "as_of=" not in now
    assert change.sentences[0] in unescape(world.browser.get(before).content.decode())
    assert change.sentences[1] in unescape(world.browser.get(now).content.decode())
    (gone,) = world.compared(world.key, world.before)["leaves"]
    assert gone.addresses[1] == ""


def test_a_key_that_was_made_in_between_gave_what_it_gives(world: World) -> None:
    rows = world.compared(world.created_later, world.before)
    assert {str(each.causes[0]) for changes in rows.values() for each in changes} == {"The key was created"}
    assert "same" in rows


def test_nobody_is_shown_where_nothing_changed(world: World) -> None:
    answer = world.browser.get(world.address(world.key), {"before": world.after.isoformat()})
    assert "Nobody gained or lost anything" in answer.content.decode()


def test_a_deny_that_wins_takes_away(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    ann = account.create_user("ann", document(allow("kms:*")))
    before = clock.now(account.account_id) + timedelta(seconds=1)
    account.move_clock(days=1)
    refused = allow("kms:Decrypt", Sid="No", Principal={"AWS": ann.arn}) | {"Effect": "Deny"}
    kms.put_key_policy(KeyId=key, Policy=trusting(account, refused))
    rows = signed_in.get(f"/audit/keys/compare/{key}/", {"before": before.isoformat()}).context["rows"]
    ((subject, (change,)),) = rows
    assert (subject.name, change.mark, [str(each) for each in change.causes]) == ("ann", "lost", ["Key policy"])
    assert "Effect Deny" in change.sentences[1]


@pytest.mark.parametrize(("asked", "status"), [({"before": "soon"}, 422), ({"before": ""}, 422), ({}, 200)])
def test_what_is_no_pair_of_moments_is_told_beside_the_field(world: World, asked: dict[str, str], status: int) -> None:
    answer = world.browser.get(world.address(world.key), asked)
    assert answer.status_code == status
    assert ("field-error" in answer.content.decode()) is (status == 422)


def test_a_key_of_which_the_record_tells_nothing_is_said(world: World) -> None:
    answer = world.browser.get(world.address("no-such-key"), {"before": world.before.isoformat()})
    assert answer.status_code == 404
    assert "no such key" in answer.content.decode()


def test_the_access_tab_and_the_comparison_of_keys_lead_here(world: World) -> None:
    address = world.address(world.key)
    assert address in world.browser.get(f"/keys/{world.key}/tab/access/").content.decode()
    then = world.browser.get(f"/keys/{world.key}/tab/access/", {"as_of": world.before.isoformat()}).content.decode()
    assert f"{address}?before=" in then
    compared = world.browser.get("/audit/keys/compare/", {"before": world.before.isoformat()}).content.decode()
    assert f"{address}?before=" in compared
