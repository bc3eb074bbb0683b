"""What a principal may read of many keys is what it may read of each of them, and is worked out for all together."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from botocore import xform_name
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine import clock, denials, premises, shared_decisions, visibility
from tests.conftest import TestAccount, TestUser
from tests.support.policies import asks

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
    assert dict(denials.denied_actions(who, READS)) == expected
    one = list(expected)[1]
    assert dict(denials.denied_actions(who, READS, [one])) == {one: expected[one]}


def test_a_grant_allows_what_no_policy_does(account: TestAccount) -> None:
    who, expected = a_reader(account), some_keys(account, 0)
    plain = next(iter(expected))
    account.client().create_grant(KeyId=plain, GranteePrincipal=who.context.principal.arn, Operations=["DescribeKey"])
    assert dict(denials.denied_actions(who, READS))[plain] == ("ListResourceTags",)


def test_many_keys_take_no_more_questions_to_the_database_than_few(account: TestAccount) -> None:
    who = a_reader(account)
    asked, denied = [], 0
    for turn in range(4):
        some_keys(account, turn)
        with CaptureQueriesContext(connection) as queries:
            denied = len(list(denials.denied_actions(who, READS)))
            refusals = denials.refusals(who, "DescribeKey", [key for key, _ in denials.denied_actions(who, READS)])
        asked.append(len(queries))
    assert denied == 12
    assert len(refusals) == 8
    assert asked[0] == asked[-1]


def told(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"Condition": asks(key, operator, *values)}


KEY = "arn:aws:kms:us-east-1:*:key/"
# What decides about a key in each way there is: its tags, aliases, facts, ARN, and what a principal's own tags say.
STATEMENTS = (
    told("aws:ResourceTag/team", "StringEquals", "blue"),
    told("aws:ResourceTag/team", "StringNotEquals", "blue"),
    told("aws:ResourceTag/team", "Null", "true"),
    told("aws:ResourceTag/${kms:KeySpec}", "StringLike", "*"),
    told("aws:ResourceTag/team", "StringEqualsIfExists", "${aws:ResourceTag/owner}"),
    told("kms:ResourceAliases", "ForAnyValue:StringLike", "alias/a*"),
    told("kms:ResourceAliases", "ForAllValues:StringEquals", "alias/a", "alias/b"),
    told("kms:KeySpec", "StringEquals", "HMAC_256"),
    told("kms:KeySpec", "StringNotEquals", "${aws:ResourceTag/owner, 'HMAC_256'}"),
    told("kms:MultiRegion", "Bool", "true"),
    told("kms:KeyOrigin", "StringEquals", "EXTERNAL") | told("kms:KeyUsage", "StringLike", "GEN*"),
    {"Resource": [f"{KEY}0*", f"{KEY}1*", f"{KEY}2*", f"{KEY}3*"]},
    {"NotResource": [f"{KEY}0*", f"{KEY}a*"]},
    {"Resource": f"{KEY}${{aws:ResourceTag/start}}*"},
    {"Resource": f"{KEY}*", **told("aws:ResourceTag/team", "StringLike", "b*", "r?d")},
    {},
)


def many_keys(account: TestAccount) -> list[str]:
    """Keys of which some are alike in all, some in one thing or other."""
    found = []
    for number in range(12):
        tags = [{"TagKey": "team", "TagValue": ("blue", "red", "BLUE")[number % 3]}] if number % 4 else []
        tags += [{"TagKey": "owner", "TagValue": ("blue", "HMAC_256")[number % 2]}] if number % 5 == 0 else []
        tags += [{"TagKey": "start", "TagValue": "4"}] if number % 6 == 1 else []
        more = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"} if number % 3 == 2 else {}
        found.append(account.create_key(Tags=tags, MultiRegion=number % 7 == 3, **more))
        for name in ("a", "b", "other")[: number % 4]:
            account.client().create_alias(
                AliasName=f"alias/{name}{'' if number == 3 else number}", TargetKeyId=found[-1]
            )
    return found


def test_what_is_decided_for_many_keys_is_what_is_decided_for_each(account: TestAccount) -> None:
    """For policies that ask for everything a key has, in every order: an allowance of one thing, a denial of another."""
    key_ids = many_keys(account)
    user = account.create_user("reader")
    iam = account.client("iam")
    for number, allowed in enumerate(STATEMENTS):
        others = [STATEMENTS[(number * step + 3) % len(STATEMENTS)] for step in (3, 5, 7)]
        statements = [
            {"Effect": "Allow", "Action": "kms:*", "Resource": "*", **allowed},
            {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*", **others[0]},
            {"Effect": "Deny", "Action": "kms:List*", "Resource": "*", **others[1]},
            {
                "Effect": "Deny",
                "NotAction": "kms:List*",
                "Resource": "*",
                **others[2],
                **told("aws:PrincipalTag/x", "Null", "false"),
            },
        ]
        for each in statements:
            if "NotResource" in each:
                each.pop("Resource", None)
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="reader", PolicyName="test", PolicyDocument=document)
        who = visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
        one_by_one = {}
        for key_id, (row, values) in visibility.with_conditions(who, key_ids).items():
            refused = tuple(each for each in READS if not visibility.for_key(who, each, row, values, ()))
            if refused:
                one_by_one[key_id] = refused
        assert dict(denials.denied_actions(who, READS)) == one_by_one, document


def test_keys_that_differ_in_nothing_that_is_asked_for_take_one_decision(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is what lets the first page of a list of 100,000 keys come at once."""
    made = []
    decide = shared_decisions.decide
    monkeypatch.setattr(shared_decisions, "decide", lambda *asked: made.append(asked) or decide(*asked))
    who, numbers = a_reader(account), []
    for turn in range(3):
        for name in "abcd":
            tags = [{"TagKey": "team", "TagValue": "green"}, {"TagKey": "name", "TagValue": f"{name}{turn}"}]
            account.create_key(Tags=tags)  # no two have the same tags, and no policy asks for the names
        made.clear()
        assert len(dict(denials.denied_actions(who, READS))) == 4 * (turn + 1)
        numbers.append(len(made))
    assert numbers == [len(READS)] * 3


