"""Grants beyond what one user may do: what may be passed on, on whose behalf, by whom retired, and across accounts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.iam import credentials
from engine.kms import grants
from tests.conftest import TestAccount
from tests.engine.kms.contract import refusal

BLUE = {"EncryptionContextSubset": {"team": "blue"}}


def allow(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


# --- making grants by a grant


@pytest.mark.parametrize(
    ("operations", "constraints", "allowed"),
    [
        (["Encrypt"], BLUE, True),
        (["Encrypt"], {"EncryptionContextEquals": {"team": "blue", "more": "x"}}, True),
        (["Encrypt"], {"EncryptionContextSubset": {"team": "blue", "more": "x"}}, True),
        (["Encrypt"], {}, False),
        (["Encrypt"], {"EncryptionContextSubset": {"team": "red"}}, False),
        (["Encrypt", "Decrypt"], BLUE, False),
    ],
)
def test_a_grantee_passes_on_no_more_than_it_has(
    account: TestAccount, operations: list[str], constraints: dict[str, Any], allowed: bool
) -> None:
    key_id, middle, last = account.create_key(), account.create_user("middle"), account.create_user("last")
    account.client().create_grant(
        KeyId=key_id, GranteePrincipal=middle.arn, Operations=["Encrypt", "CreateGrant"], Constraints=BLUE
    )
    request = {"KeyId": key_id, "GranteePrincipal": last.arn, "Operations": operations, "Constraints": constraints}
    if not allowed:
        assert refusal(middle.client().create_grant, **request)[0] == "AccessDeniedException"
        return
    middle.client().create_grant(**request)
    context = {"team": "blue", "more": "x"}
    assert last.client().encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]


def test_an_exact_context_is_passed_on_exactly(account: TestAccount) -> None:
    key_id, middle, last = account.create_key(), account.create_user("middle"), account.create_user("last")
    exact = {"EncryptionContextEquals": {"team": "blue"}}
    account.client().create_grant(
        KeyId=key_id, GranteePrincipal=middle.arn, Operations=["Decrypt", "CreateGrant"], Constraints=exact
    )
    request = {"KeyId": key_id, "GranteePrincipal": last.arn, "Operations": ["Decrypt"]}
    assert refusal(middle.client().create_grant, Constraints=BLUE, **request)[0] == "AccessDeniedException"
    assert middle.client().create_grant(Constraints=exact, **request)["GrantId"]


@pytest.mark.parametrize("given", [{"Team": "red", "team": "blue"}, {"team": "red", "Team": "blue"}])
def test_no_pair_of_an_exact_context_hides_behind_another_case(account: TestAccount, given: dict[str, str]) -> None:
    key_id, user = account.create_key(), account.create_user("worker")
    exact = {"EncryptionContextEquals": {"team": "blue"}}
    account.client().create_grant(KeyId=key_id, GranteePrincipal=user.arn, Operations=["Encrypt"], Constraints=exact)
    asked = {"KeyId": key_id, "Plaintext": b"x"}
    assert refusal(user.client().encrypt, EncryptionContext=given, **asked)[0] == "AccessDeniedException"
    assert user.client().encrypt(EncryptionContext={"TEAM": "blue"}, **asked)["KeyId"]


# --- on behalf of a resource


def test_a_grant_for_a_resource_allows_only_calls_made_for_it(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No service calls on a resource's behalf over the wire here, so the principal that the signature gives is one that does."""
    key_id, user = account.create_key(), account.create_user("worker")
    source = f"arn:aws:lambda:us-east-1:{account.account_id}:function:worker"
    account.client().create_grant(
        KeyId=key_id, GranteePrincipal=user.arn, Operations=["Encrypt"], Constraints={"SourceArn": source}
    )
    theirs = user.client()
    assert refusal(theirs.encrypt, KeyId=key_id, Plaintext=b"x")[0] == "AccessDeniedException"
    find = credentials.find

    def on_behalf(access_key_id: str, token: str) -> Any:
        found = find(access_key_id, token)
        return replace(found, principal=replace(found.principal, source_arn=source))

    monkeypatch.setattr(credentials, "find", on_behalf)
    assert theirs.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    source = source.replace("worker", "another")
    assert refusal(theirs.encrypt, KeyId=key_id, Plaintext=b"x")[0] == "AccessDeniedException"


# --- what a grant may say


