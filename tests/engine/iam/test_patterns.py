"""Actions, resources, their negations, wildcards, policy variables and versions.

Sources: IAM User Guide, "Action", "NotAction", "Resource", "NotResource", "Version", "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.iam.policy import MalformedPolicy, compile_policy
from engine.iam.variables import template
from tests.engine.iam.tables import ACCOUNT, ALICE, KEY, OTHER, Row, allow, compiled, deny, told

Listed = str | list[str]

# fmt: off
# Action (or NotAction), the action asked for, whether the statement is about it
ACTIONS: list[tuple[str, Listed, str, bool]] = [
    ("Action", "*", "kms:Encrypt", True),
    ("Action", "*", "iam:GetUser", True),
    ("Action", "kms:*", "kms:Encrypt", True),
    ("Action", "KMS:ENCRYPT", "kms:Encrypt", True),
    ("Action", "kms:encrypt", "kms:Encrypt", True),
    ("Action", "kms:Enc*", "kms:Encrypt", True),
    ("Action", "kms:*crypt", "kms:Encrypt", True),
    ("Action", "kms:*crypt", "kms:Decrypt", True),
    ("Action", "kms:?ncrypt", "kms:Encrypt", True),
    ("Action", "kms:??crypt", "kms:Decrypt", True),
    ("Action", "kms:?crypt", "kms:Encrypt", False),
    ("Action", "kms:ReEncrypt*", "kms:ReEncryptFrom", True),
    ("Action", "kms:ReEncrypt*", "kms:ReEncryptTo", True),
    ("Action", "kms:ReEncrypt*", "kms:Encrypt", False),
    ("Action", "kms:GenerateDataKey*", "kms:GenerateDataKeyPairWithoutPlaintext", True),
    ("Action", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", False),
    ("Action", "kms:Decrypt", "kms:Encrypt", False),
    ("Action", "kms:Encryp", "kms:Encrypt", False),
    ("Action", "kms:Encrypt2", "kms:Encrypt", False),
    ("Action", "iam:*", "kms:Encrypt", False),
    ("Action", "kms:.*", "kms:Encrypt", False),
    ("Action", ["kms:Decrypt", "kms:Encrypt"], "kms:Encrypt", True),
    ("Action", ["kms:Decrypt", "kms:Sign"], "kms:Encrypt", False),
    ("NotAction", "kms:Decrypt", "kms:Encrypt", True),
    ("NotAction", "kms:Encrypt", "kms:Encrypt", False),
    ("NotAction", "KMS:encrypt", "kms:Encrypt", False),
    ("NotAction", "kms:*", "iam:GetUser", True),
    ("NotAction", "kms:*", "kms:Encrypt", False),
    ("NotAction", ["iam:*", "kms:Decrypt"], "kms:Encrypt", True),
    ("NotAction", ["iam:*", "kms:Encrypt"], "kms:Encrypt", False),
    ("NotAction", "*", "kms:Encrypt", False),
]

KNOWN = {"region": "us-east-1", "account": "1", "arn": "arn:aws:kms:us-east-1:1:key/x", "aws:username": "alice", "aws:principaltag/team": "blue", "aws:userid": "AIDA:one", "kind": "key", "empty": "", "star": "*", "many": ("a", "b"), "single": ("key",)}
ANY_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"

# Resource (or NotResource), the resource asked for, whether the statement is about it
RESOURCES: list[tuple[str, Listed, str, bool]] = [
    ("Resource", KEY, KEY, True),
    ("Resource", "*", KEY, True),
    ("Resource", "*", "*", True),
    ("Resource", f"arn:aws:kms:*:{ACCOUNT}:key/*", KEY, True),
    ("Resource", f"arn:aws:kms:us-*-1:{ACCOUNT}:key/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:*", KEY, True),
    ("Resource", "arn:aws:kms:*", KEY, True),
    ("Resource", "arn:*", KEY, True),
    ("Resource", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-*", KEY, True),
    ("Resource", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234ABCD-*", KEY, False),
    ("Resource", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/*", KEY, False),
    ("Resource", f"arn:aws:kms:us-east-1:{OTHER}:key/*", KEY, False),
    ("Resource", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/*", KEY, False),
    ("Resource", f"arn:aws-cn:kms:us-east-1:{ACCOUNT}:key/*", KEY, False),
    ("Resource", KEY[:-1] + "?", KEY, True),
    ("Resource", KEY[:-2] + "?", KEY, False),
    ("Resource", KEY[:-1], KEY, False),
    ("Resource", KEY + "*", KEY, True),
    ("Resource", KEY, "*", False),
    ("Resource", ["arn:aws:s3:::b", KEY], KEY, True),
    ("Resource", ["arn:aws:s3:::b", "arn:aws:s3:::c"], KEY, False),
    ("NotResource", KEY, KEY, False),
    ("NotResource", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/*", KEY, True),
    ("NotResource", "*", KEY, False),
    ("NotResource", ["arn:aws:s3:::b", KEY], KEY, False),
    # An ARN of fewer than six parts is completed
    ("Resource", "arn:aws:kms", KEY, True),
    ("Resource", "arn:aws:sqs", KEY, False),
    ("Resource", "arn:aws:kms:us-east-1", KEY, True),
    ("Resource", "arn:aws:kms:us-east-1:*", KEY, True),
    ("Resource", "arn:aws:kms:eu-west-1:*", KEY, False),
    ("NotResource", "arn:aws:kms", KEY, False),
    # Variables before the fifth colon are plain text
    ("Resource", "arn:aws:kms:${region}:*:key/*", "arn:aws:kms:us-east-1:1:key/x", False),
    ("Resource", "arn:aws:kms:${region}:*:key/*", "arn:aws:kms:${region}:1:key/x", True),
    ("Resource", "arn:aws:kms:us-east-1:${account}:${kind}/*", "arn:aws:kms:us-east-1:1:key/x", False),
    ("Resource", "${arn}", "arn:aws:kms:us-east-1:1:key/x", False),
    ("NotResource", "arn:aws:kms:${region}:*:key/*", "arn:aws:kms:us-east-1:1:key/x", True),
    # Variables of a policy of version 2012-10-17
    ("Resource", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/alice", True),
    ("Resource", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/bob", False),
    ("Resource", "arn:aws:iam::*:user/${AWS:UserName}", "arn:aws:iam::1:user/alice", True),
    ("Resource", "arn:aws:iam::*:user/${ aws:username }", "arn:aws:iam::1:user/alice", True),
    ("Resource", "arn:aws:iam::*:user/${aws:username}*", "arn:aws:iam::1:user/alice-2", True),
    ("Resource", "arn:aws:kms:*:*:alias/${aws:PrincipalTag/team}/${aws:username}", "arn:aws:kms:us-east-1:1:alias/blue/alice", True),
    ("Resource", "arn:aws:kms:*:*:alias/${aws:PrincipalTag/team}/*", "arn:aws:kms:us-east-1:1:alias/red/x", False),
    ("Resource", "arn:aws:kms:*:*:${kind}/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:${single}/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:${many}/*", KEY, False),
    ("Resource", "arn:aws:kms:*:*:${missing}/*", KEY, False),
    ("NotResource", "arn:aws:kms:*:*:${missing}/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:${missing, 'key'}/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:${missing, 'alias'}/*", KEY, False),
    ("Resource", "arn:aws:kms:*:*:${kind, 'alias'}/*", KEY, True),
    ("Resource", "arn:aws:kms:*:*:${missing, key}/*", KEY, False),
    ("Resource", "arn:aws:kms:*:*:key/${missing, '*'}", KEY, False),
    ("Resource", "arn:aws:kms:*:*:key/${star}", KEY, False),
    ("Resource", "arn:aws:kms:*:*:key/${star}", "arn:aws:kms:us-east-1:1:key/*", True),
    ("Resource", "arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", True),
    ("Resource", "arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", False),
    ("Resource", "arn:aws:s3:::b/${?}", "arn:aws:s3:::b/?", True),
    ("Resource", "arn:aws:s3:::b/${?}", "arn:aws:s3:::b/x", False),
    ("Resource", "arn:aws:s3:::b/${$}{x}", "arn:aws:s3:::b/${x}", True),
    ("Resource", "arn:aws:s3:::b/${*}*", "arn:aws:s3:::b/*x", True),
    ("Resource", "arn:aws:s3:::b/${unclosed", "arn:aws:s3:::b/${unclosed", True),
    ("Resource", "arn:aws:s3:::b/x${empty}y", "arn:aws:s3:::b/xy", True),
]
# fmt: on


@pytest.mark.parametrize(("element", "written", "action", "matches"), ACTIONS)
def test_actions(element: str, written: Listed, action: str, matches: bool) -> None:
    row = Row("", ALICE, "", None, [allow(**{element: written})], action=action, resource="*")
    assert row.ask().allowed is matches


@pytest.mark.parametrize(("element", "written", "resource", "matches"), RESOURCES)
def test_resources(element: str, written: Listed, resource: str, matches: bool) -> None:
    row = Row("", ALICE, "", None, [allow(**{element: written})], context=KNOWN, resource=resource)
    assert row.ask().allowed is matches


@pytest.mark.parametrize(("element", "written", "resource", "matches"), RESOURCES)
def test_a_deny_matches_what_an_allow_does(element: str, written: Listed, resource: str, matches: bool) -> None:
    row = Row("", ALICE, "", None, [allow(), deny(**{element: written})], context=KNOWN, resource=resource)
    assert told(row.ask()) == ("denied by identity: Deny" if matches else "allowed by identity: Allow")


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_variables_are_plain_text_before_version_2012(version: str | None) -> None:
    written = "arn:aws:s3:::home/${aws:username}"
    policy = compiled(allow(Resource=written), version=version or "2008-10-17")
    (found,) = policy.statements
    assert found.about_resource(written, KNOWN)
    assert not found.about_resource("arn:aws:s3:::home/alice", KNOWN)


def test_a_policy_without_version_is_of_2008() -> None:
    text = '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:username}"}}'
    (found,) = compile_policy(text, name="", kind="identity").statements
    assert not found.about_resource("arn:aws:s3:::alice", KNOWN)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${aws:username}-x", "alice-x"),
        ("${none}", None),
        ("${none, 'd'}", "d"),
        ("${none, ''}", ""),
        ("${many}", None),
        ("${star}${?}", "*?"),
    ],
)
def test_what_a_variable_brings_in_is_literal(text: str, expanded: str | None) -> None:
    pieces = template(text).pieces(KNOWN)
    assert (None if pieces is None else "".join(piece for piece, _wild in pieces)) == expanded


MALFORMED: list[Any] = [
    "",
    "{",
    "[]",
    "{}",
    '{"Statement": []}',
    '{"Statement": [7]}',
    '{"Version": "2020-01-01", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Perhaps", "Action": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "k_s:Encrypt", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": [], "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": 7, "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "NotAction": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "nowhere"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Extra": 1}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Sid": "not alphanumeric"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"Nonsense": {"a": "b"}}}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"Null": {"a": "b"}}}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": "x"}}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": {"a": {}}}}]}',
    '{"Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "kms:*", "Resource": "*"}]}',
    '{"Statement": [{"Sid": "a", "Effect": "Allow", "Action": "a:b", "Resource": "*"},'
    '{"Sid": "a", "Effect": "Deny", "Action": "a:b", "Resource": "*"}]}',
    '{"Extra": 1, "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", MALFORMED, ids=[text[:60] for text in MALFORMED])
def test_a_malformed_policy_is_refused(text: str) -> None:
    with pytest.raises(MalformedPolicy):
        compile_policy(text, name="x", kind="identity")


def test_where_the_text_is_broken_is_told() -> None:
    with pytest.raises(MalformedPolicy) as reason:
        compile_policy('{"Version": }', name="x", kind="identity")
    assert reason.value.position == 12
