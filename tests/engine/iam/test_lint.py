"""What the policy editor tells: each rule finds what it is for, where it stands, and what would be right; good policies get nothing."""

from __future__ import annotations

import json
from collections import Counter
from inspect import get_annotations
from typing import Any

import pytest

from engine.iam import lint_conditions, lint_elements, lint_principals
from engine.iam.json_positions import Lines, places
from engine.iam.lint import RULES, lint
from engine.iam.lint_findings import About
from engine.iam.policy import MalformedPolicy, compile_policy
from keys.policy.policies import wizard_policy

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ABOUT = About(ACCOUNT, {ANN, f"arn:aws:iam::{ACCOUNT}:role/reader"}, KEY)


def allow(action: Any = "kms:Decrypt", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more}, indent=2)


def key_policy(*statements: Any) -> str:
    return policy(allow("kms:*", Principal={"AWS": ROOT}), *statements)


GOOD = [
    ("identity", policy(allow())),
    ("identity", policy(allow(["kms:List*", "iam:Get*", "sts:AssumeRole", "cloudtrail:LookupEvents"]))),
    ("identity", policy(allow("s3:GetObject", "arn:aws:s3:::bucket/*"))),
    ("identity", policy(allow("*"))),
    ("identity", policy(allow("kms:CreateAlias", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x"))),
    ("identity", policy(allow(["kms:ReEncryptFrom", "kms:ReEncrypt*"], KEY))),
    ("identity", policy(allow(Condition={"StringEquals": {"kms:EncryptionContext:class": "one"}}))),
    ("identity", policy(allow(Condition={"StringLikeIfExists": {"aws:PrincipalTag/team": "b*"}}))),
    ("identity", policy(allow(Condition={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/b*"}}))),
    ("identity", policy(allow("iam:ChangePassword", "arn:aws:iam::*:user/${aws:username}"))),
    (
        "trust",
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"},
            }
        ),
    ),
    (
        "resource",
        key_policy(allow(Principal={"AWS": ANN}), allow(Principal={"Service": "logs.us-east-1.amazonaws.com"})),
    ),
    ("resource", key_policy(allow(Principal={"AWS": "*"}, Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}))),
    (
        "resource",
        wizard_policy(
            ACCOUNT,
            spec="SYMMETRIC_DEFAULT",
            usage="ENCRYPT_DECRYPT",
            origin="EXTERNAL",
            multi_region=True,
            administrators=[ANN],
            users=[ANN],
            other_accounts=["444455556666"],
            administrators_delete=True,
        ),
    ),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_a_good_policy_gets_no_finding(kind: Any, text: str) -> None:
    assert lint(text, kind, ABOUT) == []


# kind, text, (severity, code, what stands at the place, suggestion)
BAD: list[tuple[str, str, tuple[str, str, str, str]]] = [
    ("identity", '{"Version": "2012-10-17",}', ("error", "json", "", "")),
    ("identity", "[]", ("error", "json", "[]", "")),
    ("identity", '{"\\ud800": 1}', ("error", "json", "{", "")),
    ("identity", policy(allow(), Statment=[]), ("error", "element", '"Statment"', "Statement")),
    ("identity", policy({**allow(), "effect": "Allow"}), ("error", "element", '"effect"', "Effect")),
    ("identity", policy({**allow(), "Effect": "allow"}), ("error", "effect", '"allow"', "Allow")),
    ("identity", policy(), ("error", "statement", "[]", "")),
    ("identity", policy({"Effect": "Allow", "Resource": "*"}), ("error", "action", "{", "")),
    ("identity", policy({"Effect": "Allow", "Action": "kms:Decrypt"}), ("error", "resource", "{", "*")),
    ("identity", policy(allow("kms:Decypt")), ("warning", "action", '"kms:Decypt"', "kms:Decrypt")),
    ("identity", policy(allow(["kms:Encrypt", "kms:decript"])), ("warning", "action", '"kms:decript"', "kms:Decrypt")),
    ("identity", policy(allow("kms:ReEncrypt")), ("warning", "action", '"kms:ReEncrypt"', "kms:ReEncryptTo")),
    ("identity", policy(allow("kms:Desribe*")), ("warning", "action", '"kms:Desribe*"', "kms:Describe*")),
    ("identity", policy(allow("kmss:Decrypt")), ("warning", "action", '"kmss:Decrypt"', "kms:Decrypt")),
    ("identity", policy(allow("s3:GetObjekt")), ("warning", "action", '"s3:GetObjekt"', "s3:GetObject")),
    ("identity", policy(allow("Decrypt")), ("error", "action", '"Decrypt"', "kms:Decrypt")),
    ("identity", policy(allow(Principal={"AWS": ROOT})), ("error", "principal", '"Principal"', "")),
    ("identity", policy(allow(resource="payments")), ("error", "resource", '"payments"', "*")),
    ("identity", policy(allow(resource="arn:aws:s3:::bucket")), ("warning", "never", '"arn:aws:s3', "")),
    (
        "identity",
        policy(allow(resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x")),
        ("warning", "never", '"arn:aws:kms', ""),
    ),
    (
        "identity",
        policy(allow(Condition={"StringEqual": {"aws:username": "ann"}})),
        ("error", "operator", '"StringEqual"', "StringEquals"),
    ),
    (
        "identity",
        policy(allow(Condition={"ForAllValue:StringLikes": {"aws:TagKeys": "a"}})),
        ("error", "operator", '"ForAllValue:StringLikes"', "ForAllValues:StringLike"),
    ),
    (
        "identity",
        policy(allow(Condition={"StringEquals": {"kms:ViaServce": "s3.us-east-1.amazonaws.com"}})),
        ("warning", "condition-key", '"kms:ViaServce"', "kms:ViaService"),
    ),
    (
        "identity",
        policy(allow(Condition={"StringEquals": {"aws:PrincipleTag/team": "blue"}})),
        ("warning", "condition-key", '"aws:PrincipleTag/team"', "aws:PrincipalTag/team"),
    ),
    (
        "identity",
        policy(allow(Condition={"StringEquals": {"aws:username": "a*"}})),
        ("warning", "wildcard", '"a*"', "StringLike"),
    ),
    (
        "identity",
        policy(allow(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "team"}})),
        ("hint", "for-all", '"aws:TagKeys"', ""),
    ),
    (
        "identity",
        policy(allow("kms:DescribeKey", Condition={"StringEquals": {"kms:EncryptionContext:a": "b"}})),
        ("warning", "never", '"kms:EncryptionContext:a"', ""),
    ),
    ("identity", policy(allow(), allow()), ("warning", "twice", "{", "")),
    (
        "identity",
        policy(allow(resource="arn:aws:kms:${aws:RequestedRegion}:*:key/*")),
        ("warning", "never", '"arn:aws:kms', ""),
    ),
    (
        "identity",
        policy(allow(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "${aws:PrincipalTag/age}"}})),
        ("warning", "never", '"${aws:', ""),
    ),
    (
        "resource",
        key_policy({"Effect": "Allow", "Principal": {"AWS": ANN}, "Resource": "*"}),
        ("warning", "action", "{", ""),
    ),
    (
        "resource",
        key_policy({"Effect": "Allow", "Principal": {"AWS": ANN}, "Action": "kms:Decrypt"}),
        ("warning", "resource", "{", "*"),
    ),
    (
        "resource",
        key_policy(
            {
                **allow(
                    "kms:Decrypt",
                    Principal={"AWS": ANN},
                    Condition={"ForAllValues:StringEquals": {"kms:EncryptionContext:a": "b"}},
                ),
                "Effect": "Deny",
            }
        ),
        ("error", "for-all", '"kms:EncryptionContext:a"', ""),
    ),
    ("identity", policy(allow(Sid="not legal")), ("error", "refused", "{", "")),
    (
        "identity",
        '{"Statement": {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::*:user/${aws:username}"}}',
        ("warning", "version", "{", "2012-10-17"),
    ),
    ("resource", key_policy(allow()), ("error", "principal", "{", "")),
    ("resource", key_policy(allow(Principal={"AWS": "*"})), ("warning", "broad", '"*"', ROOT)),
    ("resource", key_policy({**allow(), "NotPrincipal": {"AWS": ANN}}), ("warning", "broad", '"NotPrincipal"', "")),
    ("resource", key_policy(allow(Principal={"AWS": ANN[:-1]})), ("error", "principal", f'"{ANN[:-1]}"', ANN)),
    (
        "resource",
        key_policy(allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:group/g"})),
        ("error", "principal", '"arn:aws:iam', ""),
    ),
    (
        "resource",
        key_policy(allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"})),
        ("error", "principal", '"arn:aws:iam', ""),
    ),
    ("resource", key_policy(allow(Principal={"AWS": "ann"})), ("error", "principal", '"ann"', "")),
    ("resource", key_policy(allow(Principal={"aws": ANN})), ("error", "element", '"aws"', "AWS")),
    ("resource", key_policy(allow("s3:GetObject", Principal={"AWS": ANN})), ("warning", "never", '"s3:GetObject"', "")),
    (
        "resource",
        key_policy(allow(resource=KEY[:-1], Principal={"AWS": ANN})),
        ("warning", "never", f'"{KEY[:-1]}"', "*"),
    ),
    ("resource", policy(allow("kms:Decrypt", Principal={"AWS": ROOT})), ("warning", "lock-out", "{", "")),
    ("resource", policy(allow("kms:*", Principal={"AWS": "444455556666"})), ("warning", "lock-out", "{", "")),
    (
        "trust",
        policy({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRoles"}),
        ("warning", "action", '"sts:AssumeRoles"', "sts:AssumeRole"),
    ),
    (
        "trust",
        policy({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole", "Resource": "*"}),
        ("error", "resource", '"Resource"', ""),
    ),
]


@pytest.mark.parametrize(("kind", "text", "expected"), BAD)
def test_a_mistake_is_found_where_it_stands(kind: Any, text: str, expected: tuple[str, str, str, str]) -> None:
    severity, code, there, suggestion = expected
    findings = lint(text, kind, ABOUT)
    assert [(f.severity, f.code, f.suggestion) for f in findings if f.code == code] == [(severity, code, suggestion)], (
        findings
    )
    (finding,) = [f for f in findings if f.code == code]
    line = text.splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith(there)
    assert finding.message


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, text, expected in BAD if expected[0] == "error"])
def test_what_is_called_an_error_is_refused_or_names_nobody(kind: Any, text: str) -> None:
    findings = [finding for finding in lint(text, kind, ABOUT) if finding.severity == "error"]
    if all(finding.code == "principal" for finding in findings) and kind == "resource":
        return  # whether a principal exists is for the key service to say
    if all(finding.code == "for-all" for finding in findings):
        return  # tests/engine/kms/test_key_policies.py
    with pytest.raises(MalformedPolicy):
        compile_policy(text, name="", kind=kind)


def test_a_json_error_is_told_with_line_and_column() -> None:
    (finding,) = lint('{\n  "Version": "2012-10-17"\n  "Statement": []\n}', "identity")
    assert (finding.line, finding.column, finding.severity) == (3, 3, "error")


def test_without_a_list_of_principals_none_is_said_not_to_exist() -> None:
    text = key_policy(allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}))
    assert lint(text, "resource", About(ACCOUNT)) == []


def test_every_place_of_a_text_is_found() -> None:
    text = '{"a": [1, {"b": "c\\"d"}],\n "e": {"f": null}}'
    names, values = places(text)
    assert {path: text[offset] for path, offset in values.items()} == {
        (): "{",
        ("a",): "[",
        ("a", 0): "1",
        ("a", 1): "{",
        ("a", 1, "b"): '"',
        ("e",): "{",
        ("e", "f"): "n",
    }
    assert Lines(text).line_and_column(names["e", "f"]) == (2, 8)


def test_every_rule_on_a_statement_stands_in_the_table_once() -> None:
    rules = [
        rule
        for module in (lint_elements, lint_principals, lint_conditions)
        for name, rule in vars(module).items()
        if not name.startswith("_") and getattr(rule, "__module__", "") == module.__name__
        if get_annotations(rule).get("return") == "Finding | None"
    ]
    assert len(rules) > 20
    assert Counter(rule for row in RULES for rule in row.rules) == Counter(rules)


def test_the_words_of_every_service_are_known() -> None:
    said = allow(
        ["s3:GetObject", "ec2:RunInstances", "lambda:InvokeFunction", "iam:GetAccountEmailAddress"],
        Condition={
            "StringEquals": {"s3:prefix": "a", "s3:ExistingObjectTag/team": "a", "ec2:InstanceType": "t3.micro"}
        },
    )
    assert lint(policy(said), "identity", ABOUT) == []
    wrong = allow("s3:GetObject", Condition={"StringEquals": {"s3:prefixx": "a"}})
    assert [each.code for each in lint(policy(wrong), "identity", ABOUT)] == ["condition-key"]


def test_the_claims_of_an_identity_provider_are_condition_keys() -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:a/b:ref:refs/heads/main"}},
    }
    assert [each.code for each in lint(policy(trust), "trust", ABOUT)] == []