@pytest.mark.parametrize(
    ("spec", "usage", "operation"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Sign"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "Encrypt"),
        ("ECC_NIST_P256", "SIGN_VERIFY", "DeriveSharedSecret"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "Sign"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "GenerateDataKey"),
    ],
)
def test_a_grant_allows_only_what_its_key_can_do(account: TestAccount, spec: str, usage: str, operation: str) -> None:
    key_id = account.create_key(KeySpec=spec, KeyUsage=usage)
    request = {"KeyId": key_id, "GranteePrincipal": account.root_arn}
    assert refusal(account.client().create_grant, Operations=[operation], **request)[0] == "ValidationException"


@pytest.mark.parametrize(
    "constraints",
    [
        {"EncryptionContextEquals": {str(number): "x" for number in range(9)}},
        {"EncryptionContextSubset": {"name": "x" * 385}},
    ],
)
def test_a_constraint_has_its_bounds(account: TestAccount, constraints: dict[str, Any]) -> None:
    request = {"KeyId": account.create_key(), "GranteePrincipal": account.root_arn, "Operations": ["Encrypt"]}
    assert refusal(account.client().create_grant, Constraints=constraints, **request)[0] == "ValidationException"


def test_an_asymmetric_key_has_no_context_to_constrain(account: TestAccount) -> None:
    key_id = account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    request = {"KeyId": key_id, "GranteePrincipal": account.root_arn, "Operations": ["Sign"]}
    assert refusal(account.client().create_grant, Constraints=BLUE, **request)[0] == "ValidationException"


@pytest.mark.parametrize("principal", ["nobody", "arn:aws:iam::{account}:user/nobody", "arn:aws:s3:::bucket"])
@pytest.mark.parametrize("role", ["GranteePrincipal", "RetiringPrincipal"])
def test_a_principal_that_cannot_be_is_refused(account: TestAccount, principal: str, role: str) -> None:
    named = principal.format(account=account.account_id)
    request = {"GranteePrincipal": account.root_arn, role: named}
    assert refusal(account.client().create_grant, KeyId=account.create_key(), Operations=["Encrypt"], **request) == (
        "InvalidArnException",
        f"ARN does not refer to a valid principal: {named}",  # what callers that wait for a new role look for
    )


def test_a_grantee_is_a_principal_or_a_service(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    request = {"KeyId": key_id, "Operations": ["Encrypt"]}
    assert refusal(kms.create_grant, **request)[0] == "ValidationException"
    both = {"GranteePrincipal": account.root_arn, "GranteeServicePrincipal": "s3.amazonaws.com"}
    assert refusal(kms.create_grant, **both, **request)[0] == "ValidationException"
    kms.create_grant(
        GranteeServicePrincipal="s3.amazonaws.com", RetiringServicePrincipal="rds.amazonaws.com", **request
    )
    listed = kms.list_grants(KeyId=key_id, GranteeServicePrincipal="s3.amazonaws.com")["Grants"]
    assert [(each["GranteeServicePrincipal"], each["RetiringServicePrincipal"]) for each in listed] == [
        ("s3.amazonaws.com", "rds.amazonaws.com")
    ]
    assert kms.list_retirable_grants(RetiringServicePrincipal="rds.amazonaws.com")["Grants"] == listed


def test_a_key_has_only_so_many_grants(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grants.PER_KEY == 50_000
    monkeypatch.setattr(grants, "PER_KEY", 2)
    kms, key_id = account.client(), account.create_key()
    request = {"KeyId": key_id, "GranteePrincipal": account.root_arn, "Operations": ["Encrypt"]}
    for _ in range(2):
        kms.create_grant(**request)
    assert refusal(kms.create_grant, **request)[0] == "LimitExceededException"


def test_grants_are_listed_by_page_by_id_and_by_grantee(account: TestAccount) -> None:
    kms, key_id, user = account.client(), account.create_key(), account.create_user("grantee")
    request = {"KeyId": key_id, "Operations": ["Encrypt"]}
    made = [kms.create_grant(GranteePrincipal=account.root_arn, **request)["GrantId"] for _ in range(3)]
    theirs = kms.create_grant(GranteePrincipal=user.arn, Name="theirs", Constraints=BLUE, **request)["GrantId"]
    pages = kms.get_paginator("list_grants").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2})
    assert [each["GrantId"] for page in pages for each in page["Grants"]] == [*made, theirs]
    found = kms.list_grants(KeyId=key_id, GranteePrincipal=user.arn)["Grants"]
    assert kms.list_grants(KeyId=key_id, GrantId=theirs)["Grants"] == found
    assert set(found[0]) == {
        *("KeyId", "GrantId", "Name", "CreationDate", "IssuingAccount", "Operations", "GranteePrincipal", "Constraints")
    }
    assert (found[0]["Name"], found[0]["IssuingAccount"]) == ("theirs", account.root_arn)


