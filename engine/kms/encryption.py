"""Encrypt, Decrypt, ReEncrypt."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from engine.context import CallContext
from engine.iam.condition_keys import RE_ENCRYPT_ON_SAME_KEY
from engine.kms import access, ciphertext, key_snapshots, key_use, states, token_ciphertext, xks_ciphertext
from engine.kms.algorithms import rsa
from engine.kms.ciphertext import Reference
from engine.kms.key_snapshots import KmsKey
from engine.kms.specs import SPECS, SYMMETRIC_DEFAULT
from engine.kms.stores import use
from engine.wire.errors import AWSError


def encrypt(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, Encrypt. Plaintext 1–4,096 bytes; RSA takes what OAEP leaves room for."""
    key = key_use.key_for_use(context, parameters)
    algorithm = parameters.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    sealed = seal(context, key, algorithm, parameters["Plaintext"], parameters.get("EncryptionContext"), parameters)
    if algorithm == SYMMETRIC_DEFAULT:
        context.extra_event_data.update(key_use.material_id("keyMaterialId", key))
    return {"CiphertextBlob": sealed, "KeyId": key.arn, "EncryptionAlgorithm": algorithm}


def seal(
    context: CallContext,
    key: KmsKey,
    algorithm: str,
    plaintext: bytes,
    encryption_context: Mapping[str, str] | None,
    parameters: Mapping[str, Any],
) -> bytes:
    """Encrypt under the key's current material, after the algorithm checks and a dry run's end."""
    key_use.check_algorithm(key, algorithm)
    if algorithm == SYMMETRIC_DEFAULT:
        access.dry_run(parameters)
        return seal_symmetric(context, key, plaintext, encryption_context)
    _refuse_context(encryption_context)
    limit = rsa.plaintext_limit(SPECS[key.spec].size, algorithm)
    if len(plaintext) > limit:
        raise AWSError(
            "ValidationException",
            f"Algorithm {algorithm} and key spec {key.spec} cannot encrypt data larger than {limit} bytes.",
        )
    access.dry_run(parameters)
    return rsa.encrypt(key_use.public_key(key), algorithm, plaintext)


def seal_symmetric(
    context: CallContext, key: KmsKey, plaintext: bytes, encryption_context: Mapping[str, str] | None
) -> bytes:
    """A symmetric ciphertext under the current material; also how data keys are encrypted."""
    sealing: tuple[bytes, bytes] | None = key.memo.get("sealing")
    if sealing is None:
        if key.custom_key_store_id:
            return use.seal(context, key, plaintext, encryption_context)
        material = key_use.current(key)
        reference = Reference(key.account_id, key.key_id, material.material_id)
        sealing = key.memo["sealing"] = (material.secret, ciphertext.header_of(reference))
    return ciphertext.encrypt_under(*sealing, plaintext, encryption_context)


