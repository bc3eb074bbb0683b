"""Data keys and data key pairs, with and without their plaintext; random bytes."""

from __future__ import annotations

import secrets
from typing import Any

from engine.context import CallContext
from engine.kms import access, algorithms, encryption, key_snapshots, key_use, specs
from engine.kms.key_snapshots import KmsKey
from engine.kms.stores import use
from engine.wire.errors import AWSError

_KEY_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}


def _data_key(context: CallContext, parameters: dict[str, Any]) -> tuple[KmsKey, bytes]:
    key = key_snapshots.find(context, parameters["KeyId"])
    spec, number = parameters.get("KeySpec"), parameters.get("NumberOfBytes")
    if (spec is None) == (number is None):  # AWS says so before it looks at the key's usage and state
        raise AWSError("ValidationException", "Please specify either number of bytes or key spec.")
    key_use.check_use(context, key, parameters, identifier=parameters["KeyId"])
    _refuse_asymmetric(key)
    access.dry_run(parameters)
    return key, secrets.token_bytes(_KEY_SPEC_BYTES[spec] if spec is not None else int(number or 0))


def _refuse_asymmetric(key: KmsKey) -> None:
    if key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError("InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK")


def generate_data_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key_use.refuse_recipient(parameters)
    key, plaintext = _data_key(context, parameters)
    return {"Plaintext": plaintext, **_sealed(context, key, plaintext, parameters, "CiphertextBlob")}


def generate_data_key_without_plaintext(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key, plaintext = _data_key(context, parameters)
    return _sealed(context, key, plaintext, parameters, "CiphertextBlob")


def _sealed(
    context: CallContext, key: KmsKey, plaintext: bytes, parameters: dict[str, Any], member: str
) -> dict[str, Any]:
    context.extra_event_data.update(key_use.material_id("keyMaterialId", key))
    return {
        member: encryption.seal_symmetric(context, key, plaintext, parameters.get("EncryptionContext")),
        "KeyId": key.arn,
        **key_use.material_id("KeyMaterialId", key),
    }


def _data_key_pair(context: CallContext, parameters: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """(private key, answer without it). Source: AWS KMS API Reference, GenerateDataKeyPair."""
    key = key_use.key_for_use(context, parameters)
    _refuse_asymmetric(key)
    spec = specs.spec(parameters["KeyPairSpec"])
    if spec.china_only and not context.region.startswith("cn-"):
        raise AWSError("UnsupportedOperationException", f"KeyPairSpec {spec.name} is not supported in this Region")
    if spec.lacking:
        raise AWSError(
            "UnsupportedOperationException", f"KeyPairSpec {spec.name} is not available here: {spec.lacking}."
        )
    if key.custom_key_store_id:
        raise AWSError(
            "UnsupportedOperationException", f"{key.arn} is in a custom key store, which makes no data key pairs."
        )
    access.dry_run(parameters)
    private, public = algorithms.generate(spec)
    sealed = _sealed(context, key, private, parameters, "PrivateKeyCiphertextBlob")
    return private, {**sealed, "PublicKey": public, "KeyPairSpec": spec.name}


def generate_data_key_pair(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key_use.refuse_recipient(parameters)
    private, answer = _data_key_pair(context, parameters)
    return {**answer, "PrivateKeyPlaintext": private}


def generate_data_key_pair_without_plaintext(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    return _data_key_pair(context, parameters)[1]


def generate_random(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key_use.refuse_recipient(parameters)
    access.authorize_new(context, "GenerateRandom")
    if "NumberOfBytes" not in parameters:
        raise AWSError("ValidationException", "NumberOfBytes is required.")
    if "CustomKeyStoreId" in parameters:
        store_id, length = parameters["CustomKeyStoreId"], parameters["NumberOfBytes"]
        return {"Plaintext": use.random(context.account_id, context.region, store_id, length)}
    return {"Plaintext": secrets.token_bytes(parameters["NumberOfBytes"])}
