"""Keys in use: what AWS KMS was recorded to answer.

The facts are AWS's: recordings that LocalStack and floci publish, moto's tests that are verified against AWS, the API Reference. Each
test runs in this process and over a socket.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.kms.contract import METHODS, refusal

# --- usage, state, algorithm: in this order

MISMATCHES = [
    ("GenerateMac", "symmetric", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}),
    ("VerifyMac", "rsa signing", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256", "Mac": b"m"}),
    ("Sign", "hmac", {"Message": b"m", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}),
    ("Sign", "disabled hmac", {"Message": b"m", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}),
    ("Verify", "symmetric", {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": b"s"}),
    ("Encrypt", "rsa signing", {"Plaintext": b"x", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
    ("GenerateDataKey", "p256", {"KeySpec": "AES_256"}),
    ("GenerateDataKeyWithoutPlaintext", "p256", {"KeySpec": "AES_256"}),
    ("GenerateDataKeyPair", "hmac", {"KeyPairSpec": "RSA_2048"}),
    ("DeriveSharedSecret", "p256", {"KeyAgreementAlgorithm": "ECDH", "PublicKey": b"x"}),
    ("DeriveSharedSecret", "symmetric", {"KeyAgreementAlgorithm": "ECDH", "PublicKey": b"x"}),
    ("Encapsulate", "rsa encryption", {"EncapsulationAlgorithm": "ML_KEM"}),
    ("Decapsulate", "p256", {"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": b"x"}),
]


@pytest.mark.parametrize(("operation", "kind", "rest"), MISMATCHES)
def test_a_key_of_another_usage_is_refused_whatever_its_state(
    aws: Any, keys: dict[str, Any], operation: str, kind: str, rest: dict[str, Any]
) -> None:
    key = keys[kind]
    assert refusal(getattr(aws, METHODS[operation]), KeyId=key["KeyId"], **rest) == (
        "InvalidKeyUsageException",
        f"{key['Arn']} key usage is {key['KeyUsage']} which is not valid for {operation}.",
    )


@pytest.mark.parametrize(
    ("operation", "kind", "rest"),
    [
        ("GenerateMac", "disabled hmac", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_512"}),
        ("Encrypt", "disabled rsa", {"Plaintext": b"x"}),
        ("GenerateDataKey", "disabled rsa", {"KeySpec": "AES_256"}),
        ("EnableKeyRotation", "disabled hmac", {}),
        ("DisableKeyRotation", "disabled hmac", {}),
        ("RotateKeyOnDemand", "disabled hmac", {}),
        ("RotateKeyOnDemand", "disabled rsa", {}),
    ],
)
def test_the_state_comes_before_the_algorithm_and_the_spec(
    aws: Any, keys: dict[str, Any], operation: str, kind: str, rest: dict[str, Any]
) -> None:
    key = keys[kind]
    assert refusal(getattr(aws, METHODS[operation]), KeyId=key["KeyId"], **rest) == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )


@pytest.mark.parametrize(
    ("operation", "kind", "algorithm"),
    [
        ("Encrypt", "rsa encryption", "SYMMETRIC_DEFAULT"),
        ("Encrypt", "symmetric", "RSAES_OAEP_SHA_256"),
        ("Sign", "rsa signing", "ECDSA_SHA_256"),
        ("Sign", "p256", "ECDSA_SHA_384"),
        ("Sign", "p256", "ED25519_PH_SHA_512"),
        ("Sign", "ed25519", "ECDSA_SHA_512"),
        ("Verify", "p256", "RSASSA_PSS_SHA_256"),
        ("GenerateMac", "hmac", "HMAC_SHA_224"),
        ("VerifyMac", "hmac", "HMAC_SHA_512"),
    ],
)
def test_an_algorithm_of_another_spec_is_refused(
    aws: Any, keys: dict[str, Any], operation: str, kind: str, algorithm: str
) -> None:
    rest: dict[str, Any] = {
        "Encrypt": {"Plaintext": b"x", "EncryptionAlgorithm": algorithm},
        "Sign": {"Message": b"m", "SigningAlgorithm": algorithm},
        "Verify": {"Message": b"m", "SigningAlgorithm": algorithm, "Signature": b"s"},
        "GenerateMac": {"Message": b"m", "MacAlgorithm": algorithm},
        "VerifyMac": {"Message": b"m", "MacAlgorithm": algorithm, "Mac": b"m"},
    }[operation]
    assert refusal(getattr(aws, METHODS[operation]), KeyId=keys[kind]["KeyId"], **rest) == (
        "InvalidKeyUsageException",
        f"Algorithm {algorithm} is incompatible with key spec {keys[kind]['KeySpec']}.",
    )


# --- encryption


@pytest.mark.parametrize(("algorithm", "most"), [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)])
def test_rsa_encrypts_what_oaep_leaves_room_for(aws: Any, keys: dict[str, Any], algorithm: str, most: int) -> None:
    key_id = keys["rsa encryption"]["KeyId"]
    blob = aws.encrypt(KeyId=key_id, Plaintext=bytes(most), EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    assert len(blob) == 256
    assert refusal(aws.encrypt, KeyId=key_id, Plaintext=bytes(most + 1), EncryptionAlgorithm=algorithm) == (
        "ValidationException",
        f"Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes.",
    )


def test_an_asymmetric_key_takes_no_encryption_context(aws: Any, keys: dict[str, Any]) -> None:
    assert refusal(
        aws.encrypt,
        KeyId=keys["rsa encryption"]["KeyId"],
        Plaintext=b"x",
        EncryptionAlgorithm="RSAES_OAEP_SHA_256",
        EncryptionContext={"a": "b"},
    ) == ("ValidationException", "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")


@pytest.mark.parametrize("kind", ["other symmetric", "rsa encryption", "rsa signing", "hmac", "external"])
@pytest.mark.parametrize("operation", ["decrypt", "re_encrypt"])
def test_a_key_that_did_not_encrypt_cannot_decrypt(aws: Any, keys: dict[str, Any], kind: str, operation: str) -> None:
    blob = aws.encrypt(KeyId=keys["symmetric"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    named: dict[str, Any] = (
        {"KeyId": keys[kind]["KeyId"]}
        if operation == "decrypt"
        else {"SourceKeyId": keys[kind]["KeyId"], "DestinationKeyId": keys[kind]["KeyId"]}
    )
    assert refusal(getattr(aws, operation), CiphertextBlob=blob, **named) == (
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )


@pytest.mark.parametrize(
    ("kind", "blob", "algorithm"),
    [
        ("", bytes(3), None),
        ("symmetric", bytes(300), None),
        ("rsa encryption", bytes([1]) * 256, None),  # an algorithm left out is compared after the ciphertext was parsed
        ("rsa encryption", bytes([1]) * 256, "RSAES_OAEP_SHA_256"),
        ("rsa encryption", bytes([1]) * 10, "RSAES_OAEP_SHA_256"),
    ],
)
def test_what_is_no_ciphertext_is_refused_without_a_word(
    aws: Any, keys: dict[str, Any], kind: str, blob: bytes, algorithm: str | None
) -> None:
    more = {"KeyId": keys[kind]["KeyId"]} if kind else {}
    more |= {"EncryptionAlgorithm": algorithm} if algorithm else {}
    assert refusal(aws.decrypt, CiphertextBlob=blob, **more) == ("InvalidCiphertextException", "")


@pytest.mark.parametrize("call", ["encrypt", "generate_data_key", "generate_data_key_without_plaintext"])
def test_a_ciphertext_opens_only_in_its_encryption_context(aws: Any, keys: dict[str, Any], call: str) -> None:
    rest: dict[str, Any] = {"Plaintext": b"x"} if call == "encrypt" else {"KeySpec": "AES_128"}
    _opens_only_in_its_context(aws, keys, call, rest)


def test_a_data_key_pair_opens_only_in_its_encryption_context(aws: Any, keys: dict[str, Any]) -> None:
    _opens_only_in_its_context(aws, keys, "generate_data_key_pair", {"KeyPairSpec": "ECC_NIST_P256"})


def _opens_only_in_its_context(aws: Any, keys: dict[str, Any], call: str, rest: dict[str, Any]) -> None:
    answer = getattr(aws, call)(KeyId=keys["symmetric"]["KeyId"], EncryptionContext={"in": "this"}, **rest)
    blob = answer.get("CiphertextBlob") or answer["PrivateKeyCiphertextBlob"]
    assert refusal(aws.decrypt, CiphertextBlob=blob) == ("InvalidCiphertextException", "")
    assert aws.decrypt(CiphertextBlob=blob, EncryptionContext={"in": "this"})["KeyId"] == keys["symmetric"]["Arn"]


ANSWERS = {
    "Encrypt": {"CiphertextBlob", "KeyId", "EncryptionAlgorithm"},
    "Decrypt": {"Plaintext", "KeyId", "EncryptionAlgorithm", "KeyMaterialId"},
    "ReEncrypt": {
        *("CiphertextBlob", "SourceKeyId", "KeyId", "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"),
        *("SourceKeyMaterialId", "DestinationKeyMaterialId"),
    },
    "GenerateDataKey": {"CiphertextBlob", "Plaintext", "KeyId", "KeyMaterialId"},
    "GenerateDataKeyWithoutPlaintext": {"CiphertextBlob", "KeyId", "KeyMaterialId"},
    "GenerateDataKeyPair": {
        *("PrivateKeyCiphertextBlob", "PrivateKeyPlaintext", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"),
    },
    "GenerateDataKeyPairWithoutPlaintext": {
        *("PrivateKeyCiphertextBlob", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"),
    },
    "GetPublicKey": {
        *("KeyId", "PublicKey", "CustomerMasterKeySpec", "KeySpec", "KeyUsage", "SigningAlgorithms"),
    },
    "Sign": {"KeyId", "Signature", "SigningAlgorithm"},
    "Verify": {"KeyId", "SignatureValid", "SigningAlgorithm"},
    "GenerateMac": {"KeyId", "Mac", "MacAlgorithm"},
    "VerifyMac": {"KeyId", "MacValid", "MacAlgorithm"},
    "DeriveSharedSecret": {"KeyId", "SharedSecret", "KeyAgreementAlgorithm", "KeyOrigin"},
    "Encapsulate": {"KeyId", "SharedSecret", "SharedSecretCiphertextBlob", "EncapsulationAlgorithm"},
    "Decapsulate": {"KeyId", "SharedSecret", "EncapsulationAlgorithm"},
}


@pytest.mark.parametrize("operation", ANSWERS)
def test_an_answer_has_all_its_members(aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str) -> None:
    kind, member, rest = uses[operation]
    answer = getattr(aws, METHODS[operation])(**{member: keys[kind]["KeyId"]}, **rest)
    answer.pop("ResponseMetadata")
    assert set(answer) == ANSWERS[operation]


@pytest.mark.parametrize(
    ("operation", "rest"),
    [
        ("Decrypt", {}),
        ("GenerateDataKey", {}),
        ("GenerateDataKeyPair", {}),
        ("DeriveSharedSecret", {}),
        ("GenerateRandom", {"NumberOfBytes": 1}),
    ],
)
def test_answers_sealed_for_an_enclave_are_refused(
    aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str, rest: dict[str, Any]
) -> None:
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    if operation in uses:
        kind, member, parameters = uses[operation]
        rest = {member: keys[kind]["KeyId"], **parameters}
    assert refusal(getattr(aws, METHODS[operation]), Recipient=recipient, **rest) == (
        "UnsupportedOperationException",
        "Recipient is not supported: there is no Nitro enclave attestation in this service.",
    )


def test_a_symmetric_ciphertext_becomes_an_rsa_one(aws: Any, keys: dict[str, Any]) -> None:
    blob = aws.encrypt(KeyId=keys["symmetric"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    answer = aws.re_encrypt(
        CiphertextBlob=blob,
        DestinationKeyId=keys["rsa encryption"]["KeyId"],
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_1",
    )
    assert len(answer["CiphertextBlob"]) == 256
    assert (answer["SourceEncryptionAlgorithm"], answer["DestinationEncryptionAlgorithm"]) == (
        "SYMMETRIC_DEFAULT",
        "RSAES_OAEP_SHA_1",
    )
    assert ("SourceKeyMaterialId" in answer, "DestinationKeyMaterialId" in answer) == (True, False)


def test_the_destination_of_a_re_encryption_must_encrypt(aws: Any, keys: dict[str, Any]) -> None:
    blob = aws.encrypt(KeyId=keys["symmetric"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert refusal(aws.re_encrypt, CiphertextBlob=blob, DestinationKeyId=keys["p256"]["KeyId"]) == (
        "InvalidKeyUsageException",
        f"{keys['p256']['Arn']} key usage is SIGN_VERIFY which is not valid for ReEncrypt.",
    )
    assert refusal(aws.re_encrypt, CiphertextBlob=blob, DestinationKeyId=keys["external"]["KeyId"]) == (
        "KMSInvalidStateException",
        f"{keys['external']['Arn']} is pending import.",
    )


# --- data keys


@pytest.mark.parametrize("kind", ["symmetric", "disabled", "p256", "hmac"])
@pytest.mark.parametrize("rest", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_a_data_key_needs_a_spec_or_a_length(aws: Any, keys: dict[str, Any], kind: str, rest: dict[str, Any]) -> None:
    for call in (aws.generate_data_key, aws.generate_data_key_without_plaintext):
        assert refusal(call, KeyId=keys[kind]["KeyId"], **rest) == (
            "ValidationException",
            "Please specify either number of bytes or key spec.",
        )


def test_an_asymmetric_key_makes_no_data_keys(aws: Any, keys: dict[str, Any]) -> None:
    for call, rest in (
        (aws.generate_data_key, {"KeySpec": "AES_256"}),
        (aws.generate_data_key_pair, {"KeyPairSpec": "RSA_2048"}),
    ):
        assert refusal(call, KeyId=keys["rsa encryption"]["KeyId"], **rest) == (
            "InvalidKeyUsageException",
            "You cannot generate a data key with an asymmetric CMK",
        )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("SM2", "KeyPairSpec SM2 is not supported in this Region"),
        (
            "ML_KEM_512",
            "KeyPairSpec ML_KEM_512 is not available here: ML-KEM-512 is not in the cryptography package.",
        ),
    ],
)
def test_a_data_key_pair_of_a_spec_that_is_not_here_is_refused(
    aws: Any, keys: dict[str, Any], spec: str, message: str
) -> None:
    for call in (aws.generate_data_key_pair, aws.generate_data_key_pair_without_plaintext):
        assert refusal(call, KeyId=keys["symmetric"]["KeyId"], KeyPairSpec=spec) == (
            "UnsupportedOperationException",
            message,
        )


def test_an_rsa_ciphertext_needs_its_key_named(aws: Any) -> None:
    code, message = refusal(aws.decrypt, CiphertextBlob=bytes(256), EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert (code, message) == (
        "ValidationException",
        "KeyId is required when the encryption algorithm is RSAES_OAEP_SHA_256.",
    )


@pytest.mark.parametrize(
    ("wanted", "length"),
    [
        ({"KeySpec": "AES_128"}, 16),
        ({"KeySpec": "AES_256"}, 32),
        ({"NumberOfBytes": 7}, 7),
        ({"NumberOfBytes": 1024}, 1024),
    ],
)
def test_a_data_key_is_as_long_as_asked_for_and_comes_back(
    aws: Any, keys: dict[str, Any], wanted: dict[str, Any], length: int
) -> None:
    made = aws.generate_data_key(KeyId=keys["symmetric"]["KeyId"], **wanted)
    assert len(made["Plaintext"]) == length
    assert aws.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]


@pytest.mark.parametrize("length", [1, 12, 44, 91, 1024])
def test_random_bytes_are_as_many_as_asked_for(aws: Any, length: int) -> None:
    assert len(aws.generate_random(NumberOfBytes=length)["Plaintext"]) == length


def test_random_bytes_need_a_number(aws: Any) -> None:
    assert refusal(aws.generate_random) == ("ValidationException", "NumberOfBytes is required.")


# --- signatures, MACs, agreement


@pytest.mark.parametrize(
    ("kind", "algorithm", "length"),
    [
        ("p256", "ECDSA_SHA_256", 20),
        ("p256", "ECDSA_SHA_256", 48),
        ("rsa signing", "RSASSA_PSS_SHA_384", 32),
        ("rsa signing", "RSASSA_PKCS1_V1_5_SHA_512", 63),
        ("ed25519", "ED25519_PH_SHA_512", 32),
    ],
)
def test_a_digest_of_another_length_is_refused(
    aws: Any, keys: dict[str, Any], kind: str, algorithm: str, length: int
) -> None:
    request = {
        "KeyId": keys[kind]["KeyId"],
        "Message": bytes(length),
        "MessageType": "DIGEST",
        "SigningAlgorithm": algorithm,
    }
    expected = ("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
    assert refusal(aws.sign, **request) == expected
    assert refusal(aws.verify, Signature=b"s", **request) == expected


@pytest.mark.parametrize(
    ("kind", "algorithm", "message_type", "what"),
    [
        ("ed25519", "ED25519_SHA_512", "DIGEST", "algorithm ED25519_SHA_512"),
        ("ed25519", "ED25519_PH_SHA_512", "RAW", "algorithm ED25519_PH_SHA_512"),
        ("ml-dsa", "ML_DSA_SHAKE_256", "DIGEST", "key spec ML_DSA_44"),
        ("p256", "ECDSA_SHA_256", "EXTERNAL_MU", "key spec ECC_NIST_P256"),
    ],
)
def test_a_message_type_that_does_not_go_with_the_algorithm_is_refused(
    aws: Any, keys: dict[str, Any], kind: str, algorithm: str, message_type: str, what: str
) -> None:
    assert refusal(
        aws.sign,
        KeyId=keys[kind]["KeyId"],
        Message=bytes(64),
        MessageType=message_type,
        SigningAlgorithm=algorithm,
    ) == ("ValidationException", f"Message type {message_type} is incompatible with {what}.")


def test_what_the_cryptography_package_cannot_sign_is_refused_plainly(aws: Any, keys: dict[str, Any]) -> None:
    request = {
        "KeyId": keys["ed25519"]["KeyId"],
        "Message": bytes(64),
        "MessageType": "DIGEST",
        "SigningAlgorithm": "ED25519_PH_SHA_512",
    }
    expected = (
        "UnsupportedOperationException",
        "ED25519_PH_SHA_512 is not available here: Ed25519ph is not in the cryptography package.",
    )
    assert refusal(aws.sign, **request) == expected
    assert refusal(aws.verify, Signature=bytes(64), **request) == expected


@pytest.mark.parametrize(
    ("kind", "algorithm", "signature"),
    [
        ("rsa signing", "RSASSA_PSS_SHA_256", b"\1"),
        ("rsa signing", "RSASSA_PKCS1_V1_5_SHA_256", b"a" * 6144),
        ("p256", "ECDSA_SHA_256", b"\1"),
        ("secp256k1", "ECDSA_SHA_256", b"a" * 6144),
        ("ed25519", "ED25519_SHA_512", b"\1"),
        ("ml-dsa", "ML_DSA_SHAKE_256", b"a" * 6144),
    ],
)
def test_a_malformed_signature_is_only_invalid(
    aws: Any, keys: dict[str, Any], kind: str, algorithm: str, signature: bytes
) -> None:
    assert refusal(
        aws.verify, KeyId=keys[kind]["KeyId"], Message=b"m", Signature=signature, SigningAlgorithm=algorithm
    ) == ("KMSInvalidSignatureException", "")


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("rsa signing", "RSASSA_PSS_SHA_512"), ("p256", "ECDSA_SHA_256"), ("ml-dsa", "ML_DSA_SHAKE_256")],
)
def test_a_signature_of_another_message_is_invalid(aws: Any, keys: dict[str, Any], kind: str, algorithm: str) -> None:
    request = {"KeyId": keys[kind]["KeyId"], "SigningAlgorithm": algorithm}
    signature = aws.sign(Message=b"this", **request)["Signature"]
    assert aws.verify(Message=b"this", Signature=signature, **request)["SignatureValid"] is True
    assert refusal(aws.verify, Message=b"that", Signature=signature, **request) == ("KMSInvalidSignatureException", "")


def test_a_mac_of_another_message_is_invalid(aws: Any, keys: dict[str, Any]) -> None:
    request = {"KeyId": keys["hmac"]["KeyId"], "MacAlgorithm": "HMAC_SHA_256"}
    mac = aws.generate_mac(Message=b"this", **request)["Mac"]
    assert aws.verify_mac(Message=b"this", Mac=mac, **request)["MacValid"] is True
    assert refusal(aws.verify_mac, Message=b"that", Mac=mac, **request) == ("KMSInvalidMacException", "")


def test_both_sides_of_an_agreement_have_the_same_secret(aws: Any, keys: dict[str, Any]) -> None:
    mine, theirs = keys["agreement"], aws.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]
    secrets = [
        aws.derive_shared_secret(
            KeyId=one["KeyId"],
            KeyAgreementAlgorithm="ECDH",
            PublicKey=aws.get_public_key(KeyId=other["KeyId"])["PublicKey"],
        )["SharedSecret"]
        for one, other in ((mine, theirs), (theirs, mine))
    ]
    assert secrets[0] == secrets[1]
    assert len(secrets[0]) == 32


@pytest.mark.parametrize("which", ["junk", "another curve", "rsa"])
def test_a_public_key_that_does_not_fit_is_refused_without_a_word(aws: Any, keys: dict[str, Any], which: str) -> None:
    public = {"another curve": "secp256k1", "rsa": "rsa signing"}.get(which)
    der = aws.get_public_key(KeyId=keys[public]["KeyId"])["PublicKey"] if public else b"InvalidPublicKey"
    assert refusal(
        aws.derive_shared_secret, KeyId=keys["agreement"]["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=der
    ) == ("ValidationException", "")


@pytest.mark.parametrize("kind", ["symmetric", "hmac"])
def test_a_key_without_a_public_half_shows_none(aws: Any, keys: dict[str, Any], kind: str) -> None:
    assert refusal(aws.get_public_key, KeyId=keys[kind]["KeyId"]) == ("UnsupportedOperationException", "")