# --- retiring


def test_a_grantee_retires_its_grant_if_the_grant_says_so(account: TestAccount) -> None:
    kms, key_id, user = account.client(), account.create_key(), account.create_user("grantee")
    grant = kms.create_grant(KeyId=key_id, GranteePrincipal=user.arn, Operations=["Encrypt", "RetireGrant"])
    arn = kms.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    user.client().retire_grant(KeyId=arn, GrantId=grant["GrantId"])
    assert kms.list_grants(KeyId=key_id)["Grants"] == []


@pytest.mark.parametrize(
    "members",
    [{}, {"KeyId": "{key}"}, {"GrantId": "{grant}"}, {"GrantToken": "{token}", "GrantId": "{grant}"}],
)
def test_a_grant_to_retire_is_named_in_one_way(account: TestAccount, members: dict[str, str]) -> None:
    kms, key_id = account.client(), account.create_key()
    made = kms.create_grant(KeyId=key_id, GranteePrincipal=account.root_arn, Operations=["Encrypt"])
    values = {"key": key_id, "grant": made["GrantId"], "token": made["GrantToken"]}
    request = {name: value.format(**values) for name, value in members.items()}
    assert refusal(kms.retire_grant, **request)[0] == "ValidationException"


def test_a_token_of_a_grant_that_is_gone_retires_nothing(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    made = kms.create_grant(KeyId=key_id, GranteePrincipal=account.root_arn, Operations=["Encrypt"])
    kms.retire_grant(GrantToken=made["GrantToken"])
    assert refusal(kms.retire_grant, GrantToken=made["GrantToken"])[0] == "InvalidGrantTokenException"
    assert refusal(kms.retire_grant, KeyId=key_id, GrantId=made["GrantId"])[0] == "NotFoundException"


def test_retirable_grants_are_the_callers_accounts_own(account: TestAccount, other_account: TestAccount) -> None:
    arn = account.client().create_key()["KeyMetadata"]["Arn"]
    made = account.client().create_grant(
        KeyId=arn,
        GranteePrincipal=other_account.root_arn,
        RetiringPrincipal=other_account.administrator.arn,
        Operations=["Encrypt"],
    )
    listed = other_account.client().list_retirable_grants(RetiringPrincipal=other_account.administrator.arn)["Grants"]
    assert [(each["KeyId"], each["GrantId"]) for each in listed] == [(arn, made["GrantId"])]
    foreign = {"RetiringPrincipal": other_account.administrator.arn}
    assert refusal(account.client().list_retirable_grants, **foreign)[0] == "InvalidArnException"
    code, message = refusal(account.client().list_retirable_grants)
    assert (code, "Value null at 'retiringPrincipal'" in message) == ("ValidationException", True)
    other_account.client().retire_grant(GrantToken=made["GrantToken"])
    assert account.client().list_grants(KeyId=arn)["Grants"] == []


# --- across accounts


def test_a_grant_serves_a_principal_of_another_account_by_itself(
    account: TestAccount, other_account: TestAccount
) -> None:
    """As Auto Scaling's service-linked role is given a key of another account: its own policies say nothing of keys."""
    arn = account.client().create_key()["KeyMetadata"]["Arn"]
    granted, stranger = other_account.create_user("granted"), other_account.create_user("stranger")
    account.client().create_grant(KeyId=arn, GranteePrincipal=granted.arn, Operations=["Encrypt"])
    assert granted.client().encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn
    assert refusal(stranger.client().encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"


def test_a_token_is_worth_nothing_in_another_region(account: TestAccount) -> None:
    kms, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key()
    made = kms.create_grant(KeyId=key_id, GranteePrincipal=account.administrator.arn, Operations=["Encrypt"])
    assert refusal(there.retire_grant, GrantToken=made["GrantToken"])[0] == "InvalidGrantTokenException"
    assert len(kms.list_grants(KeyId=key_id)["Grants"]) == 1
    kms.retire_grant(GrantToken=made["GrantToken"])
    assert kms.list_grants(KeyId=key_id)["Grants"] == []
