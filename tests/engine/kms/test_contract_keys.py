"""Keys and how they are named: what AWS KMS was recorded to answer.

The facts are AWS's: recordings that LocalStack and floci publish, moto's tests that are verified against AWS, the API Reference. Each
test runs in this process and over a socket.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.kms.contract import IDENTIFIERS, METHODS, NOBODY, invalid, refusal, refused_body

# --- metadata

BASE = {
    *("AWSAccountId", "KeyId", "Arn", "CreationDate", "Enabled", "Description", "KeyUsage", "KeyState", "Origin"),
    *("KeyManager", "CustomerMasterKeySpec", "KeySpec", "MultiRegion"),
}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("symmetric", {"EncryptionAlgorithms", "CurrentKeyMaterialId"}),
        ("rsa encryption", {"EncryptionAlgorithms"}),
        ("rsa signing", {"SigningAlgorithms"}),
        ("agreement", {"KeyAgreementAlgorithms"}),
        ("hmac", {"MacAlgorithms"}),
        ("kem", {"EncapsulationAlgorithms"}),
        ("external", {"EncryptionAlgorithms"}),
    ],
)
def test_a_key_is_described_by_the_members_of_its_kind_and_no_others(
    aws: Any, keys: dict[str, Any], kind: str, more: set[str]
) -> None:
    described = aws.describe_key(KeyId=keys[kind]["KeyId"])["KeyMetadata"]
    assert set(described) == BASE | more
    assert described == keys[kind]


def test_a_new_external_key_is_not_enabled(keys: dict[str, Any]) -> None:
    assert (keys["external"]["Enabled"], keys["external"]["KeyState"]) == (False, "PendingImport")


def test_a_multi_region_key_lists_its_regions(contract: TestAccount, aws: Any) -> None:
    made = aws.create_key(MultiRegion=True, Description="in two places")["KeyMetadata"]
    assert re.fullmatch(r"mrk-[0-9a-f]{32}", made["KeyId"])
    here = {"Arn": made["Arn"], "Region": "us-east-1"}
    assert made["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": here,
        "ReplicaKeys": [],
    }
    there = contract.client(region="ap-southeast-1")
    missing = made["Arn"].replace("us-east-1", "ap-southeast-1")
    assert refusal(there.describe_key, KeyId=made["KeyId"]) == ("NotFoundException", f"Key '{missing}' does not exist")
    answer = aws.replicate_key(KeyId=made["KeyId"], ReplicaRegion="ap-southeast-1")
    replica = answer["ReplicaKeyMetadata"]
    assert (replica["Arn"], replica["Description"], replica["Enabled"]) == (missing, "", False)
    assert (replica["KeyState"], "ReplicaTags" in answer) == ("Creating", False)
    assert set(replica) == BASE | {"EncryptionAlgorithms", "MultiRegionConfiguration"}  # no CurrentKeyMaterialId yet
    assert replica["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": here,
        "ReplicaKeys": [{"Arn": missing, "Region": "ap-southeast-1"}],
    }
    assert refusal(there.replicate_key, KeyId=made["KeyId"], ReplicaRegion="eu-west-1") == (
        "UnsupportedOperationException",
        f"{missing} is not a multi-region primary key.",
    )


def test_a_key_of_one_region_is_not_replicated(aws: Any, keys: dict[str, Any]) -> None:
    assert refusal(aws.replicate_key, KeyId=keys["symmetric"]["KeyId"], ReplicaRegion="eu-west-1") == (
        "UnsupportedOperationException",
        f"{keys['symmetric']['Arn']} is not a multi-region primary key.",
    )


# --- creating

CREATIONS = [
    (
        {"KeySpec": "HMAC_256"},
        (
            "ValidationException",
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        ),
    ),
    (
        {"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"},
        ("ValidationException", "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"),
    ),
    (
        {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"},
        ("UnsupportedOperationException", "KeySpec SM2 is not supported in this Region"),
    ),
    (
        {"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        (
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        ),
    ),
    (
        {"Origin": "EXTERNAL", "KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"},
        ("UnsupportedOperationException", "KeySpec ML_DSA_44 is not supported for Origin EXTERNAL"),
    ),
    (
        {"Tags": [{"TagKey": f"key{number}", "TagValue": ""} for number in range(51)]},
        ("TagException", "Too many tags"),
    ),
    ({"Tags": [{"TagKey": "aws:key", "TagValue": ""}]}, ("TagException", "Tags beginning with aws: are reserved")),
    ({"Tags": [{"TagKey": "AWS:key", "TagValue": ""}]}, ("TagException", "Tags beginning with aws: are reserved")),
    (
        {"Tags": [{"TagKey": "a" * 129, "TagValue": ""}]},
        invalid(
            f"Value '{'a' * 129}' at 'tags.1.member.tagKey' failed to satisfy constraint: "
            "Member must have length less than or equal to 128"
        ),
    ),
    (
        {"Tags": [{"TagKey": "a", "TagValue": "v" * 257}]},
        invalid(
            f"Value '{'v' * 257}' at 'tags.1.member.tagValue' failed to satisfy constraint: "
            "Member must have length less than or equal to 256"
        ),
    ),
]


@pytest.mark.parametrize(("parameters", "expected"), CREATIONS)
def test_a_key_that_cannot_be_is_refused(aws: Any, parameters: dict[str, Any], expected: tuple[str, str]) -> None:
    assert refusal(aws.create_key, **parameters) == expected


@pytest.mark.parametrize(
    ("operation", "member", "values"),
    [
        ("CreateKey", "KeySpec", "[RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, "),
        ("CreateKey", "KeyUsage", "[ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, "),
        ("GenerateMac", "MacAlgorithm", "[HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]"),
        ("Encrypt", "EncryptionAlgorithm", "[RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE, SYMMETRIC_DEFAULT]"),
        ("Sign", "MessageType", "[RAW, DIGEST, EXTERNAL_MU]"),
        ("Sign", "SigningAlgorithm", "[RSASSA_PSS_SHA_256, RSASSA_PSS_SHA_384, RSASSA_PSS_SHA_512, RSASSA_PKCS1_"),
        ("DeriveSharedSecret", "KeyAgreementAlgorithm", "[ECDH]"),
    ],
)
def test_a_value_outside_an_enum_is_answered_with_the_values_in_awss_order(
    contract: TestAccount, operation: str, member: str, values: str
) -> None:
    base = {
        "GenerateMac": {"KeyId": NOBODY, "Message": "AQ=="},
        "Encrypt": {"KeyId": NOBODY, "Plaintext": "AQ=="},
        "Sign": {"KeyId": NOBODY, "Message": "AQ==", "SigningAlgorithm": "ECDSA_SHA_256"},
        "DeriveSharedSecret": {"KeyId": NOBODY, "PublicKey": "AQ=="},
    }.get(operation, {})
    code, message = refused_body(contract, operation, {**base, member: "FOO"})
    assert code == "ValidationException"
    lower = member[0].lower() + member[1:]
    start = f"1 validation error detected: Value 'FOO' at '{lower}' failed to satisfy constraint: "
    assert message.startswith(f"{start}Member must satisfy enum value set: {values}")


# --- identifiers


# Members beside the key that let a request get as far as its key.
REST: dict[str, dict[str, Any]] = {
    "CreateGrant": {"GranteePrincipal": "arn:aws:iam::111122223333:root", "Operations": ["Encrypt"]},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ImportKeyMaterial": {"ImportToken": b"x", "EncryptedKeyMaterial": b"x"},
    "PutKeyPolicy": {"Policy": "{}"},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "RetireGrant": {"GrantId": "0" * 64},
    "RevokeGrant": {"GrantId": "0" * 64},
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateKeyDescription": {"Description": ""},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}


@pytest.mark.parametrize("form", ["name", "arn"])
@pytest.mark.parametrize("operation", [name for name, member, takes in IDENTIFIERS if not takes and member == "KeyId"])
def test_an_operation_that_takes_no_alias_says_so_before_looking_it_up(
    contract: TestAccount, aws: Any, operation: str, form: str
) -> None:
    alias = "alias/nowhere" if form == "name" else f"arn:aws:kms:us-east-1:{contract.account_id}:alias/nowhere"
    call = getattr(aws, METHODS[operation])
    assert refusal(call, KeyId=alias, **REST.get(operation, {})) == (
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
    )


@pytest.mark.parametrize("operation", ["create_alias", "update_alias"])
def test_an_alias_cannot_point_to_an_alias(contract: TestAccount, aws: Any, operation: str) -> None:
    key_id = contract.create_key()
    name = f"alias/to-alias-{key_id}"
    aws.create_alias(AliasName=name, TargetKeyId=key_id)
    assert refusal(getattr(aws, operation), AliasName=name, TargetKeyId=name) == (
        "ValidationException",
        "Aliases must refer to keys. Not aliases",
    )


def test_every_operation_that_takes_an_alias_is_tried(uses: dict[str, Any]) -> None:
    assert set(uses) == {name for name, _, takes in IDENTIFIERS if takes}


@pytest.mark.parametrize("operation", sorted({name for name, _, takes in IDENTIFIERS if takes}))
def test_an_operation_that_takes_aliases_takes_all_four_forms(
    contract: TestAccount, aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str
) -> None:
    kind, member, rest = uses[operation]
    key = keys[kind]
    alias = f"alias/{operation}-{key['KeyId']}"
    aws.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    alias_arn = f"arn:aws:kms:us-east-1:{contract.account_id}:{alias}"
    for identifier in (key["KeyId"], key["Arn"], alias, alias_arn):
        answer = getattr(aws, METHODS[operation])(**{member: identifier}, **rest)
        assert answer.get("KeyMetadata", answer)["Arn" if operation == "DescribeKey" else "KeyId"] == key["Arn"]


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        (NOBODY, "Key '{arn}" + NOBODY + "' does not exist"),
        ("786CA7CD-B74B-42B3-B887-902AD7AB6429", "Key '{arn}786CA7CD-B74B-42B3-B887-902AD7AB6429' does not exist"),
        ("mrk-" + "d3b95762" * 4, "Key '{arn}mrk-" + "d3b95762" * 4 + "' does not exist"),
        ("{arn}" + NOBODY, "Key '{arn}" + NOBODY + "' does not exist"),
        ("{arn}foo", "Invalid keyId foo"),
        ("foo", "Invalid keyId 'foo'"),
        ("134f2428cec14b25a1ae9048164dba47", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'"),
        ("mrk-fake", "Invalid keyId 'mrk-fake'"),
        ("alias/nowhere", "Alias {alias}alias/nowhere is not found."),
        ("{alias}alias/nowhere", "Alias {alias}alias/nowhere is not found."),
        ("arn:aws:kms:eu-west-1:111122223333:key/" + NOBODY, "Invalid arn eu-west-1"),
        ("arn:aws:kms:eu-west-1:111122223333:alias/nowhere", "Invalid arn eu-west-1"),
    ],
)
def test_a_key_that_is_not_there_is_named_in_awss_words(
    contract: TestAccount, aws: Any, identifier: str, message: str
) -> None:
    prefix = f"arn:aws:kms:us-east-1:{contract.account_id}:"
    parts = {"arn": f"{prefix}key/", "alias": prefix}
    for call, rest in ((aws.describe_key, {}), (aws.generate_data_key, {"NumberOfBytes": 5})):
        assert refusal(call, KeyId=identifier.format(**parts), **rest) == (
            "NotFoundException",
            message.format(**parts),
        )


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("DescribeKey", {}, "Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
        (
            "DescribeKey",
            {"KeyId": "キー"},
            r"Value 'キー' at 'keyId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^\p{ASCII}+$",
        ),
        (
            "CreateAlias",
            {"AliasName": "alias/x"},
            "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null",
        ),
        (
            "Encrypt",
            {"KeyId": NOBODY},
            "Value at 'plaintext' failed to satisfy constraint: Member must not be null",
        ),
        (
            "Verify",
            {"KeyId": NOBODY, "Message": "AQ==", "SigningAlgorithm": "ECDSA_SHA_256"},
            "Value null at 'signature' failed to satisfy constraint: Member must not be null",
        ),
        ("Decrypt", {}, "Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"),
        (
            "ReEncrypt",
            {"DestinationKeyId": "alias/nowhere"},
            "Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null",
        ),
        (
            "GenerateDataKey",
            {"KeyId": NOBODY, "NumberOfBytes": 1025},
            "Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
        ),
        (
            "GenerateRandom",
            {"NumberOfBytes": 0},
            "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "EnableKeyRotation",
            {"KeyId": NOBODY, "RotationPeriodInDays": 89},
            "Value '89' at 'rotationPeriodInDays' failed to satisfy constraint: "
            "Member must have value greater than or equal to 90",
        ),
    ],
)
def test_members_are_checked_before_the_key_is_looked_up(
    contract: TestAccount, operation: str, body: dict[str, Any], expected: str
) -> None:
    assert refused_body(contract, operation, body) == invalid(expected)


def test_all_that_is_wrong_with_a_member_is_said(contract: TestAccount) -> None:
    assert refused_body(contract, "GetPublicKey", {"KeyId": ""}) == (
        "ValidationException",
        "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than "
        "or equal to 1; Value '' at 'keyId' failed to satisfy constraint: Member must satisfy regular expression pattern: "
        r"^\p{ASCII}+$",
    )


@pytest.mark.parametrize(
    ("operation", "member", "most", "rest"),
    [
        ("Encrypt", "Plaintext", 4096, {}),
        ("Sign", "Message", 4096, {"SigningAlgorithm": "ECDSA_SHA_256"}),
        ("Verify", "Signature", 6144, {"SigningAlgorithm": "ECDSA_SHA_256", "Message": b"m"}),
        ("GenerateMac", "Message", 4096, {"MacAlgorithm": "HMAC_SHA_256"}),
        ("VerifyMac", "Mac", 6144, {"MacAlgorithm": "HMAC_SHA_256", "Message": b"m"}),
        ("Decrypt", "CiphertextBlob", 6144, {}),
    ],
)
def test_a_blob_of_the_wrong_length_is_refused_unseen(
    aws: Any, operation: str, member: str, most: int, rest: dict[str, Any]
) -> None:
    where = f"Value at '{member[0].lower() + member[1:]}' failed to satisfy constraint: Member must have length"
    call = getattr(aws, METHODS[operation])
    assert refusal(call, KeyId=NOBODY, **{member: b""}, **rest) == invalid(f"{where} greater than or equal to 1")
    assert refusal(call, KeyId=NOBODY, **{member: bytes(most + 1)}, **rest) == invalid(
        f"{where} less than or equal to {most}"
    )
