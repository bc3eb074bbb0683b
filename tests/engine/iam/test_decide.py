"""The decision as tables: policies, request, expected outcome and what decided. Pure; no clock, no database."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.iam.conditions import OPERATORS, compile_block
from engine.iam.decide import GrantView, Policies, Request, access_denied_message, decide
from engine.iam.policy import CompiledPolicy, MalformedPolicy, compile_policy
from engine.iam.principal import Principal, SessionFacts

ACCOUNT, OTHER = "111122223333", "444455556666"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/one"
ALICE = Principal("user", ACCOUNT, ALICE_ARN, "AIDAALICE0000000000", "alice", {"team": "blue"})
STRANGER = Principal("user", OTHER, f"arn:aws:iam::{OTHER}:user/bob", "AIDABOB000000000000", "bob")
ROOT_USER = Principal("root", ACCOUNT, ROOT, ACCOUNT)
S3 = Principal("service", "", "", "", invoked_by="s3.amazonaws.com")


def session(policies: tuple[CompiledPolicy, ...] = ()) -> Principal:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    facts = SessionFacts("one", ROLE_ARN, "AROAAPP000000000000", now, now, policies=policies)
    return Principal("assumed-role", ACCOUNT, SESSION_ARN, "AROAAPP000000000000:one", "one", session=facts)


def statement(effect: str = "Allow", action: Any = "kms:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def compiled(*statements: dict[str, Any], kind: Any = "identity") -> CompiledPolicy:
    return compile_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), name=kind, kind=kind)


def key_policy(*statements: dict[str, Any]) -> CompiledPolicy:
    return compiled(*statements, kind="resource")


TRUSTS_ACCOUNT = statement(Principal={"AWS": ROOT})
NAMES_ALICE = statement(Principal={"AWS": ALICE_ARN})
NAMES_ROLE = statement(Principal={"AWS": ROLE_ARN})
NAMES_SESSION = statement(Principal={"AWS": SESSION_ARN})
ANYONE = statement(Principal="*")
DENIES_ALICE = statement("Deny", Principal={"AWS": ALICE_ARN})
DENIES_ACCOUNT = statement("Deny", Principal={"AWS": ROOT})
TRUSTS_OTHER = statement(Principal={"AWS": OTHER})
ALLOWS, DENIES, OTHER_ACTION = statement(), statement("Deny"), statement(action="kms:Sign")

# principal, key policy, identity policy, boundary → allowed, reason, lacking
DECISIONS: list[tuple[str, Principal, list[Any], list[Any], list[Any] | None, bool, str, str]] = [
    ("the account is trusted and IAM allows", ALICE, [TRUSTS_ACCOUNT], [ALLOWS], None, True, "allowed-by-identity", ""),
    ("the account is trusted but IAM is silent", ALICE, [TRUSTS_ACCOUNT], [], None, False, "not-allowed", "identity"),
    (
        "the account is trusted, IAM allows another action",
        ALICE,
        [TRUSTS_ACCOUNT],
        [OTHER_ACTION],
        None,
        False,
        "not-allowed",
        "identity",
    ),
    (
        "the account is not trusted: IAM alone does not count",
        ALICE,
        [statement(Principal={"AWS": ROLE_ARN})],
        [ALLOWS],
        None,
        False,
        "not-allowed",
        "resource",
    ),
    (
        "a principal named in the key policy needs no IAM policy",
        ALICE,
        [NAMES_ALICE],
        [],
        None,
        True,
        "allowed-by-resource",
        "",
    ),
    ("everyone is allowed by the key policy", ALICE, [ANYONE], [], None, True, "allowed-by-resource", ""),
    ("an IAM deny wins over the key policy", ALICE, [NAMES_ALICE], [DENIES], None, False, "explicit-deny", "identity"),
    (
        "a key policy deny wins over IAM",
        ALICE,
        [TRUSTS_ACCOUNT, DENIES_ALICE],
        [ALLOWS],
        None,
        False,
        "explicit-deny",
        "resource",
    ),
    (
        "a key policy deny of the account is one of its users",
        ALICE,
        [TRUSTS_ACCOUNT, DENIES_ACCOUNT],
        [ALLOWS],
        None,
        False,
        "explicit-deny",
        "resource",
    ),
    (
        "a boundary that allows lets IAM decide",
        ALICE,
        [TRUSTS_ACCOUNT],
        [ALLOWS],
        [ALLOWS],
        True,
        "allowed-by-identity",
        "",
    ),
    (
        "a boundary that is silent narrows IAM",
        ALICE,
        [TRUSTS_ACCOUNT],
        [ALLOWS],
        [OTHER_ACTION],
        False,
        "not-allowed",
        "boundary",
    ),
    (
        "a boundary that is silent does not narrow a key policy naming the user",
        ALICE,
        [NAMES_ALICE],
        [],
        [OTHER_ACTION],
        True,
        "allowed-by-resource",
        "",
    ),
    ("a boundary that denies wins", ALICE, [NAMES_ALICE], [ALLOWS], [DENIES], False, "explicit-deny", "boundary"),
    (
        "across accounts the key policy alone is not enough",
        STRANGER,
        [TRUSTS_OTHER],
        [],
        None,
        False,
        "not-allowed",
        "identity",
    ),
    (
        "across accounts IAM alone is not enough",
        STRANGER,
        [TRUSTS_ACCOUNT],
        [ALLOWS],
        None,
        False,
        "not-allowed",
        "resource",
    ),
    ("across accounts both sides allow", STRANGER, [TRUSTS_OTHER], [ALLOWS], None, True, "allowed-by-identity", ""),
    (
        "across accounts a deny of either side wins",
        STRANGER,
        [TRUSTS_OTHER],
        [ALLOWS, DENIES],
        None,
        False,
        "explicit-deny",
        "identity",
    ),
    (
        "the account's root needs the key policy only",
        ROOT_USER,
        [TRUSTS_ACCOUNT],
        [],
        None,
        True,
        "allowed-by-identity",
        "",
    ),
    ("the account's root without trust", ROOT_USER, [NAMES_ALICE], [], None, False, "not-allowed", "resource"),
    ("a role is named and its session calls", session(), [NAMES_ROLE], [], None, True, "allowed-by-resource", ""),
    ("a session is named", session(), [NAMES_SESSION], [], None, True, "allowed-by-resource", ""),
    (
        "a silent boundary narrows what the key policy gives a role",
        session(),
        [NAMES_ROLE],
        [],
        [OTHER_ACTION],
        False,
        "not-allowed",
        "boundary",
    ),
    (
        "a silent boundary does not narrow what it gives the session",
        session(),
        [NAMES_SESSION],
        [],
        [OTHER_ACTION],
        True,
        "allowed-by-resource",
        "",
    ),
    (
        "a session policy that is silent narrows",
        session((compiled(OTHER_ACTION, kind="session"),)),
        [TRUSTS_ACCOUNT],
        [ALLOWS],
        None,
        False,
        "not-allowed",
        "session",
    ),
    (
        "a session policy that allows lets IAM decide",
        session((compiled(ALLOWS, kind="session"),)),
        [TRUSTS_ACCOUNT],
        [ALLOWS],
        None,
        True,
        "allowed-by-identity",
        "",
    ),
    (
        "a session policy that denies wins",
        session((compiled(DENIES, kind="session"),)),
        [NAMES_SESSION],
        [ALLOWS],
        None,
        False,
        "explicit-deny",
        "session",
    ),
    (
        "a service is named",
        S3,
        [statement(Principal={"Service": "s3.amazonaws.com"})],
        [],
        None,
        True,
        "allowed-by-resource",
        "",
    ),
    (
        "another service is named",
        S3,
        [statement(Principal={"Service": "ec2.amazonaws.com"})],
        [],
        None,
        False,
        "not-allowed",
        "resource",
    ),
    (
        "a deleted principal's unique ID matches nobody else",
        ALICE,
        [statement(Principal={"AWS": "AIDAGONE0000000000X"})],
        [],
        None,
        False,
        "not-allowed",
        "resource",
    ),
    (
        "a unique ID matches its principal",
        ALICE,
        [statement(Principal={"AWS": ALICE.unique_id})],
        [],
        None,
        True,
        "allowed-by-resource",
        "",
    ),
    (
        "NotPrincipal in a deny spares whom it names",
        ALICE,
        [
            NAMES_ALICE,
            {"Effect": "Deny", "NotPrincipal": {"AWS": [ALICE_ARN, ROOT]}, "Action": "kms:*", "Resource": "*"},
        ],
        [],
        None,
        True,
        "allowed-by-resource",
        "",
    ),
    (
        "NotPrincipal in a deny refuses the others",
        session(),
        [NAMES_ROLE, {"Effect": "Deny", "NotPrincipal": {"AWS": ALICE_ARN}, "Action": "kms:*", "Resource": "*"}],
        [],
        None,
        False,
        "explicit-deny",
        "resource",
    ),
]


@pytest.mark.parametrize("row", DECISIONS, ids=[row[0] for row in DECISIONS])
def test_the_sides_of_a_decision(
    row: tuple[str, Principal, list[Any], list[Any], list[Any] | None, bool, str, str],
) -> None:
    _, principal, on_key, on_principal, boundary, allowed, reason, lacking = row
    decision = decide(
        Request(principal, "kms:Encrypt", KEY, ACCOUNT, {}),
        Policies(
            identity=(compiled(*on_principal),) if on_principal else (),
            resource=key_policy(*on_key),
            boundary=compiled(*boundary, kind="boundary") if boundary else None,
        ),
    )
    assert (decision.allowed, decision.reason, decision.lacking) == (allowed, reason, lacking)
    assert decision.trace()


# action pattern, NotAction?, action asked → matches
ACTIONS = [
    ("kms:Encrypt", False, "kms:Encrypt", True),
    ("kms:encrypt", False, "kms:Encrypt", True),
    ("KMS:ENCRYPT", False, "kms:Encrypt", True),
    ("kms:*", False, "kms:Encrypt", True),
    ("*", False, "kms:Encrypt", True),
    ("kms:Enc*", False, "kms:Encrypt", True),
    ("kms:?ncrypt", False, "kms:Encrypt", True),
    ("kms:ReEncrypt*", False, "kms:ReEncryptFrom", True),
    ("kms:ReEncrypt*", False, "kms:Encrypt", False),
    ("kms:Decrypt", False, "kms:Encrypt", False),
    ("iam:*", False, "kms:Encrypt", False),
    ("kms:Encryp", False, "kms:Encrypt", False),
    (["kms:Decrypt", "kms:Encrypt"], False, "kms:Encrypt", True),
    ("kms:Decrypt", True, "kms:Encrypt", True),
    ("kms:Encrypt", True, "kms:Encrypt", False),
    ("kms:*", True, "iam:GetUser", True),
]


@pytest.mark.parametrize(("pattern", "negated", "action", "matches"), ACTIONS)
def test_actions_match(pattern: Any, negated: bool, action: str, matches: bool) -> None:
    policy = compiled({"Effect": "Allow", "NotAction" if negated else "Action": pattern, "Resource": "*"})
    decision = decide(Request(ALICE, action, "*", ACCOUNT, {}), Policies(identity=(policy,)))
    assert decision.allowed is matches


RESOURCES = [
    (KEY, False, True),
    ("*", False, True),
    (f"arn:aws:kms:*:{ACCOUNT}:key/*", False, True),
    (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-*", False, True),
    (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234ABCD-*", False, False),
    (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/*", False, False),
    (f"arn:aws:kms:us-east-1:{OTHER}:key/*", False, False),
    (f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/*", False, False),
    (KEY[:-1] + "?", False, True),
    (KEY, True, False),
    (f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/*", True, True),
    ("arn:aws:kms:*:*:key/${aws:PrincipalTag/team}", False, False),
    ("arn:aws:kms:*:*:key/${aws:PrincipalTag/none, '*'}", False, False),
    ("arn:aws:kms:*:*:${kind}/*", False, True),
    ("arn:aws:kms:*:*:${missing}/*", False, False),
]


@pytest.mark.parametrize(("pattern", "negated", "matches"), RESOURCES)
def test_resources_match(pattern: str, negated: bool, matches: bool) -> None:
    policy = compiled({"Effect": "Allow", "Action": "kms:*", "NotResource" if negated else "Resource": pattern})
    context = {"aws:principaltag/team": "blue", "kind": "key"}
    decision = decide(Request(ALICE, "kms:Encrypt", KEY, ACCOUNT, context), Policies(identity=(policy,)))
    assert decision.allowed is matches


# operator → (value of the policy, a value that matches it, one that does not)
SAMPLES = {
    "StringEquals": ("blue", "blue", "Blue"),
    "StringNotEquals": ("blue", "red", "blue"),
    "StringEqualsIgnoreCase": ("Blue", "bLUE", "red"),
    "StringNotEqualsIgnoreCase": ("Blue", "red", "bLUE"),
    "StringLike": ("b*e", "blue", "red"),
    "StringNotLike": ("b*e", "red", "blue"),
    "NumericEquals": ("7", "7.0", "8"),
    "NumericNotEquals": ("7", "8", "7"),
    "NumericLessThan": ("7", "6", "7"),
    "NumericLessThanEquals": ("7", "7", "8"),
    "NumericGreaterThan": ("7", "8", "7"),
    "NumericGreaterThanEquals": ("7", "7", "6"),
    "DateEquals": ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-02T00:00:00Z"),
    "DateNotEquals": ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
    "DateLessThan": ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
    "DateLessThanEquals": ("2026-01-01T00:00:00Z", "1767225600", "2026-01-01T00:00:01Z"),
    "DateGreaterThan": ("2026-01-01", "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"),
    "DateGreaterThanEquals": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2025-12-31"),
    "Bool": ("true", "True", "false"),
    "BinaryEquals": ("aGVsbG8=", "aGVsbG8=", "d29ybGQ="),
    "IpAddress": ("203.0.113.0/24", "203.0.113.7", "203.0.114.7"),
    "NotIpAddress": ("203.0.113.0/24", "203.0.114.7", "203.0.113.7"),
    "ArnEquals": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/app", "arn:aws:iam::1:user/app"),
    "ArnLike": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/app", "arn:aws:iam::1:role/b"),
    "ArnNotEquals": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:user/app", "arn:aws:iam::1:role/app"),
    "ArnNotLike": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:user/app", "arn:aws:iam::1:role/app"),
}


def condition_rows() -> list[tuple[str, Any, Any, bool]]:
    """(operator as written, policy value, request value or None for a missing key, whether it holds)."""
    rows: list[tuple[str, Any, Any, bool]] = []
    for name, (value, match, mismatch) in SAMPLES.items():
        negated = OPERATORS[name.lower()].negated
        rows += [
            (name, value, match, True),
            (name, value, mismatch, False),
            (name, value, None, negated),
            (f"{name}IfExists", value, match, True),
            (f"{name}IfExists", value, mismatch, False),
            (f"{name}IfExists", value, None, True),
            (f"ForAllValues:{name}", value, (match, match), True),
            (f"ForAllValues:{name}", value, (match, mismatch), False),
            (f"ForAllValues:{name}", value, None, True),
            (f"ForAnyValue:{name}", value, (mismatch, match), True),
            (f"ForAnyValue:{name}", value, (mismatch, mismatch), False),
            (f"ForAnyValue:{name}", value, None, False),
            (f"ForAnyValue:{name}IfExists", value, None, True),
            (name, [value, "zzz" if name.startswith("String") else value], match, True),
        ]
    rows += [
        ("Null", "true", None, True),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("Null", "false", None, False),
    ]
    return rows


CONDITIONS = condition_rows()


def test_every_operator_has_a_sample() -> None:
    assert {name.lower() for name in SAMPLES} == set(OPERATORS)
    assert len(CONDITIONS) + len(DECISIONS) + len(ACTIONS) + len(RESOURCES) >= 400


@pytest.mark.parametrize(("operator", "wanted", "given_value", "holds"), CONDITIONS)
def test_conditions_hold(operator: str, wanted: Any, given_value: Any, holds: bool) -> None:
    (condition,) = compile_block({operator: {"test:Key": wanted}}, variables=True)
    context = {} if given_value is None else {"test:key": given_value}
    assert condition.holds(context) is holds


def test_a_variable_in_a_condition_is_the_callers_value() -> None:
    (condition,) = compile_block({"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}}, variables=True)
    assert condition.holds({"kms:encryptioncontext:user": "alice", "aws:username": "alice"})
    assert not condition.holds({"kms:encryptioncontext:user": "bob", "aws:username": "alice"})


def test_a_wildcard_that_a_caller_brings_in_is_no_wildcard() -> None:
    (condition,) = compile_block({"StringLike": {"k": "${aws:username}"}}, variables=True)
    assert not condition.holds({"k": "anything", "aws:username": "*"})
    assert condition.holds({"k": "*", "aws:username": "*"})


MALFORMED = [
    "",
    "{",
    "[]",
    "{}",
    '{"Statement": []}',
    '{"Version": "2020-01-01", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Perhaps", "Action": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": [], "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": 7, "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "NotAction": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Extra": 1}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"Nonsense": {"a": "b"}}}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": "x"}}]}',
    '{"Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "kms:*", "Resource": "*"}]}',
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_policy_is_refused(text: str) -> None:
    with pytest.raises(MalformedPolicy):
        compile_policy(text, name="x", kind="identity")


@pytest.mark.parametrize(
    ("policies", "sentence"),
    [
        (
            Policies(resource=key_policy(TRUSTS_ACCOUNT)),
            "because no identity-based policy allows the kms:Encrypt action",
        ),
        (Policies(resource=key_policy(NAMES_ROLE)), "because no resource-based policy allows the kms:Encrypt action"),
        (
            Policies(resource=key_policy(TRUSTS_ACCOUNT, DENIES_ALICE)),
            "with an explicit deny in a resource-based policy",
        ),
        (
            Policies(resource=key_policy(TRUSTS_ACCOUNT), identity=(compiled(DENIES),)),
            "with an explicit deny in an identity-based policy",
        ),
    ],
)
def test_a_denial_is_told_in_awss_words(policies: Policies, sentence: str) -> None:
    request = Request(ALICE, "kms:Encrypt", KEY, ACCOUNT, {})
    message = access_denied_message(decide(request, policies), request)
    assert message == f"User: {ALICE_ARN} is not authorized to perform: kms:Encrypt on resource: {KEY} {sentence}"


def test_a_grant_allows_without_any_other_policy() -> None:
    grant = GrantView("g", ALICE_ARN, frozenset({"Encrypt"}), {})
    decision = decide(
        Request(ALICE, "kms:Encrypt", KEY, ACCOUNT, {}), Policies(resource=key_policy(NAMES_ROLE), grants=(grant,))
    )
    assert (decision.allowed, decision.reason, decision.grant) == (True, "allowed-by-grant", grant)


# --- properties

statements = st.builds(
    statement,
    effect=st.sampled_from(["Allow", "Deny"]),
    action=st.sampled_from(["kms:*", "kms:Encrypt", "kms:Decrypt", "*", "iam:*"]),
    resource=st.sampled_from(["*", KEY, f"arn:aws:kms:*:{OTHER}:key/*"]),
)
key_statements = st.builds(
    lambda made, principal: {**made, "Principal": principal},
    statements,
    st.sampled_from(["*", {"AWS": ROOT}, {"AWS": ALICE_ARN}, {"AWS": ROLE_ARN}, {"AWS": OTHER}]),
)
principals = st.sampled_from([ALICE, STRANGER, session()])


def outcome(principal: Principal, on_key: list[Any], on_principal: list[Any]) -> bool:
    identity = (compiled(*on_principal),) if on_principal else ()
    resource = key_policy(*on_key) if on_key else key_policy(statement(action="kms:Sign", Principal={"AWS": ROLE_ARN}))
    return decide(
        Request(principal, "kms:Encrypt", KEY, ACCOUNT, {}), Policies(identity=identity, resource=resource)
    ).allowed


@given(principals, st.lists(key_statements, max_size=4), st.lists(statements, max_size=4))
@settings(max_examples=200, deadline=None)
def test_an_explicit_deny_always_wins(principal: Principal, on_key: list[Any], on_principal: list[Any]) -> None:
    assert not outcome(principal, on_key, [*on_principal, DENIES])
    assert not outcome(principal, [*on_key, statement("Deny", Principal="*")], on_principal)


@given(principals, st.lists(key_statements, max_size=4), st.lists(statements, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_one_more_allow_never_takes_access_away(
    principal: Principal, on_key: list[Any], on_principal: list[Any], to_key: bool
) -> None:
    if outcome(principal, on_key, on_principal):
        assert outcome(
            principal, [*on_key, ANYONE] if to_key else on_key, on_principal if to_key else [*on_principal, ALLOWS]
        )


@given(principals, st.lists(key_statements, max_size=4), st.lists(statements, max_size=4))
@settings(max_examples=200, deadline=None)
def test_one_deny_less_never_takes_access_away(
    principal: Principal, on_key: list[Any], on_principal: list[Any]
) -> None:
    if outcome(principal, on_key, on_principal):
        kept = [each for each in on_principal if each["Effect"] == "Allow"]
        assert outcome(principal, on_key, kept)


@given(principals, st.lists(key_statements, min_size=2, max_size=3), st.lists(statements, max_size=3))
@settings(max_examples=100, deadline=None)
def test_the_order_of_statements_means_nothing(
    principal: Principal, on_key: list[Any], on_principal: list[Any]
) -> None:
    outcomes = {
        outcome(principal, list(one), list(two))
        for one in itertools.permutations(on_key)
        for two in itertools.permutations(on_principal)
    }
    assert len(outcomes) == 1
