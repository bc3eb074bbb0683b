"""Nobody learns whether another account has a key, an alias or a grant: what is there and what is not is refused in the same words."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from botocore import xform_name
from botocore.session import get_session

from engine.kms import ciphertext
from tests.conftest import TestAccount, new_account
from tests.engine.kms.contract import refusal
from tests.support.policies import allow, document

MODEL = get_session().get_service_model("kms")
# Operations with a member that names a key, and what else they want. The member is KeyId unless said otherwise.
MEMBERS = {"CreateAlias": "TargetKeyId", "UpdateAlias": "TargetKeyId", "ReEncrypt": "DestinationKeyId"}
GRANT = "0" * 64
REST: dict[str, dict[str, Any]] = {
    "CreateAlias": {"AliasName": "alias/mine"},
    "UpdateAlias": {"AliasName": "alias/own"},
    "CreateGrant": {"GranteePrincipal": "arn:aws:iam::111122223333:root", "Operations": ["Encrypt"]},
    "RetireGrant": {"GrantId": GRANT},
    "PutKeyPolicy": {"Policy": document(allow("*", Principal="*"))},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "Decrypt": {"CiphertextBlob": b"0" * 64, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
}
OPERATIONS = sorted(
    name
    for name in MODEL.operation_names
    if {"KeyId", "TargetKeyId", "DestinationKeyId"} & set(MODEL.operation_model(name).input_shape.members)
)
BY_ALIAS = [
    name
    for name in OPERATIONS
    if "alias" in str(MODEL.operation_model(name).input_shape.members[MEMBERS.get(name, "KeyId")].documentation).lower()
    and "Alias ARN" in str(MODEL.operation_model(name).input_shape.members[MEMBERS.get(name, "KeyId")].documentation)
]
CALLERS = {
    "may do everything": document(allow("*")),
    "may do nothing": document(allow("iam:GetUser")),
    "may do nothing with that key": document(allow("*"), {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}),
    "is let in by what the key is": document(
        allow("kms:*", Condition={"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}), allow("iam:*")
    ),
}


@pytest.fixture(scope="module")
def account(prepared: object) -> TestAccount:
    made = new_account()
    made.client().create_alias(AliasName="alias/own", TargetKeyId=made.create_key())
    return made


@pytest.fixture(scope="module")
def other_account(prepared: object) -> TestAccount:
    return new_account()


@pytest.fixture(scope="module")
def callers(account: TestAccount) -> dict[str, Any]:
    """The clients of users of the account, by what their policies say."""
    return {which: account.create_user(f"caller-{n}", text).client() for n, (which, text) in enumerate(CALLERS.items())}


@pytest.fixture(scope="module")
def theirs(other_account: TestAccount) -> dict[str, Any]:
    """A key of another account, with an alias, which is closed to the caller's account; and what is not there."""
    kms = other_account.client()
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/there", TargetKeyId=key["KeyId"])
    start = key["Arn"].rpartition("key/")[0]
    return {
        "key": key["Arn"],
        "none": f"{start}key/{uuid4()}",
        "alias": f"{start}alias/there",
        "no alias": f"{start}alias/where",
        "other blob": kms.encrypt(KeyId=other_account.create_key(), Plaintext=b"x")["CiphertextBlob"],
        "blob": kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"],
    }


def parameters(operation: str, identifier: str) -> dict[str, Any]:
    shape = MODEL.operation_model(operation).input_shape
    given = {name: _something(shape.members[name]) for name in shape.required_members}
    return {**given, **REST.get(operation, {}), MEMBERS.get(operation, "KeyId"): identifier}


