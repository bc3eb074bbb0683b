"""Importing key material. Source: KMS Developer Guide, "Importing key material for AWS KMS keys".

The import token is sealed and self-contained: it carries the private half of the wrapping key, the algorithm, the key it is for and
when it expires (24 hours), so nothing is stored between the two calls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from engine.context import CallContext
from engine.kms import access, algorithms, keyring, material, models, specs, states
from engine.kms.algorithms import wrapping
from engine.kms.keyring import KmsKey
from engine.store.transaction import changed, key_entity
from engine.vault import keeper
from engine.vault.hierarchy import UnwrapError
from engine.wire.errors import AWSError

TOKEN_HOURS = 24
_KEY_WRAP_ONLY = ("rsa",)


def _for_import(context: CallContext, parameters: dict[str, Any]) -> KmsKey:
    key = keyring.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    if key.origin != "EXTERNAL":
        raise AWSError(
            "UnsupportedOperationException", f"{key.arn} origin is {key.origin} which is not valid for this operation."
        )
    states.refuse_unless_allowed(context.operation, key, context.now)
    return key


def get_parameters_for_import(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = _for_import(context, parameters)
    algorithm, wrapping_spec = parameters["WrappingAlgorithm"], parameters["WrappingKeySpec"]
    if algorithm in ("RSAES_PKCS1_V1_5", "SM2PKE") or wrapping_spec == "SM2":
        raise AWSError(
            "UnsupportedOperationException", f"Wrapping algorithm {algorithm} with {wrapping_spec} is not supported."
        )
    if specs.spec(key.spec).family in _KEY_WRAP_ONLY and not algorithm.startswith("RSA_AES_KEY_WRAP"):
        raise AWSError(
            "UnsupportedOperationException", f"Wrapping algorithm {algorithm} is not supported for key spec {key.spec}."
        )
    private, public = algorithms.generate(specs.spec(wrapping_spec))
    expires = context.now + timedelta(hours=TOKEN_HOURS)
    content = orjson.dumps({"algorithm": algorithm, "expires": expires.timestamp()})
    sealed = _seal_token(key, len(content).to_bytes(2, "big") + content + private)
    return {"KeyId": key.arn, "ImportToken": sealed, "PublicKey": public, "ParametersValidTo": expires}


def _seal_token(key: KmsKey, content: bytes) -> bytes:
    return keeper.seal("import-token", key.account_id, key.region, key.key_id, "", content)


def _open_token(key: KmsKey, token: bytes, now: datetime) -> tuple[str, Any]:
    """(wrapping algorithm, private key). Raises InvalidImportTokenException or ExpiredImportTokenException."""
    try:
        opened = keeper.open_("import-token", key.account_id, key.region, key.key_id, "", token)
    except UnwrapError as reason:
        raise AWSError("InvalidImportTokenException", "") from reason
    size = int.from_bytes(opened[:2], "big")
    content = orjson.loads(opened[2 : 2 + size])
    if datetime.fromtimestamp(content["expires"], UTC) <= now:
        raise AWSError("ExpiredImportTokenException", "")
    return content["algorithm"], algorithms.load_private(opened[2 + size :])


def import_key_material(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = _for_import(context, parameters)
    expiration, valid_to = _expiration(parameters, context.now)
    algorithm, private = _open_token(key, parameters["ImportToken"], context.now)
    spec = specs.spec(key.spec)
    secret, public = wrapping.checked(spec, wrapping.unwrap(private, algorithm, parameters["EncryptedKeyMaterial"]))
    material_id = wrapping.material_id(key.account_id, key.key_id, secret)
    wanted = parameters.get("KeyMaterialId")
    if wanted is not None and wanted != material_id:
        raise _incorrect()
    row = keyring.row(key)
    known = row.materials.filter(material_id=material_id).first()
    description = parameters.get("KeyMaterialDescription")
    if known is not None:
        if parameters.get("ImportType") == "NEW_KEY_MATERIAL":
            raise AWSError("KMSInvalidStateException", f"{key.arn} already has this key material.")
        known.wrapped = material.seal(row, material_id, secret)
        known.expiration_model, known.valid_to = expiration, valid_to
        if description is not None:
            known.description = description
        known.save()
    else:
        state = _state_of_new(key, row, parameters)
        material.add(
            row,
            material_id,
            secret,
            public,
            context.now,
            state=state,
            description=description or "",
            expiration_model=expiration,
            valid_to=valid_to,
        )
    changed(key_entity(key.account_id, key.region, key.key_id))
    return {"KeyId": key.arn, "KeyMaterialId": material_id}


def _state_of_new(key: KmsKey, row: models.Key, parameters: dict[str, Any]) -> str:
    """The first material is current; another is only taken as NEW_KEY_MATERIAL of a symmetric key, and waits for rotation."""
    if not row.materials.exists():
        return "CURRENT"
    if parameters.get("ImportType") != "NEW_KEY_MATERIAL":
        raise _incorrect()
    if key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError("UnsupportedOperationException", f"Key spec {key.spec} takes one key material only.")
    if key.multi_region and not key.is_primary:
        primary = models.Key.objects.get(account_id=key.account_id, region=key.primary_region, key_id=key.key_id)
        if not primary.materials.filter(state="PENDING_ROTATION").exists():
            raise AWSError(
                "KMSInvalidStateException", f"Import the new key material into the primary key {primary.arn} first."
            )
    if row.materials.filter(state="PENDING_ROTATION").exists():
        raise AWSError("KMSInvalidStateException", f"{key.arn} already has key material pending rotation.")
    return "PENDING_ROTATION"


def _incorrect() -> AWSError:
    return AWSError(
        "IncorrectKeyMaterialException",
        "The key material in the request is not the key material that was imported before.",
    )


def _expiration(parameters: dict[str, Any], now: datetime) -> tuple[str, datetime | None]:
    model = parameters.get("ExpirationModel", "KEY_MATERIAL_EXPIRES")
    valid_to: datetime | None = parameters.get("ValidTo")
    if model == "KEY_MATERIAL_DOES_NOT_EXPIRE":
        if valid_to is not None:
            raise AWSError("ValidationException", "A validTo date cannot be set with KEY_MATERIAL_DOES_NOT_EXPIRE.")
        return model, None
    if valid_to is None:
        raise AWSError(
            "ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"
        )
    if valid_to <= now or valid_to > now + timedelta(days=365):
        raise AWSError("ValidationException", "The validTo date must be in the future and within 365 days.")
    return model, valid_to


def delete_imported_key_material(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = _for_import(context, parameters)
    row = keyring.row(key)
    wanted = parameters.get("KeyMaterialId") or key.current_material_id
    stored = row.materials.filter(material_id=wanted).first()
    if "KeyMaterialId" in parameters and stored is None:
        raise AWSError("NotFoundException", f"Key material {wanted} does not exist in {key.arn}")
    if stored is not None:
        if stored.state == "PENDING_ROTATION":
            stored.delete()
        else:
            stored.wrapped, stored.valid_to, stored.expiration_model = b"", None, ""
            stored.save()
    changed(key_entity(key.account_id, key.region, key.key_id))
    return {"KeyId": key.arn, **({"KeyMaterialId": wanted} if stored is not None else {})}
