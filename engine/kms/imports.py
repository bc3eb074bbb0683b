"""Importing key material. Source: KMS Developer Guide, "Importing key material for AWS KMS keys".

A key knows each material it ever had by an ID made from its bytes, so that only the same material can come back; in a multi-Region
key every Region has a place for each material of the primary key. The import token is sealed and self-contained: it carries the private half of the wrapping key, the algorithm, the key it is for and
when it expires (24 hours), so nothing is stored between the two calls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from engine.context import CallContext
from engine.kms import access, algorithms, key_snapshots, material, models, specs, states
from engine.kms.algorithms import wrapping
from engine.kms.key_snapshots import KmsKey
from engine.store.transaction import changed, key_entity
from engine.vault import domain_keys
from engine.vault.hierarchy import UnwrapError
from engine.wire.errors import AWSError

TOKEN_HOURS = 24
NEW, EXISTING = "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"
_KEY_WRAP_ONLY = ("rsa",)


def _for_import(context: CallContext, parameters: dict[str, Any]) -> KmsKey:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
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
    if key.spec == "ECC_NIST_P521" and wrapping_spec == "RSA_2048" and algorithm.startswith("RSAES"):
        raise AWSError(
            "UnsupportedOperationException",
            f"Wrapping algorithm {algorithm} with {wrapping_spec} is too short for key spec {key.spec}.",
        )
    private, public = algorithms.generate(specs.spec(wrapping_spec))
    expires = context.now + timedelta(hours=TOKEN_HOURS)
    content = orjson.dumps({"algorithm": algorithm, "expires": expires.timestamp()})
    sealed = _seal_token(key, len(content).to_bytes(2, "big") + content + private)
    return {"KeyId": key.arn, "ImportToken": sealed, "PublicKey": public, "ParametersValidTo": expires}


def _seal_token(key: KmsKey, content: bytes) -> bytes:
    return domain_keys.seal("import-token", key.account_id, key.region, key.key_id, "", content)


def _open_token(key: KmsKey, token: bytes, now: datetime) -> tuple[str, Any]:
    """(wrapping algorithm, private key). Raises InvalidImportTokenException or ExpiredImportTokenException."""
    try:
        opened = domain_keys.open_("import-token", key.account_id, key.region, key.key_id, "", token)
    except UnwrapError as reason:
        raise AWSError("InvalidImportTokenException", "") from reason
    size = int.from_bytes(opened[:2], "big")
    content = orjson.loads(opened[2 : 2 + size])
    if datetime.fromtimestamp(content["expires"], UTC) <= now:
        raise AWSError("ExpiredImportTokenException", "")
    return content["algorithm"], algorithms.load_private(opened[2 + size :])


def import_key_material(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """The same material again, or (`ImportType` NEW_KEY_MATERIAL, symmetric keys) new material that waits for rotation."""
    key = _for_import(context, parameters)
    _check_symmetric_members(key, parameters)
    expiration, valid_to = _expiration(parameters, context.now)
    algorithm, private = _open_token(key, parameters["ImportToken"], context.now)
    spec = specs.spec(key.spec)
    secret, public = wrapping.checked(spec, wrapping.unwrap(private, algorithm, parameters["EncryptedKeyMaterial"]))
    material_id = wrapping.material_id(key.account_id, key.key_id, secret)
    if parameters.get("KeyMaterialId", material_id) != material_id:
        raise _incorrect()
    row = key_snapshots.row(key)
    stored = row.materials.filter(material_id=material_id).first()
    if parameters.get("ImportType", EXISTING if row.materials.exists() else NEW) == NEW:
        if stored is not None:
            raise AWSError(
                "IncorrectKeyMaterialException",
                f"The key material (id: {material_id}) is already associated with the KMS key {key.arn}.",
            )
        stored = _add_new(key, row, material_id, context)
    elif stored is None:
        raise _incorrect()
    stored.wrapped = material.seal(row, material_id, secret)
    stored.public_key = public
    stored.expiration_model, stored.valid_to = expiration, valid_to
    stored.description = parameters.get("KeyMaterialDescription", stored.description)
    stored.save()
    material.settle_pending(row)
    _announce(row)
    return {"KeyId": key.arn, "KeyMaterialId": material_id}


def _check_symmetric_members(key: KmsKey, parameters: dict[str, Any]) -> None:
    """Several materials, their IDs and descriptions are for symmetric encryption keys only."""
    given = [name for name in ("ImportType", "KeyMaterialDescription", "KeyMaterialId") if name in parameters]
    if given and key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError("ValidationException", f"{given[0]} is only supported for symmetric encryption keys.")
    if parameters.get("ImportType") == NEW and "KeyMaterialId" in parameters:
        raise AWSError("ValidationException", f"KeyMaterialId cannot be specified when ImportType is {NEW}.")


def _add_new(key: KmsKey, row: models.Key, material_id: str, context: CallContext) -> models.Material:
    """A place for new material in every Region of the key: current if it is the key's first, else pending rotation."""
    if key.multi_region and not key.is_primary:
        raise AWSError(
            "UnsupportedOperationException",
            f"New key material cannot be imported into the replica key {key.arn}: import it into the primary key first.",
        )
    pending = row.materials.filter(state__in=material.PENDING).first()
    if pending is not None:
        raise AWSError(
            "KMSInvalidStateException",
            f"New key material (id: {material_id}) cannot be imported into KMS key {key.arn}, "
            f"because another key material (id: {pending.material_id}) is pending rotation.",
        )
    state = material.PENDING_ROTATION if row.materials.exists() else material.CURRENT
    places = [material.add(each, material_id, b"", b"", context.now, state=state) for each in material.related(row)]
    return places[0]


def _announce(row: models.Key) -> None:
    changed(*(key_entity(each.account_id, each.region, each.key_id) for each in material.related(row)))


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
    row = key_snapshots.row(key)
    wanted = parameters.get("KeyMaterialId") or key.current_material_id
    stored = row.materials.filter(material_id=wanted).first()
    if "KeyMaterialId" in parameters and stored is None:
        raise AWSError("NotFoundException", f"Key material {wanted} does not exist in {key.arn}")
    if stored is not None:
        if stored.state in material.PENDING and (key.is_primary or not key.multi_region):
            for each in material.related(row):  # what waits in the primary key waits in its replicas
                each.materials.filter(material_id=wanted).delete()
        else:
            stored.wrapped, stored.valid_to, stored.expiration_model = b"", None, ""
            stored.save()
    _announce(row)
    return {"KeyId": key.arn, **({"KeyMaterialId": wanted} if stored is not None else {})}
