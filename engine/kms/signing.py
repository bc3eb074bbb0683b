"""Sign, Verify, GetPublicKey; GenerateMac, VerifyMac; DeriveSharedSecret; Encapsulate, Decapsulate."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from engine.context import CallContext
from engine.kms import access, algorithms, key_use, specs, states
from engine.kms.algorithms import ecc, ed25519, mac, mldsa, mlkem, rsa
from engine.kms.key_snapshots import KmsKey
from engine.wire.errors import AWSError

_FAMILIES = {"rsa": rsa, "ecc": ecc, "ed25519": ed25519, "mldsa": mldsa}
_DIGEST_BYTES = {"256": 32, "384": 48, "512": 64}
RAW, DIGEST, EXTERNAL_MU = "RAW", "DIGEST", "EXTERNAL_MU"


def sign(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    algorithm = parameters["SigningAlgorithm"]
    prehashed = _checked_message(key, algorithm, parameters)
    access.dry_run(parameters)
    family = _FAMILIES[specs.spec(key.spec).family]
    signature = family.sign(key_use.private_key(key), algorithm, parameters["Message"], prehashed)
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm}


def verify(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    algorithm = parameters["SigningAlgorithm"]
    prehashed = _checked_message(key, algorithm, parameters)
    access.dry_run(parameters)
    family = _FAMILIES[specs.spec(key.spec).family]
    if not family.verify(key_use.public_key(key), algorithm, parameters["Message"], parameters["Signature"], prehashed):
        raise AWSError("KMSInvalidSignatureException", "")
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


def _checked_message(key: KmsKey, algorithm: str, parameters: dict[str, Any]) -> bool:
    """Whether the message is a digest (or mu) already; raises for a type or length that the algorithm does not take."""
    key_use.check_algorithm(key, algorithm)
    kind = parameters.get("MessageType", RAW)
    length = len(parameters["Message"])
    family = specs.spec(key.spec).family
    if kind == EXTERNAL_MU:
        if family != "mldsa":
            raise _wrong_type(kind, f"key spec {key.spec}")
        if length != mldsa.MU_BYTES:
            raise AWSError("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
        return True
    if kind == DIGEST:
        if family == "mldsa":
            raise _wrong_type(kind, f"key spec {key.spec}")
        if algorithm == "ED25519_SHA_512":
            raise _wrong_type(kind, f"algorithm {algorithm}")
        if length != _DIGEST_BYTES[algorithm[-3:]]:
            raise AWSError("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
        return True
    if algorithm == "ED25519_PH_SHA_512":
        raise _wrong_type(kind, f"algorithm {algorithm}")
    return False


def _wrong_type(kind: str, what: str) -> AWSError:
    return AWSError("ValidationException", f"Message type {kind} is incompatible with {what}.")


def get_public_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    spec = specs.spec(key.spec)
    if spec.key_type not in ("Asymmetric", "KEM"):
        raise AWSError("UnsupportedOperationException")
    return {
        "KeyId": key.arn,
        "PublicKey": key_use.current(key).public_key,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        specs.ALGORITHMS_MEMBER[key.usage]: list(spec.algorithms[key.usage]),
    }


def generate_mac(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    algorithm = parameters["MacAlgorithm"]
    key_use.check_algorithm(key, algorithm)
    access.dry_run(parameters)
    computed = mac.compute(key_use.current(key).secret, algorithm, parameters["Message"])
    return {"KeyId": key.arn, "Mac": computed, "MacAlgorithm": algorithm}


def verify_mac(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    algorithm = parameters["MacAlgorithm"]
    key_use.check_algorithm(key, algorithm)
    access.dry_run(parameters)
    if not mac.verify(key_use.current(key).secret, algorithm, parameters["Message"], parameters["Mac"]):
        raise AWSError("KMSInvalidMacException", "")
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": algorithm}


def derive_shared_secret(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, DeriveSharedSecret: the raw ECDH secret with a public key of the same curve."""
    key_use.refuse_recipient(parameters)
    key = key_use.key_for_use(context, parameters)
    key_use.check_algorithm(key, parameters["KeyAgreementAlgorithm"])
    access.dry_run(parameters)
    try:
        secret = ecc.agree(key_use.private_key(key), algorithms.load_public(parameters["PublicKey"]))
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise AWSError("ValidationException") from reason
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": parameters["KeyAgreementAlgorithm"],
        "KeyOrigin": key.origin,
    }


def encapsulate(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_use.key_for_use(context, parameters)
    key_use.check_algorithm(key, parameters["EncapsulationAlgorithm"])
    access.dry_run(parameters)
    secret, encapsulated = mlkem.encapsulate(key_use.public_key(key))
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": encapsulated,
        "EncapsulationAlgorithm": parameters["EncapsulationAlgorithm"],
    }


def decapsulate(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key_use.refuse_recipient(parameters)
    key = key_use.key_for_use(context, parameters)
    states.refuse_wrong_usage("Decapsulate", key)
    key_use.check_algorithm(key, parameters["EncapsulationAlgorithm"])
    access.dry_run(parameters)
    try:
        secret = mlkem.decapsulate(key_use.private_key(key), parameters["SharedSecretCiphertextBlob"])
    except ValueError as reason:
        raise AWSError("InvalidCiphertextException", "") from reason
    return {"KeyId": key.arn, "SharedSecret": secret, "EncapsulationAlgorithm": parameters["EncapsulationAlgorithm"]}