def _something(shape: Any) -> Any:
    if shape.type_name == "blob":
        return b"0" * 64
    if shape.type_name == "list":
        return [_something(shape.member)]
    if shape.type_name == "structure":
        return {name: _something(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "integer":
        return 90
    return shape.enum[0] if getattr(shape, "enum", None) else "something"


def said(kms: Any, operation: str, identifier: str, *, names: str) -> tuple[str, str]:
    """Code and words of the refusal, without what the caller wrote."""
    code, message = refusal(getattr(kms, xform_name(operation)), **parameters(operation, identifier))
    return code, message.replace(identifier, names)


@pytest.mark.parametrize("which", CALLERS)
def test_a_key_that_is_there_is_refused_as_one_that_is_not(
    callers: dict[str, Any], theirs: dict[str, Any], which: str
) -> None:
    kms = callers[which]
    for operation in OPERATIONS:
        if operation == "ReEncrypt":
            continue
        found = said(kms, operation, theirs["key"], names="it")
        assert found == said(kms, operation, theirs["none"], names="it"), operation
        assert found[0] == "AccessDeniedException", (operation, found)


@pytest.mark.parametrize("which", CALLERS)
def test_an_alias_tells_neither_whether_it_is_there_nor_its_key(
    callers: dict[str, Any], theirs: dict[str, Any], which: str
) -> None:
    kms = callers[which]
    assert {"DescribeKey", "Encrypt", "GenerateDataKey", "Sign", "GetPublicKey"} <= set(BY_ALIAS)
    for operation in BY_ALIAS:
        if operation == "ReEncrypt":
            continue
        found = said(kms, operation, theirs["alias"], names="it")
        assert found == said(kms, operation, theirs["no alias"], names="it"), operation
        assert found[0] == "AccessDeniedException", (operation, found)
        assert theirs["key"].rpartition("/")[2] not in found[1], operation


@pytest.mark.parametrize("which", CALLERS)
@pytest.mark.parametrize("names", [("key", "none"), ("alias", "no alias")])
def test_reencrypt_tells_nothing_of_the_keys_it_names(
    account: TestAccount, callers: dict[str, Any], theirs: dict[str, Any], which: str, names: tuple[str, str]
) -> None:
    kms = callers[which]
    own = account.client().encrypt(KeyId="alias/own", Plaintext=b"x")["CiphertextBlob"]
    answers = []
    for name in names:
        for blob in (own, theirs["other blob"], b"no ciphertext"):
            for keys in (
                {"DestinationKeyId": theirs[name]},
                {"DestinationKeyId": "alias/own", "SourceKeyId": theirs[name]},
                {"DestinationKeyId": theirs[name], "SourceKeyId": theirs[name]},
            ):
                code, words = refusal(kms.re_encrypt, CiphertextBlob=blob, **keys)
                answers.append((code, words.replace(theirs[name], "it")))
    assert answers[: len(answers) // 2] == answers[len(answers) // 2 :]


@pytest.mark.parametrize("which", CALLERS)
@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_a_ciphertext_tells_nothing_of_the_key_it_names(
    callers: dict[str, Any], theirs: dict[str, Any], which: str, operation: str
) -> None:
    """Ciphertexts name their key in the clear, so one can be made up for any ID."""
    kms = callers[which]
    reference = ciphertext.parse(theirs["blob"])
    key_id = str(uuid4())
    header = ciphertext.header_of(reference)
    forged_header = ciphertext.header_of(ciphertext.Reference(reference.account_id, key_id, reference.material_id))
    forged = theirs["blob"].replace(header, forged_header)
    assert forged != theirs["blob"]
    answers = []
    for blob, known in ((theirs["blob"], reference.key_id), (forged, key_id)):
        given = {"CiphertextBlob": blob, **({"DestinationKeyId": "alias/own"} if operation == "ReEncrypt" else {})}
        code, words = refusal(getattr(kms, xform_name(operation)), **given)
        answers.append((code, words.replace(known, "it")))
    assert answers[0] == answers[1]
    assert answers[0][0] == "AccessDeniedException"


def test_a_grant_that_is_there_is_refused_as_one_that_is_not(
    account: TestAccount, other_account: TestAccount, theirs: dict[str, Any]
) -> None:
    made = other_account.client().create_grant(
        KeyId=theirs["key"], GranteePrincipal=other_account.root_arn, Operations=["Encrypt"]
    )
    kms = account.client()
    found = refusal(kms.retire_grant, KeyId=theirs["key"], GrantId=made["GrantId"])
    assert found == refusal(kms.retire_grant, KeyId=theirs["key"], GrantId=GRANT)
    assert found[0] == "AccessDeniedException"
    code, words = refusal(kms.retire_grant, GrantToken=made["GrantToken"])
    assert code == "AccessDeniedException"
    assert theirs["key"] not in words


def test_the_callers_own_record_tells_no_more_than_the_answer(account: TestAccount, theirs: dict[str, Any]) -> None:
    kms = account.client()
    records = []
    for name in ("alias", "no alias"):
        refusal(kms.describe_key, KeyId=theirs[name])
        (event,) = account.client("cloudtrail").lookup_events(
            MaxResults=1, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DescribeKey"}]
        )["Events"]
        record = json.loads(event["CloudTrailEvent"])
        assert theirs["key"] not in event["CloudTrailEvent"]
        text = json.dumps({name: record.get(name) for name in ("resources", "errorCode", "errorMessage")})
        records.append((sorted(record), re.sub(re.escape(theirs[name]), "it", text)))
    assert records[0] == records[1]


def test_an_alias_of_awss_in_another_accounts_arn_makes_no_key_here(
    account: TestAccount, other_account: TestAccount
) -> None:
    arn = f"arn:aws:kms:us-east-1:{other_account.account_id}:alias/aws/s3"
    assert refusal(account.client().describe_key, KeyId=arn)[0] == "AccessDeniedException"
    listed = account.client().list_aliases()["Aliases"]
    assert not [each for each in listed if each["AliasName"] == "alias/aws/s3" and "TargetKeyId" in each]


def test_who_is_let_in_still_learns_what_is_wrong(account: TestAccount, other_account: TestAccount) -> None:
    kms = account.client()
    key = kms.create_key()["KeyMetadata"]
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])
    policy["Statement"].append(allow("kms:*", Principal={"AWS": other_account.root_arn}))
    kms.put_key_policy(KeyId=key["KeyId"], Policy=json.dumps(policy))
    kms.disable_key(KeyId=key["KeyId"])
    theirs = other_account.client()
    assert theirs.describe_key(KeyId=key["Arn"])["KeyMetadata"]["Arn"] == key["Arn"]
    assert refusal(theirs.encrypt, KeyId=key["Arn"], Plaintext=b"x")[0] == "DisabledException"
    assert refusal(theirs.retire_grant, KeyId=key["Arn"], GrantId=GRANT)[0] == "NotFoundException"
