"""Condition operators: each × (match, no match, key missing, several values), with IfExists and the set operators; examples of AWS.

Sources: IAM User Guide, "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or values" and
"Single-valued vs. multivalued context keys".
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.iam.conditions import OPERATORS, compile_block, compile_condition
from engine.iam.dates import parse_date
from tests.engine.iam.tables import ALICE, ALLOW, TRUST, Row, allow, deny, told

# operator → (value of the policy, a value of the request that matches it, one that does not, another value of the policy)
SAMPLES = {
    "StringEquals": ("blue", "blue", "Blue", "green"),
    "StringNotEquals": ("blue", "red", "blue", "green"),
    "StringEqualsIgnoreCase": ("Blue", "bLUE", "red", "green"),
    "StringNotEqualsIgnoreCase": ("Blue", "red", "bLUE", "green"),
    "StringLike": ("b*e", "blue", "Blue", "g?een"),
    "StringNotLike": ("b*e", "Blue", "blue", "g?een"),
    "NumericEquals": ("7", "7.0", "8", "9"),
    "NumericNotEquals": ("7", "8", "7", "9"),
    "NumericLessThan": ("7", "6", "7", "5"),
    "NumericLessThanEquals": ("7", "7", "8", "5"),
    "NumericGreaterThan": ("7", "8", "7", "9"),
    "NumericGreaterThanEquals": ("7", "7", "6", "9"),
    "DateEquals": ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-02T00:00:00Z", "2027-01-01"),
    "DateNotEquals": ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01"),
    "DateLessThan": ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2020-01-01"),
    "DateLessThanEquals": ("2026-01-01T00:00:00Z", "1767225600", "2026-01-01T00:00:01Z", "2020-01-01"),
    "DateGreaterThan": ("2026-01-01", "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z", "2030-01-01"),
    "DateGreaterThanEquals": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2025-12-31", "2030-01-01"),
    "Bool": ("true", "True", "false", "true"),
    "BinaryEquals": ("aGVsbG8=", "aGVsbG8=", "d29ybGQ=", "eHh4"),
    "IpAddress": ("203.0.113.0/24", "203.0.113.7", "203.0.114.7", "2001:db8::/32"),
    "NotIpAddress": ("203.0.113.0/24", "203.0.114.7", "203.0.113.7", "2001:db8::/32"),
    "ArnEquals": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/app", "arn:aws:iam::1:user/app", "arn:aws:s3:::x"),
    "ArnLike": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/app", "arn:aws:iam::1:role/b", "arn:aws:s3:::x"),
    "ArnNotEquals": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:user/app", "arn:aws:iam::1:role/app", "arn:aws:s3:::x"),
    "ArnNotLike": ("arn:aws:iam::*:role/a*", "arn:aws:iam::1:user/app", "arn:aws:iam::1:role/app", "arn:aws:s3:::x"),
}

KNOWN = {
    "n:seven": "7",
    "n:date": "2026-06-01",
    "n:address": "203.0.113.7",
    "n:true": "true",
    "n:letter": "a",
    "n:colon": "1:2",
}

Case = tuple[
    str, Any, Any, bool
]  # operator as written, policy value(s), request value(s) or None for a missing key, holds


def cases_of(name: str) -> list[Case]:
    value, match, mismatch, other = SAMPLES[name]
    negated = OPERATORS[name.lower()].negated
    return [
        (name, value, match, True),
        (name, value, mismatch, False),
        (name, value, None, negated),
        (name, [other, value], match, True),
        (name, [other, value], mismatch, False),
        (f"{name}IfExists", value, match, True),
        (f"{name}IfExists", value, mismatch, False),
        (f"{name}IfExists", value, None, True),
        # A key of several values without a set operator: any of them for a positive operator, all for a negated one.
        (name, value, (mismatch, match), not negated),
        (f"ForAllValues:{name}", value, (match, match), True),
        (f"ForAllValues:{name}", value, (match, mismatch), False),
        (f"ForAllValues:{name}", value, None, True),
        (f"ForAllValues:{name}", value, (), True),
        (f"ForAllValues:{name}", value, match, True),
        (f"ForAllValues:{name}IfExists", value, None, True),
        (f"ForAnyValue:{name}", value, (mismatch, match), True),
        (f"ForAnyValue:{name}", value, (mismatch, mismatch), False),
        (f"ForAnyValue:{name}", value, None, False),
        (f"ForAnyValue:{name}", value, (), False),
        (f"ForAnyValue:{name}", value, mismatch, False),
        (f"ForAnyValue:{name}IfExists", value, None, False),
    ]


# fmt: off
SPECIAL: list[Case] = [
    ("Null", "true", None, True),
    ("Null", "true", "x", False),
    ("Null", "false", "x", True),
    ("Null", "false", None, False),
    ("Null", True, (), True),
    ("Null", False, ("x",), True),
    ("Null", ["true", "false"], None, True),
    ("Null", ["true", "false"], "x", True),
    ("null", "TRUE", None, True),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "", "", True),
    ("StringEquals", "a*", "abc", False),
    ("StringEquals", "a*", "a*", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a", "b"], "c", True),
    ("StringLike", "*", "", True),
    ("StringLike", "a?c", "abc", True),
    ("StringLike", "a?c", "ac", False),
    ("StringLike", "a.c", "abc", False),
    ("StringLike", "*-prod-*", "eu-prod-1", True),
    ("StringLike", "x*", "x\ny", True),
    ("StringNotLike", ["a*", "b*"], "c", True),
    ("StringNotLike", ["a*", "b*"], "bc", False),
    ("StringEqualsIgnoreCase", "STRASSE", "strasse", True),
    ("stringequals", "a", "a", True),
    ("StringEqualsIFEXISTS", "a", None, True),
    ("NumericEquals", 7, "7", True),
    ("NumericEquals", "7", "7.00", True),
    ("NumericEquals", "7", "seven", False),
    ("NumericEquals", "seven", "7", False),
    ("NumericLessThan", "-1", "-2", True),
    ("NumericLessThan", "1e3", "999", True),
    ("NumericNotEquals", "7", "seven", True),
    ("NumericGreaterThan", "0.1", "0.2", True),
    ("NumericLessThanEquals", ["3", "10"], "9", True),
    ("DateEquals", "2026-01-01", "2026-01-01T00:00:00Z", True),
    ("DateLessThan", "1767225600", "1767225599", True),
    ("DateLessThan", "2026-01-01T00:00:00Z", "never", False),
    ("DateGreaterThan", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.6Z", True),
    ("DateNotEquals", "2026-01-01", "tomorrow", True),
    ("DateLessThan", "2026", "1970-01-01T00:33:45Z", True),  # without a dash it is a number of seconds
    ("DateEquals", "2026-06", "2026-06-01T00:00:00Z", True),
    ("DateEquals", "2026-06-01T10:30", "2026-06-01T10:30:00Z", True),
    ("DateEquals", "2026-06-01T10:30-05:30", "2026-06-01T16:00:00Z", True),
    ("DateEquals", "2026-06-01t10z", "1780308000", True),
    ("DateLessThan", "20260-01-01", "2026-01-01", True),
    ("DateGreaterThan", "-2026", "2026-01-01", True),
    ("DateEquals", "2000-03-01", "951868800", True),
    # Variables are for string and ARN operators
    ("NumericEquals", "${n:seven}", "7", False),
    ("NumericNotEquals", "${n:seven}", "7", True),
    ("DateLessThan", "${n:date}", "2026-01-01", False),
    ("IpAddress", "${n:address}", "203.0.113.7", False),
    ("Bool", "${n:true}", "true", False),
    ("StringLike", "${n:seven}*", "7a", True),
    ("StringEqualsIgnoreCase", "${n:letter}B", "Ab", True),
    ("ArnLike", "arn:aws:iam::${n:seven}:role/${n:letter}*", "arn:aws:iam::7:role/ab", True),
    ("ArnLike", "arn:aws:iam::${n:colon}:role/a", "arn:aws:iam::1:2:role/a", False),
    ("ArnLike", "arn:aws:iam::7:${n:none}", "arn:aws:iam::7:role/a", False),
    ("StringLike", "\ue000", "*", False),  # no character is read as another
    ("Bool", True, "true", True),
    ("Bool", False, "false", True),
    ("Bool", "TRUE", "true", True),
    ("Bool", "true", "yes", False),
    ("Bool", ["true", "false"], "false", True),
    ("BoolIfExists", "false", None, True),
    ("BinaryEquals", "aGVsbG8=", "aGVsbG8", False),
    ("BinaryEquals", "not base64!", "aGVsbG8=", False),
    ("IpAddress", "203.0.113.7", "203.0.113.7", True),
    ("IpAddress", "203.0.113.7/24", "203.0.113.200", True),
    ("IpAddress", ["198.51.100.0/24", "203.0.113.0/24"], "203.0.113.7", True),
    ("IpAddress", "2001:db8:1234:5678::/64", "2001:db8:1234:5678::1", True),
    ("IpAddress", "2001:db8:1234:5678::/64", "2001:db8:1234:5679::1", False),
    ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
    ("IpAddress", "203.0.113.0/24", "not an address", False),
    ("IpAddress", "203.0.113.0/240", "203.0.113.7", False),
    ("NotIpAddress", ["198.51.100.0/24", "203.0.113.0/24"], "192.0.2.1", True),
    ("NotIpAddress", ["198.51.100.0/24", "203.0.113.0/24"], "203.0.113.7", False),
    ("ArnLike", "arn:aws:*:role/a", "arn:aws:iam::1:role/a", False),
    ("ArnLike", "arn:aws:iam:*:*:role/*", "arn:aws:iam::1:role/a/b", True),
    ("ArnLike", "arn:aws:iam::1:role/?pp", "arn:aws:iam::1:role/app", True),
    ("ArnLike", "arn:aws:iam::1:role/app", "arn:aws:iam::1:role/App", False),
    ("ArnLike", "arn:aws:lambda:*:*:function:a*", "arn:aws:lambda:eu-west-1:1:function:ab:1", True),
    ("ArnLike", "*", "arn:aws:iam::1:role/app", False),
    ("ArnEquals", "arn:aws:s3:::b", "b", False),
    ("ArnNotLike", "arn:aws:iam::1:role/*", "no arn", True),
    # Multivalued keys, the examples of the User Guide (several values of aws:TagKeys).
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ("environment", "cost-center"), True),
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ("environment", "owner"), False),
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ("environment",), True),
    ("ForAnyValue:StringEquals", ["environment", "cost-center"], ("owner", "environment"), True),
    ("ForAnyValue:StringEquals", ["environment", "cost-center"], ("owner",), False),
    ("ForAnyValue:StringNotEquals", ["environment"], ("environment", "owner"), True),
    ("ForAnyValue:StringNotEquals", ["environment"], ("environment",), False),
    ("ForAllValues:StringNotEquals", ["webserver", "backup"], ("webserver",), False),
    ("ForAllValues:StringNotEquals", ["webserver", "backup"], ("other",), True),
    ("ForAllValues:StringLike", "app-*", ("app-a", "app-b"), True),
    ("ForAllValues:StringLike", "app-*", ("app-a", "b"), False),
]

# What AWS's documents show, as whole decisions.
EXAMPLES = [
    Row("several keys are an AND: both hold", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {"aws:PrincipalTag/department": "finance", "aws:PrincipalTag/role": "audit"}})], context={"aws:principaltag/department": "finance", "aws:principaltag/role": "audit"}),
    Row("several keys are an AND: one does not", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"aws:PrincipalTag/department": "finance", "aws:PrincipalTag/role": "audit"}})], context={"aws:principaltag/department": "finance", "aws:principaltag/role": "user"}),
    Row("several operators are an AND", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"a:k": "1"}, "Bool": {"aws:SecureTransport": "true"}})], context={"a:k": "1", "aws:securetransport": "false"}),
    Row("several values are an OR", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}})], context={"aws:sourceip": "203.0.113.9"}),
    Row("several values of a negated operator are a NOR", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW, deny(Condition={"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}})], context={"aws:sourceip": "203.0.113.9"}),
    Row("deny from outside the network", ALICE, "denied by identity: Deny", [TRUST], [ALLOW, deny(Condition={"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}})], context={"aws:sourceip": "198.51.100.1"}),
    Row("deny from outside, but not when a service calls", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW, deny(Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:ViaAWSService": "false"}})], context={"aws:viaawsservice": "true"}),
    Row("deny without MFA: long-term keys lack the key", ALICE, "denied by identity: Deny", [TRUST], [ALLOW, deny(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})]),
    Row("deny without MFA: a session with MFA", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW, deny(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})], context={"aws:multifactorauthpresent": "true"}),
    Row("deny without MFA by Bool misses long-term keys", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW, deny(Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})]),
    Row("allow with MFA: long-term keys", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})]),
    Row("MFA less than an hour ago", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}})], context={"aws:multifactorauthage": "3599"}),
    Row("MFA longer ago", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}})], context={"aws:multifactorauthage": "3600"}),
    Row("MFA never, by Null", ALICE, "denied by identity: Deny", [TRUST], [ALLOW, deny(Condition={"Null": {"aws:MultiFactorAuthAge": "true"}})]),
    Row("between two dates", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"DateGreaterThan": {"aws:CurrentTime": "2020-04-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2020-06-30T23:59:59Z"}})], context={"aws:currenttime": "2020-05-01T00:00:00Z"}),
    Row("after both dates", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"DateGreaterThan": {"aws:CurrentTime": "2020-04-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2020-06-30T23:59:59Z"}})], context={"aws:currenttime": "2020-07-01T00:00:00Z"}),
    Row("deny outside of Regions", ALICE, "denied by identity: Deny", [TRUST], [ALLOW, deny(Condition={"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]}})], context={"aws:requestedregion": "us-east-1"}),
    Row("deny plain HTTP", ALICE, "denied by resource: Deny", [TRUST, deny(Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})], [ALLOW], context={"aws:securetransport": "false"}),
    Row("only tagged keys of one's own team (ABAC)", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})], context={"aws:resourcetag/team": "blue", "aws:principaltag/team": "blue"}),
    Row("only tagged keys: another team's", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})], context={"aws:resourcetag/team": "red", "aws:principaltag/team": "blue"}),
    Row("only tagged keys: a key without the tag", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})], context={"aws:principaltag/team": "blue"}),
    Row("only tagged keys: neither has a tag", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})]),
    Row("encryption context must be the caller's name", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}})], context={"kms:encryptioncontext:user": "alice", "aws:username": "alice"}),
    Row("encryption context keys, all known", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["AppName", "Dept"]}, "Null": {"kms:EncryptionContextKeys": "false"}})], context={"kms:encryptioncontextkeys": ("AppName",)}),
    Row("ForAllValues alone lets an empty context in", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["AppName"]}})]),
    Row("with Null it does not", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["AppName"]}, "Null": {"kms:EncryptionContextKeys": "false"}})]),
    Row("only through a service", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {"kms:ViaService": ["ec2.us-east-1.amazonaws.com"]}})], context={"kms:viaservice": "ec2.us-east-1.amazonaws.com"}),
    Row("only through a service, called directly", ALICE, "not allowed by identity", [TRUST], [allow(Condition={"StringEquals": {"kms:ViaService": ["ec2.us-east-1.amazonaws.com"]}})]),
    Row("the confused deputy is kept out", ALICE, "denied by resource: Deny", [TRUST, deny(Principal="*", Condition={"StringNotEqualsIfExists": {"aws:SourceAccount": "111122223333"}})], [ALLOW], context={"aws:sourceaccount": "444455556666"}),
    Row("everyone but one role, by aws:PrincipalArn", ALICE, "denied by resource: Deny", [TRUST, deny(Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/admin"}})], [ALLOW], context={"aws:principalarn": ALICE.arn}),
    Row("a key in another case is the same key", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {"AWS:USERNAME": "alice"}})], context={"aws:username": "alice"}),
    Row("a condition that does not hold disarms a deny", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW, deny(Condition={"StringEquals": {"kms:KeySpec": "RSA_2048"}})], context={"kms:keyspec": "SYMMETRIC_DEFAULT"}),
    Row("an empty condition holds", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={})]),
    Row("an operator without keys holds", ALICE, "allowed by identity: Trust, Allow", [TRUST], [allow(Condition={"StringEquals": {}})]),
]
# fmt: on

CASES = [case for name in SAMPLES for case in cases_of(name)] + SPECIAL


@pytest.mark.parametrize(("operator", "wanted", "given", "holds"), CASES)
def test_conditions_hold(operator: str, wanted: Any, given: Any, holds: bool) -> None:
    (condition,) = compile_block({operator: {"test:Key": wanted}}, variables=True)
    assert condition.holds({**KNOWN, **({} if given is None else {"test:key": given})}) is holds


@pytest.mark.parametrize("row", EXAMPLES, ids=str)
def test_documented_examples(row: Row) -> None:
    assert told(row.ask()) == row.answer


def test_every_operator_has_a_sample() -> None:
    assert {name.lower() for name in SAMPLES} == set(OPERATORS)


@pytest.mark.parametrize("written", ["Equals", "StringEquals:ForAnyValue", "For:StringEquals", "NullIfExists", ""])
def test_an_operator_that_does_not_exist_is_refused(written: str) -> None:
    with pytest.raises(KeyError):
        compile_condition(written, "a:b", ("x",), variables=True)


@pytest.mark.parametrize("values", [(), ("maybe",)])
def test_null_takes_true_and_false_only(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Null"):
        compile_condition("Null", "a:b", values, variables=True)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "99999999999999999999", "2026-01-01T25:00:00Z"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("given", "told_as"), [(None, "is not in the request"), ("red", "is 'red'"), (("a", "b"), "is ['a', 'b']")]
)
def test_a_condition_that_does_not_hold_says_why(given: Any, told_as: str) -> None:
    (condition,) = compile_block({"StringEquals": {"aws:PrincipalTag/team": "blue"}}, variables=True)
    words = condition.describe({} if given is None else {"aws:principaltag/team": given})
    assert words == f"condition StringEquals on aws:principaltag/team wants ['blue'], and it {told_as}"
