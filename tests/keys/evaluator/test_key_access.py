"""The Access tab of a key: who may do what with it, as the engine decides it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import joined
from tests.support.policies import allow, document, person, trusting


def cells(answer: Any, name: str) -> dict[str, str]:
    """Action → answer of one principal's row in the Access tab."""
    for subject, row in answer.context["rows"]:
        if subject.name == name:
            return {column.action: cell for column, cell, _address in row}
    raise AssertionError(f"{name} has no row")


def test_the_matrix_tells_a_key_user_from_an_administrator(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    account.create_user("bob")
    key_id = account.create_key(
        Policy=trusting(account, allow(["kms:Decrypt", "kms:DescribeKey"], Principal={"AWS": ann.arn}))
    )
    answer = signed_in.get(f"/keys/{key_id}/tab/access/?all=1")
    found = cells(answer, "ann")
    assert {action for action, cell in found.items() if cell == "yes"} == {"kms:Decrypt", "kms:DescribeKey"}
    assert set(cells(answer, "admin").values()) == {"yes"}
    assert set(cells(answer, "bob").values()) == {"no"}


def test_the_matrix_leaves_out_who_may_do_nothing(account: TestAccount, signed_in: Client) -> None:
    account.create_user("bob")
    answer = signed_in.get(f"/keys/{account.create_key()}/tab/access/")
    assert "bob" not in [subject.name for subject, _row in answer.context["rows"]]


def test_a_grant_is_in_the_matrix_until_it_is_revoked(account: TestAccount, kms: Any, signed_in: Client) -> None:
    ann, key_id = account.create_user("ann"), account.create_key()
    grant = kms.create_grant(KeyId=key_id, GranteePrincipal=ann.arn, Operations=["Decrypt"])["GrantId"]
    assert cells(signed_in.get(f"/keys/{key_id}/tab/access/?all=1"), "ann")["kms:Decrypt"] == "yes"
    kms.revoke_grant(KeyId=key_id, GrantId=grant)
    assert cells(signed_in.get(f"/keys/{key_id}/tab/access/?all=1"), "ann")["kms:Decrypt"] == "no"


def test_a_changed_group_policy_is_in_the_matrix_at_once(account: TestAccount, signed_in: Client) -> None:
    iam, key_id = account.client("iam"), account.create_key()
    account.create_user("ann")
    iam.create_group(GroupName="users")
    iam.add_user_to_group(GroupName="users", UserName="ann")
    address = f"/keys/{key_id}/tab/access/?all=1"
    assert cells(signed_in.get(address), "ann")["kms:Encrypt"] == "no"
    iam.put_group_policy(GroupName="users", PolicyName="use", PolicyDocument=document(allow("kms:Encrypt")))
    assert cells(signed_in.get(address), "ann")["kms:Encrypt"] == "yes"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        {"StringEquals": {"kms:EncryptionContext:class": "one"}},
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    ],
)
def test_what_only_a_request_brings_makes_an_answer_depend(
    account: TestAccount, signed_in: Client, condition: dict[str, Any]
) -> None:
    ann = account.create_user("ann")
    key_id = account.create_key(
        Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": ann.arn}, Condition=condition))
    )
    assert cells(signed_in.get(f"/keys/{key_id}/tab/access/"), "ann")["kms:Decrypt"] == "depends"


@pytest.mark.parametrize(("effect", "expected"), [("Allow", "yes"), ("Deny", "no")])
def test_what_is_known_of_key_and_principal_makes_no_answer_depend(
    account: TestAccount, signed_in: Client, effect: str, expected: str
) -> None:
    ann = account.create_user("ann")
    statement = allow(
        "kms:Decrypt",
        Principal={"AWS": ann.arn},
        Condition={"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "aws:username": "ann"}},
    )
    own = allow("kms:*", Principal={"AWS": ann.arn})
    key_id = account.create_key(
        Policy=trusting(account, {**statement, "Effect": effect}, *([own] if effect == "Deny" else []))
    )
    assert cells(signed_in.get(f"/keys/{key_id}/tab/access/?all=1"), "ann")["kms:Decrypt"] == expected


def test_a_conditional_deny_makes_an_answer_depend(account: TestAccount, signed_in: Client) -> None:
    deny = {
        **allow("kms:Decrypt", Principal={"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "false"}}),
        "Effect": "Deny",
    }
    key_id = account.create_key(Policy=trusting(account, deny))
    found = cells(signed_in.get(f"/keys/{key_id}/tab/access/"), "admin")
    assert (found["kms:Decrypt"], found["kms:Encrypt"]) == ("depends", "yes")


def test_another_account_depends_on_its_own_policies(
    account: TestAccount, other_account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key(
        Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": other_account.root_arn}))
    )
    found = cells(signed_in.get(f"/keys/{key_id}/tab/access/"), other_account.account_id)
    assert (found["kms:Decrypt"], found["kms:Encrypt"]) == ("depends", "no")


def test_a_service_and_everyone_named_in_the_policy_have_rows(account: TestAccount, signed_in: Client) -> None:
    service = allow("kms:Decrypt", Principal={"Service": "logs.us-east-1.amazonaws.com"})
    everyone = allow("kms:DescribeKey", Principal={"AWS": "*"})
    answer = signed_in.get(f"/keys/{account.create_key(Policy=trusting(account, service, everyone))}/tab/access/")
    assert cells(answer, "logs.us-east-1.amazonaws.com")["kms:Decrypt"] == "yes"
    assert cells(answer, "*")["kms:DescribeKey"] == "yes"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"]),
        ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, ["kms:Sign", "kms:Verify"]),
        ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, ["kms:GenerateMac", "kms:VerifyMac"]),
    ],
)
def test_the_columns_are_what_the_key_is_for(
    account: TestAccount, signed_in: Client, parameters: dict[str, str], expected: list[str]
) -> None:
    answer = signed_in.get(f"/keys/{account.create_key(**parameters)}/tab/access/")
    assert [column.action for column, _count in answer.context["columns"]][: len(expected)] == expected
    assert "kms:PutKeyPolicy" in [column.action for column, _count in answer.context["columns"]]


def test_the_tab_agrees_with_the_engine_for_each_operation(account: TestAccount, signed_in: Client) -> None:
    """What the matrix says of encrypting is what encrypting answers."""
    ann = account.create_user("ann", document(allow("kms:Encrypt")))
    bob = account.create_user("bob", document(allow("kms:Encrypt"), {**allow("kms:*"), "Effect": "Deny"}))
    key_id = account.create_key()
    answer = signed_in.get(f"/keys/{key_id}/tab/access/?all=1")
    for user in (ann, bob):
        try:
            user.client().encrypt(KeyId=key_id, Plaintext=b"x")
            happened = "yes"
        except user.client().exceptions.ClientError:
            happened = "no"
        assert cells(answer, user.name)["kms:Encrypt"] == happened


def test_who_may_not_read_iam_gets_the_error_and_no_matrix(account: TestAccount) -> None:
    key_id = account.create_key()
    ann = person(account, "ann", document(allow(["kms:DescribeKey", "kms:GetKeyPolicy", "kms:List*"])))
    answer = sign_in_browser(ann).get(f"/keys/{key_id}/tab/access/")
    assert "iam:GetAccountAuthorizationDetails" in joined(answer)
    assert "rows" not in answer.context
