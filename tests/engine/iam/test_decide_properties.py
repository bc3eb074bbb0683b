"""What holds for all policies: a deny wins, an allow never takes away, a deny less never does, and order means nothing.

By `make walks` of more policies than here. Policies are drawn with conditions, negations and every form of principal; boundary, session policies and grants take part.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.iam.decision_trace import trace as trace_of
from engine.iam.grant_matching import GrantView
from tests.engine.iam.tables import (
    ALICE,
    ALICE_ARN,
    ALLOW,
    BOB,
    BOB_ARN,
    DENY,
    EVERYONE,
    KEY,
    NOBODY,
    OTHER,
    OTHER_ROLE,
    ROLE,
    ROLE_ARN,
    ROOT,
    ROOT_USER,
    S3,
    SESSION_ARN,
    Row,
    Statement,
    allow,
    deny,
    grant,
    told,
)
from tests.support.long_form import examples

CONTEXT = {"kms:keyspec": "RSA_2048", "aws:username": "alice", "aws:tagkeys": ("a", "b"), "aws:securetransport": "true"}
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"StringEquals": {"kms:KeySpec": "RSA_2048"}},
    {"StringEquals": {"kms:KeySpec": "HMAC_256"}},
    {"StringNotEqualsIfExists": {"kms:KeyUsage": "SIGN_VERIFY"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}},
    {"ForAnyValue:StringLike": {"aws:TagKeys": "${aws:username}"}},
    {"Null": {"aws:MultiFactorAuthAge": "true"}},
]


@st.composite
def statements(draw: Any) -> Statement:
    make = draw(st.sampled_from([allow, deny]))
    action = draw(st.sampled_from(["kms:*", "kms:Encrypt", "kms:Decrypt", "*", "iam:*"]))
    resource = draw(st.sampled_from(["*", KEY, f"arn:aws:kms:*:{OTHER}:key/*"]))
    members: dict[str, Any] = {
        draw(st.sampled_from(["Action", "Action", "NotAction"])): action,
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): resource,
        "Condition": draw(st.sampled_from(CONDITIONS)),
    }
    made: Statement = make(f"S{draw(st.integers(0, 10**9))}", **members)
    return made


@st.composite
def key_statements(draw: Any) -> Statement:
    made = draw(statements())
    names = [ROOT, ALICE_ARN, ROLE_ARN, SESSION_ARN, OTHER, BOB_ARN]
    named = draw(
        st.one_of(
            st.just("*"),
            st.just({"Service": "s3.amazonaws.com"}),
            st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(lambda chosen: {"AWS": chosen}),
        )
    )
    negated = made["Effect"] == "Deny" and draw(st.booleans())
    return {**made, "NotPrincipal" if negated else "Principal": named}


grants = st.lists(
    st.builds(grant, st.sampled_from([ALICE_ARN, ROLE_ARN, BOB_ARN, ROOT]), st.sampled_from(["Encrypt", "Sign"])),
    max_size=2,
)


@st.composite
def rows(draw: Any) -> Row:
    def unique(listed: list[Statement]) -> list[Statement]:
        return [{**each, "Sid": f"S{number}"} for number, each in enumerate(listed)]

    boundary = draw(st.none() | st.lists(statements(), min_size=1, max_size=2))
    session = draw(st.none() | st.lists(st.lists(statements(), min_size=1, max_size=2), min_size=1, max_size=2))
    who = draw(st.sampled_from([ALICE, BOB, ROLE, OTHER_ROLE, ROOT_USER, S3]))
    return Row(
        "drawn",
        who,
        "",
        key=unique([NOBODY, *draw(st.lists(key_statements(), max_size=3))]),
        identity=unique(draw(st.lists(statements(), max_size=3))),
        boundary=unique(boundary) if boundary else None,
        session=[unique(each) for each in session] if session and who in (ROLE, OTHER_ROLE) else None,
        grants=draw(grants),
        context=CONTEXT,
    )


def allowed(row: Row) -> bool:
    return row.ask().allowed


@given(rows())
@settings(max_examples=examples(80, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_explicit_deny_always_wins(row: Row) -> None:
    everything = deny("Everything", Action="*")
    assert not allowed(replace(row, key=[*(row.key or []), {**everything, "Principal": "*"}]))
    if row.who is not S3 and row.who is not ROOT_USER:
        assert not allowed(replace(row, identity=[*row.identity, everything]))
        assert not allowed(replace(row, boundary=[*(row.boundary or []), everything]))
    if row.who in (ROLE, OTHER_ROLE):
        assert not allowed(replace(row, session=[*(row.session or []), [everything]]))


@given(rows(), statements(), key_statements())
@settings(max_examples=examples(80, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_more_allow_never_takes_access_away(row: Row, one: Statement, on_key: Statement) -> None:
    if not allowed(row):
        return
    more = {**one, "Sid": "More", "Effect": "Allow"}
    assert allowed(replace(row, identity=[*row.identity, more]))
    if "Principal" in on_key:
        assert allowed(replace(row, key=[*(row.key or []), {**on_key, "Sid": "More", "Effect": "Allow"}]))
    if row.boundary is not None:
        assert allowed(replace(row, boundary=[*row.boundary, more]))
    if row.session is not None:
        assert allowed(replace(row, session=[*row.session, [more]]))
    assert allowed(replace(row, grants=[*row.grants, GrantView("more", ALICE_ARN, frozenset({"Encrypt"}), {})]))


@given(rows())
@settings(max_examples=examples(80, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_deny_less_never_takes_access_away(row: Row) -> None:
    if not allowed(row):
        return
    for name in ("key", "identity", "boundary"):
        listed: list[Statement] = getattr(row, name) or []
        for gone in [each for each in listed if each["Effect"] == "Deny"]:
            kept = [each for each in listed if each is not gone]
            if kept or name != "boundary":
                assert allowed(replace(row, **{name: kept}))


@given(rows())
@settings(max_examples=examples(50, 150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_statements_means_nothing(row: Row) -> None:
    outcomes = {
        (told(asked).split(":")[0])
        for key in itertools.permutations(row.key or [])
        for identity in itertools.permutations(row.identity)
        if (asked := replace(row, key=list(key), identity=list(identity)).ask())
    }
    assert len(outcomes) == 1


@given(rows())
@settings(max_examples=examples(50, 150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_boundary_or_session_policy_never_gives(row: Row) -> None:
    if allowed(row) and all(each["Effect"] == "Allow" for each in row.key or []):
        assert allowed(replace(row, boundary=None, session=None))


@given(rows())
@settings(max_examples=examples(50, 150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_trace_tells_of_every_statement_and_agrees_with_the_decision(row: Row) -> None:
    asked = row.ask()
    trace = trace_of(asked)
    written = [*(row.key or []), *row.identity, *(row.boundary or []), *itertools.chain(*(row.session or []))]
    assert len(trace) == len(written) + len(row.grants)
    matched = {(line.kind, line.statement) for line in trace if line.matched}
    assert {(ref.policy.kind, ref.statement.sid) for ref in asked.deciding} <= matched
    assert all(line.reason for line in trace)


def test_the_rules_are_not_vacuous() -> None:
    assert allowed(Row("", ALICE, "", [EVERYONE], [ALLOW]))
    assert not allowed(Row("", ALICE, "", [EVERYONE], [ALLOW, DENY]))
