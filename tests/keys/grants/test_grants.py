"""Creating a grant: in words before it is made, with AWS's refusal beside what was typed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys.grants import grants
from tests.conftest import TestAccount
from tests.support.answers import text


def test_a_grant_is_said_in_words_before_it_is_made(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    bob, carol = account.create_user("bob"), account.create_user("carol")
    sent = {
        "grantee": bob.arn,
        "operations": ["Encrypt", "Decrypt"],
        "constraint": "EncryptionContextSubset",
        "context_name": "team",
        "context_value": "blue",
        "retiring": carol.arn,
        "name": "for-bob",
    }
    said = text(signed_in.post(f"/keys/{key_id}/do/grant-add/", {**sent, "preview": "1"}))
    assert (
        "user/bob may encrypt data of up to 4,096 bytes and open ciphertexts and data keys, only when the encryption "
        "context has team = blue; user/carol may retire it." in said
    )
    assert not account.client().list_grants(KeyId=key_id)["Grants"]
    signed_in.post(f"/keys/{key_id}/do/grant-add/", sent)
    (grant,) = account.client().list_grants(KeyId=key_id)["Grants"]
    assert grant["Constraints"] == {"EncryptionContextSubset": {"team": "blue"}}
    assert grants.sentence(grant) in text(signed_in.get(f"/keys/{key_id}/tab/grants/"))
    signed_in.post(f"/keys/{key_id}/do/grant-revoke/", {"grant": grant["GrantId"]})
    assert not account.client().list_grants(KeyId=key_id)["Grants"]


def test_a_grant_refused_by_aws_keeps_what_was_typed(account: TestAccount, signed_in: Client) -> None:
    sent = {"grantee": f"arn:aws:iam::{account.account_id}:user/nobody", "operations": ["Encrypt"], "name": "kept"}
    answer = signed_in.post(f"/keys/{account.create_key()}/do/grant-add/", sent)
    assert answer.status_code == 422
    assert "InvalidArnException" in text(answer)
    assert 'value="kept"' in text(answer)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "KEY_AGREEMENT"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    ],
)
def test_a_grant_offers_exactly_what_the_engine_takes(account: TestAccount, spec: str, usage: str) -> None:
    kms = account.client()
    key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    taken, answers_given = set(), set()
    for operation in kms.meta.service_model.shape_for("GrantOperation").enum:
        try:
            kms.create_grant(
                KeyId=key["KeyId"], GranteePrincipal=account.root_arn, Operations=[operation, "DescribeKey"]
            )
            taken.add(operation)
        except ClientError as error:
            answers_given.add(error.response["Error"]["Code"])
    assert answers_given == {"ValidationException"}
    assert set(grants.operations_for(key)) == taken


def test_a_grant_of_another_endpoint_without_operations_is_said_too() -> None:
    """An answer that fits the model; of all such answers the pages are tried by `make walks` (test_unexpected_answers.py)."""
    said = grants.sentence({"GranteePrincipal": "arn:aws:iam::111122223333:user/bob", "Operations": []})
    assert said == "user/bob may call no operation."
