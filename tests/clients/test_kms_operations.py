"""Each KMS operation once over a socket: the required members of its answer are there, and no member the model does not have."""

from __future__ import annotations

import os
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.support.server import Server

MODEL = get_session().get_service_model("kms")
pytestmark = pytest.mark.client


@pytest.fixture(scope="module")
def calls(server: Server) -> dict[str, Any]:
    """Operation → (method, parameters), in an order in which each finds what it needs."""
    kms = server.client()

    def key(**parameters: Any) -> str:
        return str(kms.create_key(**parameters)["KeyMetadata"]["KeyId"])

    symmetric, signing, hmac = (
        key(),
        key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"),
        key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
    )
    agreement, kem = (
        key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
        key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE"),
    )
    external, multi, doomed, spare = key(Origin="EXTERNAL"), key(MultiRegion=True), key(), key()
    kms.create_alias(AliasName="alias/ops", TargetKeyId=symmetric)
    root = "arn:aws:iam::111122223333:root"
    grant = kms.create_grant(KeyId=symmetric, GranteePrincipal=root, Operations=["Encrypt"])
    retired = kms.create_grant(KeyId=symmetric, GranteePrincipal=root, Operations=["Encrypt"])
    blob = kms.encrypt(KeyId=symmetric, Plaintext=b"x")["CiphertextBlob"]
    signature = kms.sign(KeyId=signing, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    mac = kms.generate_mac(KeyId=hmac, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    secret = kms.encapsulate(KeyId=kem, EncapsulationAlgorithm="ML_KEM")["SharedSecretCiphertextBlob"]
    peer = kms.generate_data_key_pair(KeyId=symmetric, KeyPairSpec="ECC_NIST_P256")["PublicKey"]
    kms.schedule_key_deletion(KeyId=spare)
    policy = kms.get_key_policy(KeyId=symmetric)["Policy"]
    return {
        "CreateKey": {},
        "DescribeKey": {"KeyId": symmetric},
        "ListKeys": {"Limit": 1},
        "CreateAlias": {"AliasName": f"alias/ops-{os.getpid()}", "TargetKeyId": symmetric},
        "UpdateAlias": {"AliasName": f"alias/ops-{os.getpid()}", "TargetKeyId": doomed},
        "DeleteAlias": {"AliasName": f"alias/ops-{os.getpid()}"},
        "ListAliases": {"KeyId": symmetric},
        "Encrypt": {"KeyId": symmetric, "Plaintext": b"x"},
        "Decrypt": {"CiphertextBlob": blob},
        "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": symmetric},
        "GenerateDataKey": {"KeyId": symmetric, "NumberOfBytes": 5},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": symmetric, "KeySpec": "AES_256"},
        "GenerateDataKeyPair": {"KeyId": symmetric, "KeyPairSpec": "ECC_NIST_P256"},
        "GenerateDataKeyPairWithoutPlaintext": {"KeyId": symmetric, "KeyPairSpec": "ECC_NIST_P256"},
        "GenerateRandom": {"NumberOfBytes": 8},
        "Sign": {"KeyId": signing, "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"},
        "Verify": {"KeyId": signing, "Message": b"m", "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"},
        "GetPublicKey": {"KeyId": signing},
        "GenerateMac": {"KeyId": hmac, "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"},
        "VerifyMac": {"KeyId": hmac, "Message": b"m", "Mac": mac, "MacAlgorithm": "HMAC_SHA_256"},
        "DeriveSharedSecret": {"KeyId": agreement, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer},
        "Encapsulate": {"KeyId": kem, "EncapsulationAlgorithm": "ML_KEM"},
        "Decapsulate": {"KeyId": kem, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": secret},
        "DisableKey": {"KeyId": doomed},
        "EnableKey": {"KeyId": doomed},
        "ScheduleKeyDeletion": {"KeyId": doomed},
        "CancelKeyDeletion": {"KeyId": spare},
        "UpdateKeyDescription": {"KeyId": symmetric, "Description": "d"},
        "EnableKeyRotation": {"KeyId": symmetric},
        "GetKeyRotationStatus": {"KeyId": symmetric},
        "RotateKeyOnDemand": {"KeyId": symmetric},
        "ListKeyRotations": {"KeyId": symmetric},
        "DisableKeyRotation": {"KeyId": symmetric},
        "GetKeyPolicy": {"KeyId": symmetric},
        "PutKeyPolicy": {"KeyId": symmetric, "Policy": policy},
        "ListKeyPolicies": {"KeyId": symmetric},
        "TagResource": {"KeyId": symmetric, "Tags": [{"TagKey": "a", "TagValue": "b"}]},
        "ListResourceTags": {"KeyId": symmetric},
        "UntagResource": {"KeyId": symmetric, "TagKeys": ["a"]},
        "CreateGrant": {"KeyId": symmetric, "GranteePrincipal": root, "Operations": ["Decrypt"]},
        "ListGrants": {"KeyId": symmetric},
        "ListRetirableGrants": {"RetiringPrincipal": root},
        "RetireGrant": {"GrantToken": retired["GrantToken"]},
        "RevokeGrant": {"KeyId": symmetric, "GrantId": grant["GrantId"]},
        "GetParametersForImport": {
            "KeyId": external,
            "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
            "WrappingKeySpec": "RSA_2048",
        },
        "DeleteImportedKeyMaterial": {"KeyId": external},
        "ReplicateKey": {"KeyId": multi, "ReplicaRegion": "eu-west-1"},
        "UpdatePrimaryRegion": {"KeyId": multi, "PrimaryRegion": "us-east-1"},
        "GetKeyLastUsage": {"KeyId": symmetric},
        "DescribeCustomKeyStores": {},
    }


# What cannot succeed on its own answers its exact error.
REFUSED = {
    "ImportKeyMaterial": ({"ImportToken": b"x", "EncryptedKeyMaterial": b"x"}, "InvalidImportTokenException"),
    "CreateCustomKeyStore": ({"CustomKeyStoreName": "s"}, "ValidationException"),
    "ConnectCustomKeyStore": ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreNotFoundException"),
    "DisconnectCustomKeyStore": ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreNotFoundException"),
    "UpdateCustomKeyStore": ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreNotFoundException"),
    "DeleteCustomKeyStore": ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreNotFoundException"),
}


def test_each_operation_answers_with_the_members_of_its_model(server: Server, calls: dict[str, Any]) -> None:
    assert set(calls) | set(REFUSED) == set(MODEL.operation_names)
    kms = server.client()
    methods = {value: key for key, value in kms.meta.method_to_api_mapping.items()}
    for operation, parameters in calls.items():
        answer = getattr(kms, methods[operation])(**parameters)
        answer.pop("ResponseMetadata")
        shape = MODEL.operation_model(operation).output_shape
        assert set(answer) <= set(shape.members if shape else ()), operation


@pytest.mark.parametrize("operation", REFUSED)
def test_what_cannot_be_done_is_refused_exactly(server: Server, operation: str) -> None:
    kms = server.client()
    parameters, code = REFUSED[operation]
    if operation == "ImportKeyMaterial":
        parameters = {
            **parameters,
            "KeyId": kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"],
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
    methods = {value: key for key, value in kms.meta.method_to_api_mapping.items()}
    with pytest.raises(ClientError) as refused:
        getattr(kms, methods[operation])(**parameters)
    assert refused.value.response["Error"]["Code"] == code
