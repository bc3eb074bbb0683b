"""What a principal may read of many keys is what it may read of each of them, and is worked out for all together."""

from __future__ import annotations

import json

from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine import visibility
from tests.conftest import TestAccount

READS = ("DescribeKey", "ListResourceTags", "GetKeyPolicy")
BLUE = [{"TagKey": "team", "TagValue": "blue"}]


def a_reader(account: TestAccount) -> visibility.Viewer:
    """Who reads the policies of all keys, the tags of blue ones, and describes those with an alias of its own."""
    allowed = [
        {"Action": "kms:GetKeyPolicy"},
        {"Action": "kms:ListResourceTags", "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}},
        {
            "Action": "kms:DescribeKey",
            "Condition": {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/reader-*"}},
        },
    ]
    statements = [{"Effect": "Allow", "Resource": "*", **each} for each in allowed]
    user = account.create_user("reader", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)


def some_keys(account: TestAccount, turn: int) -> dict[str, tuple[str, ...]]:
    """Key ID → what the reader is denied of it."""
    plain, blue, named = (account.create_key(**more) for more in ({}, {"Tags": BLUE}, {}))
    account.client().create_alias(AliasName=f"alias/reader-{turn}", TargetKeyId=named)
    return {plain: READS[:2], blue: READS[:1], named: READS[1:2]}


def test_what_is_denied_of_each_key_is_decided_by_its_own_facts(account: TestAccount) -> None:
    who, expected = a_reader(account), some_keys(account, 0)
    assert dict(visibility.denied_actions(who, READS)) == expected
    one = list(expected)[1]
    assert dict(visibility.denied_actions(who, READS, [one])) == {one: expected[one]}


def test_a_grant_allows_what_no_policy_does(account: TestAccount) -> None:
    who, expected = a_reader(account), some_keys(account, 0)
    plain = next(iter(expected))
    account.client().create_grant(KeyId=plain, GranteePrincipal=who.context.principal.arn, Operations=["DescribeKey"])
    assert dict(visibility.denied_actions(who, READS))[plain] == ("ListResourceTags",)


def test_many_keys_take_no_more_questions_to_the_database_than_few(account: TestAccount) -> None:
    who = a_reader(account)
    asked, denied = [], 0
    for turn in range(4):
        some_keys(account, turn)
        with CaptureQueriesContext(connection) as queries:
            denied = len(list(visibility.denied_actions(who, READS)))
            refusals = visibility.refusals(
                who, "DescribeKey", [key for key, _ in visibility.denied_actions(who, READS)]
            )
        asked.append(len(queries))
    assert denied == 12
    assert len(refusals) == 8
    assert asked[0] == asked[-1]