def test_actions_that_the_same_statements_are_about_take_one_decision(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each key has something of its own that a policy asks for, a decision for each is left."""
    named = [account.create_key() for _ in range(3)]
    for number, key_id in enumerate(named):
        account.client().create_alias(AliasName=f"alias/{number}", TargetKeyId=key_id)
    by_alias = told("kms:ResourceAliases", "ForAnyValue:StringEquals", "alias/1")
    deny = {"Effect": "Deny", "Action": ["kms:List*", "kms:GetKeyPolicy"], "Resource": "*", **by_alias}
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, deny]
    user = account.create_user("by-alias", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    who = visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
    made = []
    decide = shared_decisions.decide
    monkeypatch.setattr(shared_decisions, "decide", lambda *asked: made.append(asked) or decide(*asked))
    assert dict(denials.denied_actions(who, READS)) == {named[1]: READS[1:]}
    assert len(made) == 1 + len(named)  # of describing, of which nothing is asked; of both others for each key


def test_what_is_the_same_for_all_keys_is_decided_without_a_look_at_them(account: TestAccount) -> None:
    for _ in range(3):
        account.create_key()
    deny = {"Effect": "Deny", "Action": "kms:ListResourceTags", "Resource": "*"}
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, deny]
    user = account.create_user("plain", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    who = visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
    with CaptureQueriesContext(connection) as queries:
        assert denials.Denials(who, READS).of_all() == ("ListResourceTags",)
    assert len(queries) == 2  # the grants to the principal, the different key policies
    assert denials.Denials(a_reader(account), READS).of_all() is None


def viewer_of(user: TestUser, source_ip: str = "127.0.0.1") -> visibility.Viewer:
    return visibility.viewer(user.access_key_id, "", "us-east-1", source_ip, secure=False)


def refused_calls(user: TestUser, key_id: str) -> tuple[str, ...]:
    """What the calls themselves answer."""
    kms, refused = user.client(), []
    for action, more in {"DescribeKey": {}, "ListResourceTags": {}, "GetKeyPolicy": {"PolicyName": "default"}}.items():
        with suppress(kms.exceptions.ClientError):
            getattr(kms, xform_name(action))(KeyId=key_id, **more)
            continue
        refused.append(action)
    return tuple(refused)


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_key_policy_and_a_grant_are_about_whom_they_named(account: TestAccount, effect: str) -> None:
    """Who is made anew under the name of somebody who is gone is not told what that one was; who is renamed is."""
    iam = account.client("iam")
    everything = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    policy = everything if effect == "Deny" else None
    user = account.create_user("somebody", policy)
    statement = {"Effect": effect, "Principal": {"AWS": user.arn}, "Action": "kms:DescribeKey", "Resource": "*"}
    root = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "kms:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [root, statement]})
    named, granted, bound = account.create_key(Policy=document), account.create_key(), account.create_key()
    if effect == "Allow":
        source = {"SourceArn": "arn:aws:lambda:us-east-1:123456789012:function:x"}
        for key_id, constraints in ((granted, {}), (bound, source)):
            account.client().create_grant(
                KeyId=key_id, GranteePrincipal=user.arn, Operations=["DescribeKey"], Constraints=constraints
            )

    def decided(who: TestUser) -> dict[str, tuple[str, ...]]:
        found = dict(denials.denied_actions(viewer_of(who), READS))
        told = {key_id: found.get(key_id, ()) for key_id in (named, granted, bound)}
        assert told == {key_id: refused_calls(who, key_id) for key_id in told}
        return told

    before = decided(user)
    assert ("DescribeKey" in before[named]) == (effect == "Deny")
    iam.update_user(UserName="somebody", NewUserName="renamed")
    assert decided(user) == before
    for key in iam.list_access_keys(UserName="renamed")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="renamed", AccessKeyId=key["AccessKeyId"])
    for name in iam.list_user_policies(UserName="renamed")["PolicyNames"]:
        iam.delete_user_policy(UserName="renamed", PolicyName=name)
    iam.delete_user(UserName="renamed")
    assert decided(account.create_user("somebody", policy))[named] != before[named]


def test_a_key_that_is_not_there_is_told_of_to_nobody(account: TestAccount) -> None:
    who = a_reader(account)
    assert dict(denials.Denials(who, READS).of_each(["gone"])) == {}


@pytest.mark.parametrize(
    ("condition", "calls"),
    [
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, ["10.0.0.1", "10.0.0.2", "11.0.0.1"]),
        ({"StringNotLike": {"aws:SourceIp": "11.*"}}, ["10.0.0.1", "10.0.0.1", "11.0.0.1"]),
    ],
)
def test_what_is_decided_by_how_a_principal_calls_holds_for_such_a_call_alone(
    account: TestAccount, condition: dict[str, object], calls: list[str]
) -> None:
    allowed = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*", "Condition": condition}
    own = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "kms:*", "Resource": "*"}
    account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed, own]}))
    user = account.create_user("caller")
    made = denials.Denials(viewer_of(user, calls[0]), READS)
    assert not [refused for key_id, refused in made.of() if refused == READS]
    stated = json.loads(json.dumps(made.premises()))
    assert premises.hold(viewer_of(user, calls[0]).context, stated)
    assert premises.hold(viewer_of(user, calls[1]).context, stated) == (calls[0] == calls[1])
    assert not premises.hold(viewer_of(user, calls[2]).context, stated)


def test_of_the_time_only_what_conditions_make_of_it_counts(account: TestAccount) -> None:
    until = (clock.now(account.account_id) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"DateGreaterThan": {"aws:CurrentTime": until}}
    statements = [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*", "Condition": condition},
    ]
    user = account.create_user("caller", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    account.create_key()
    made = denials.Denials(viewer_of(user), READS)
    assert dict(made.of()) == {}
    account.move_clock(minutes=30)
    assert premises.hold(viewer_of(user).context, made.premises())
    account.move_clock(minutes=31)
    assert not premises.hold(viewer_of(user).context, made.premises())
