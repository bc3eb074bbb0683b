"""What AWS answers to requests that no client library sends, in this process and over a socket: bodies, targets, signatures, sessions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.conftest import TestAccount, make_client
from tests.engine.kms.contract import deliver, refusal, send

NOBODY = "12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", None),
        (b"nonsense", None),
        (b"\xff\xfe", None),
        (b'"text"', None),
        (b"[]", "Start of list found where not expected"),
        (b'{"KeyId": 1, "Plaintext": "AQ=="}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"KeyId": true, "Plaintext": "AQ=="}', "TRUE_VALUE can not be converted to a String"),
        (b'{"KeyId": ["a"], "Plaintext": "AQ=="}', "Start of list found where not expected"),
        (b'{"KeyId": {"a": 1}, "Plaintext": "AQ=="}', "Start of structure or map found where not expected."),
        (b'{"KeyId": "a", "Plaintext": "not base64!"}', "STRING_VALUE can not be converted to a Blob"),
        (b'{"KeyId": "a", "Plaintext": "AQ"}', "STRING_VALUE can not be converted to a Blob"),
        (b'{"KeyId": "a", "Plaintext": "AQ==", "DryRun": "yes"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"KeyId": "a", "Plaintext": "AQ==", "EncryptionContext": []}', "Start of list found where not expected"),
        (b'{"KeyId": "a", "Plaintext": "AQ==", "GrantTokens": "x"}', "Expected list or null"),
    ],
)
def test_a_body_of_the_wrong_form_is_a_serialization_error(
    contract: TestAccount, body: bytes, message: str | None
) -> None:
    status, answer = send(contract, "Encrypt", body)
    assert (status, answer["__type"], answer.get("message")) == (400, "SerializationException", message)


def test_an_empty_body_is_an_empty_request(contract: TestAccount) -> None:
    status, answer = send(contract, "ListKeys", b"")
    assert (status, "Keys" in answer) == (200, True)
    status, answer = send(contract, "DescribeKey", b"")
    assert (status, answer["__type"]) == (400, "ValidationException")


def test_members_that_are_null_or_unknown_are_not_there(contract: TestAccount) -> None:
    status, answer = send(contract, "ListKeys", {"Limit": None, "Colour": "blue"})
    assert (status, "Keys" in answer) == (200, True)


@pytest.mark.parametrize("operation", ["Encript", "encrypt", "", "Encrypt.More"])
def test_an_operation_that_is_not_there_is_unknown(contract: TestAccount, operation: str) -> None:
    status, answer = send(contract, operation, {})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_body_over_a_mebibyte_is_too_large(contract: TestAccount, size: int) -> None:
    status, answer = send(contract, "Encrypt", b" " * size)
    assert (status, answer["__type"]) == (413, "RequestEntityTooLargeException")


def test_a_body_of_a_mebibyte_is_read(contract: TestAccount) -> None:
    status, answer = send(contract, "ListKeys", b"{" + b" " * (1024 * 1024 - 2) + b"}")
    assert (status, "Keys" in answer) == (200, True)


def test_validation_names_ten_problems_at_most(contract: TestAccount) -> None:
    tags = [{"TagKey": "", "TagValue": "v" * 257} for _ in range(8)]
    status, answer = send(contract, "TagResource", {"KeyId": NOBODY, "Tags": tags})
    assert status == 400
    assert answer["message"].startswith("10 validation errors detected: ")
    assert answer["message"].count("failed to satisfy constraint") == 10


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("DescribeKey", {"KeyId": "alias/\0"}),
        ("RevokeGrant", {"KeyId": "{key}", "GrantId": "\0"}),
        ("ListGrants", {"KeyId": "{key}", "GrantId": "\0"}),
        ("CreateKey", {"Description": "\0"}),
        ("UpdateKeyDescription", {"KeyId": "{key}", "Description": "a\0b"}),
        ("TagResource", {"KeyId": "{key}", "Tags": [{"TagKey": "a\0", "TagValue": "\0"}]}),
        ("Encrypt", {"KeyId": "{key}", "Plaintext": "AQ==", "EncryptionContext": {"a\0": "\0"}}),
    ],
)
def test_a_nul_character_is_taken_or_refused_never_a_fault(
    contract: TestAccount, operation: str, body: dict[str, Any]
) -> None:
    """PostgreSQL cannot store one, SQLite can."""
    named = {**body, "KeyId": contract.create_key()} if body.get("KeyId") == "{key}" else body
    status, answer = send(contract, operation, named)
    assert status in (200, 400), answer


# --- signatures


def signed(account: TestAccount, **changes: Any) -> Any:
    """A signed request for ListKeys whose parts may be changed after (or, `payload`, before) it was signed."""
    user = account.administrator
    request = AWSRequest(
        "POST",
        (account.endpoint or "http://engine.local") + "/",
        data=b"{}",
        headers={"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"},
    )
    if "payload" in changes:
        request.headers["X-Amz-Content-SHA256"] = changes["payload"]
    key_id, secret = changes.get("key", user.access_key_id), changes.get("secret", user.secret_access_key)
    service, region = changes.get("service", "kms"), changes.get("region", "us-east-1")
    SigV4Auth(Credentials(key_id, secret, changes.get("token")), service, region).add_auth(request)
    for name, value in changes.get("headers", {}).items():
        del request.headers[name]
        if value:
            request.headers[name] = value
    request.data = changes.get("body", b"{}")
    return request.prepare()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"headers": {"Authorization": ""}}, "MissingAuthenticationTokenException"),
        ({"headers": {"Authorization": "Basic YTpi"}}, "MissingAuthenticationTokenException"),
        ({"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}}, "IncompleteSignatureException"),
        ({"headers": {"X-Amz-Date": ""}}, "IncompleteSignatureException"),
        ({"headers": {"X-Amz-Target": "TrentService.ListAliases"}}, "InvalidSignatureException"),
        ({"body": b'{"Limit": 1}'}, "InvalidSignatureException"),
        ({"secret": "another"}, "InvalidSignatureException"),
        ({"service": "s3"}, "InvalidSignatureException"),
        ({"key": "AKIANOBODYNOBODYNOBO"}, "UnrecognizedClientException"),
        ({"token": "no session token"}, "UnrecognizedClientException"),
        ({"payload": "UNSIGNED-PAYLOAD"}, "InvalidSignatureException"),
        ({"payload": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, "InvalidSignatureException"),
        ({"payload": "0" * 64}, "InvalidSignatureException"),
    ],
)
def test_a_request_that_is_not_signed_as_it_should_be_is_refused(
    contract: TestAccount, changes: dict[str, Any], code: str
) -> None:
    status, answer = deliver(contract, signed(contract, **changes))
    assert (status, answer["__type"]) == (400, code)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "cn-north-1"])
def test_any_region_is_served_and_has_its_own_keys(contract: TestAccount, region: str) -> None:
    status, answer = deliver(contract, signed(contract, region=region))
    assert status == 200
    assert all(key["KeyArn"].split(":")[3] == region for key in answer["Keys"])


# --- sessions


def test_a_session_calls_as_its_user_and_only_with_its_token(contract: TestAccount) -> None:
    made = contract.client("sts").get_session_token()["Credentials"]
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    session = make_client("kms", "us-east-1", *key, made["SessionToken"], endpoint=contract.endpoint)
    key_id = session.create_key()["KeyMetadata"]["KeyId"]
    assert contract.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id
    without = make_client("kms", "us-east-1", *key, endpoint=contract.endpoint)
    assert refusal(without.list_keys)[0] == "UnrecognizedClientException"
    bent = made["SessionToken"][:-4] + ("AAAA" if made["SessionToken"][-4:] != "AAAA" else "BBBB")
    wrong = make_client("kms", "us-east-1", *key, bent, endpoint=contract.endpoint)
    assert refusal(wrong.list_keys)[0] == "UnrecognizedClientException"


def test_a_roles_session_may_what_the_role_may(contract: TestAccount) -> None:
    iam, key_id = contract.client("iam"), contract.create_key()
    name = f"role-{key_id[:8]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": contract.root_arn}, "Action": "sts:AssumeRole"}
    policy = {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"}
    version = {"Version": "2012-10-17"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({**version, "Statement": [trust]}))[
        "Role"
    ]
    iam.put_role_policy(RoleName=name, PolicyName="use", PolicyDocument=json.dumps({**version, "Statement": [policy]}))
    made = contract.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="work")["Credentials"]
    session = make_client(
        "kms",
        "us-east-1",
        made["AccessKeyId"],
        made["SecretAccessKey"],
        made["SessionToken"],
        endpoint=contract.endpoint,
    )
    assert session.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        session.disable_key(KeyId=key_id)
    message = refused.value.response["Error"]["Message"]
    assert message.startswith(f"User: arn:aws:sts::{contract.account_id}:assumed-role/{name}/work is not authorized")