def decrypt(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, Decrypt. A symmetric ciphertext names its key; KeyId then only has to agree with it."""
    key_use.refuse_recipient(parameters)
    algorithm = parameters.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT)
    if _ignores_ciphertext(parameters):
        _check_source(context, parameters, "KeyId", "", algorithm, parameters.get("EncryptionContext"))
        access.dry_run(parameters)
    if "CiphertextBlob" not in parameters:
        raise key_use.member_null("ciphertextBlob")
    key, plaintext, material_id = unseal(
        context, parameters, "KeyId", "", algorithm, parameters.get("EncryptionContext")
    )
    access.dry_run(parameters)
    result = {"KeyId": key.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm}
    if material_id:
        result["KeyMaterialId"] = context.extra_event_data["keyMaterialId"] = material_id
    return result


def _ignores_ciphertext(parameters: Mapping[str, Any]) -> bool:
    """A dry run that asks for the permission alone. Source: AWS KMS API Reference, Decrypt, DryRunModifiers."""
    return bool(parameters.get("DryRun")) and "IGNORE_CIPHERTEXT" in parameters.get("DryRunModifiers", ())


def _check_source(
    context: CallContext,
    parameters: dict[str, Any],
    member: str,
    action: str,
    algorithm: str,
    encryption_context: Mapping[str, str] | None,
) -> None:
    """All checks of a decryption but the ciphertext's own; the key must then be named."""
    if member not in parameters:
        raise AWSError("ValidationException", f"{member} is required when DryRunModifiers has IGNORE_CIPHERTEXT.")
    key = key_use.key_for_use(
        context, parameters, member=member, action=action, encryption_context=encryption_context or {}
    )
    key_use.check_algorithm(key, algorithm)


# By the first byte of a blob, how its reference is read; every other is this service's own format, or none.
_FORMATS: dict[bytes, Callable[[bytes], Reference]] = {
    token_ciphertext.MAGIC[:1]: token_ciphertext.parse,
    xks_ciphertext.MAGIC[:1]: xks_ciphertext.parse,
}


def unseal(
    context: CallContext,
    parameters: dict[str, Any],
    member: str,
    action: str,
    algorithm: str,
    encryption_context: Mapping[str, str] | None,
) -> tuple[KmsKey, bytes, str]:
    """(key, plaintext, material ID or "") of the request's ciphertext. `member` is where the request may name the key."""
    blob: bytes = parameters["CiphertextBlob"]
    if algorithm != SYMMETRIC_DEFAULT:
        return (*_unseal_asymmetric(context, parameters, member, action, algorithm, encryption_context), "")
    named = key_snapshots.find(context, parameters[member]) if member in parameters else None
    try:
        reference = _FORMATS.get(blob[:1], ciphertext.parse)(blob)
    except AWSError:
        if _is_base64_text(blob):  # the usual mistake with the CLI: told to who reads the record, lessons among them
            context.extra_event_data["ciphertextBlob"] = "BASE64_TEXT"
        if named is not None:
            _authorize_named(context, named, parameters, member, action, encryption_context)
        raise
    if named is not None and (named.account_id, named.key_id) != (reference.account_id, reference.key_id):
        _authorize_named(context, named, parameters, member, action, encryption_context)
        raise AWSError(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    key = named if named is not None else _key_of(context, reference, action)
    key_use.check_use(
        context,
        key,
        parameters,
        action=action,
        encryption_context=encryption_context or {},
        identifier=parameters.get(member, ""),
    )
    if key.custom_key_store_id:
        return key, use.unseal(context, key, blob, encryption_context), ""
    material = key.materials.get(reference.material_id)
    if material is None:
        raise ciphertext.invalid()
    if not material.secret:  # imported material that was deleted or expired while other material is current
        raise AWSError("KMSInvalidStateException", f"{key.arn} is pending import.")
    return key, ciphertext.decrypt(material.secret, blob, encryption_context), material.material_id


def _is_base64_text(blob: bytes) -> bool:
    """Whether a blob that is no ciphertext is one as base64 text, with or without line ends."""
    try:
        decoded = base64.b64decode(b"".join(blob.split()), validate=True)
        _FORMATS.get(decoded[:1], ciphertext.parse)(decoded)
    except (ValueError, AWSError):
        return False
    return True


def _authorize_named(
    context: CallContext,
    named: KmsKey,
    parameters: dict[str, Any],
    member: str,
    action: str,
    encryption_context: Mapping[str, str] | None,
) -> None:
    """Permission on the key the request names, before it is told that the ciphertext is none of that key's."""
    access.authorize(
        context,
        named,
        action,
        params=parameters,
        encryption_context=encryption_context or {},
        identifier=parameters[member],
    )


def _key_of(context: CallContext, reference: Reference, action: str) -> KmsKey:
    """The key a ciphertext names, in the caller's Region. A reference to a key that never was is a forged one: no ciphertext.

    Of another account's not even that is told: what is not there lets nobody in.
    """
    try:
        return key_snapshots.get(reference.account_id, context.region, reference.key_id)
    except AWSError as error:
        if error.code != "NotFoundException":
            raise
        if reference.account_id != context.account_id:
            return key_snapshots.absent(reference.account_id, context.region, f"key/{reference.key_id}")
        if key_snapshots.was_ever(reference.account_id, reference.key_id):
            raise access.not_here(context, action) from error
        raise ciphertext.invalid() from error


def _unseal_asymmetric(
    context: CallContext,
    parameters: dict[str, Any],
    member: str,
    action: str,
    algorithm: str,
    encryption_context: Mapping[str, str] | None,
) -> tuple[KmsKey, bytes]:
    if member not in parameters:
        raise AWSError("ValidationException", f"{member} is required when the encryption algorithm is {algorithm}.")
    key = key_use.key_for_use(
        context, parameters, member=member, action=action, encryption_context=encryption_context or {}
    )
    key_use.check_algorithm(key, algorithm)
    _refuse_context(encryption_context)
    try:
        return key, rsa.decrypt(key_use.private_key(key), algorithm, parameters["CiphertextBlob"])
    except ValueError as reason:
        raise ciphertext.invalid() from reason


def _refuse_context(encryption_context: Mapping[str, str] | None) -> None:
    if encryption_context:
        raise AWSError(
            "ValidationException",
            "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.",
        )


def re_encrypt(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, ReEncrypt: kms:ReEncryptFrom on the source key, kms:ReEncryptTo on the destination key."""
    ignoring = _ignores_ciphertext(parameters)
    if not ignoring and "CiphertextBlob" not in parameters:
        raise key_use.member_null("ciphertextBlob")
    destination = key_snapshots.find(context, parameters["DestinationKeyId"])
    source_algorithm = parameters.get("SourceEncryptionAlgorithm", SYMMETRIC_DEFAULT)
    if ignoring:
        _check_source(
            context,
            parameters,
            "SourceKeyId",
            "ReEncryptFrom",
            source_algorithm,
            parameters.get("SourceEncryptionContext"),
        )
        _check_destination(context, destination, parameters, "false")
        access.dry_run(parameters)
    source, plaintext, source_material = unseal(
        context,
        parameters,
        "SourceKeyId",
        "ReEncryptFrom",
        source_algorithm,
        parameters.get("SourceEncryptionContext"),
    )
    _check_destination(context, destination, parameters, "true" if source.arn == destination.arn else "false")
    encryption_context = parameters.get("DestinationEncryptionContext")
    algorithm = parameters.get("DestinationEncryptionAlgorithm", SYMMETRIC_DEFAULT)
    result = {
        "CiphertextBlob": seal(context, destination, algorithm, plaintext, encryption_context, parameters),
        "SourceKeyId": source.arn,
        "KeyId": destination.arn,
        "SourceEncryptionAlgorithm": source_algorithm,
        "DestinationEncryptionAlgorithm": algorithm,
    }
    if source_material:
        result["SourceKeyMaterialId"] = context.extra_event_data["sourceKeyMaterialId"] = source_material
    if algorithm == SYMMETRIC_DEFAULT:
        result |= key_use.material_id("DestinationKeyMaterialId", destination)
        context.extra_event_data.update(key_use.material_id("destinationKeyMaterialId", destination))
    return result


def _check_destination(context: CallContext, destination: KmsKey, parameters: dict[str, Any], same_key: str) -> None:
    access.authorize(
        context,
        destination,
        "ReEncryptTo",
        params=parameters,
        conditions=RE_ENCRYPT_ON_SAME_KEY.given(same_key),
        encryption_context=parameters.get("DestinationEncryptionContext") or {},
        identifier=parameters["DestinationKeyId"],
    )
    states.refuse_wrong_usage("ReEncrypt", destination)
    states.refuse_unless_allowed("ReEncrypt", destination, context.now)
