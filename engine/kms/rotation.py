"""Rotation: by the clock (every 90–2,560 days), on demand (25 in a key's life), and the history of materials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.kms import access, key_snapshots, managed, material, models, paging, specs, states
from engine.kms.key_snapshots import KeyMaterial, KmsKey
from engine.kms.stores.snapshots import ORIGINS
from engine.store.transaction import changed, key_entity
from engine.wire.errors import AWSError

DEFAULT_PERIOD_DAYS = 365
ON_DEMAND_LIMIT = 25


def _refuse_kind(key: KmsKey, *, imported_too: bool = False) -> None:
    """Only symmetric encryption keys rotate; by the clock only those whose material AWS makes."""
    if key.origin != "AWS_KMS" and not (imported_too and key.origin == "EXTERNAL"):
        raise AWSError(
            "UnsupportedOperationException", f"{key.arn} origin is {key.origin} which is not valid for this operation."
        )
    if key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError("UnsupportedOperationException", "")


def _refuse_replica(key: KmsKey) -> None:
    if key.multi_region and not key.is_primary:
        raise AWSError("UnsupportedOperationException", f"{key.arn} is a replica key: rotate its primary key.")


def _for_rotation(
    context: CallContext, parameters: dict[str, Any], *, imported_too: bool = False
) -> tuple[KmsKey, models.Key]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    managed.refuse_managed(key, context.operation)
    states.refuse_unless_allowed(context.operation, key, context.now)
    if context.operation != "DisableKeyRotation" or key.origin != "AWS_KMS":  # what cannot rotate may be told not to
        _refuse_kind(key, imported_too=imported_too)
    _refuse_replica(key)
    return key, key_snapshots.row(key)


def enable_key_rotation(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = _for_rotation(context, parameters)
    period = parameters.get("RotationPeriodInDays", DEFAULT_PERIOD_DAYS)
    if not row.rotation_enabled or period != row.rotation_period_days:
        row.next_rotation = context.now + timedelta(days=period)
    row.rotation_enabled = True
    row.rotation_period_days = period
    row.save(update_fields=["rotation_enabled", "rotation_period_days", "next_rotation"])
    _share(row)
    return {}


def disable_key_rotation(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = _for_rotation(context, parameters)
    row.rotation_enabled = False
    row.next_rotation = None
    row.save(update_fields=["rotation_enabled", "next_rotation"])
    _share(row)
    return {}


def _share(row: models.Key) -> None:
    """Rotation is a shared property of a multi-Region key: its replicas show what the primary has."""
    for each in material.related(row):
        changed(key_entity(each.account_id, each.region, each.key_id))
        if each.pk != row.pk:
            each.rotation_enabled = row.rotation_enabled
            each.rotation_period_days = row.rotation_period_days
            each.next_rotation = row.next_rotation
            each.save(update_fields=["rotation_enabled", "rotation_period_days", "next_rotation"])


def get_key_rotation_status(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    states.refuse_unless_allowed(context.operation, key, context.now)
    if key.origin not in ("AWS_KMS", "EXTERNAL"):
        _refuse_kind(key)
    state = states.state(key, context.now)
    enabled = key.rotation_enabled and state not in states.DELETING  # as before, once the deletion is cancelled
    answer: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": enabled}
    if enabled:
        answer["RotationPeriodInDays"] = key.rotation_period_days
        if key.next_rotation is not None and state == states.ENABLED:
            answer["NextRotationDate"] = key.next_rotation
    return answer


def rotate_key_on_demand(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, RotateKeyOnDemand. An EXTERNAL key turns to the new material that was imported before."""
    key, row = _for_rotation(context, parameters, imported_too=True)
    if row.on_demand_rotations >= ON_DEMAND_LIMIT:
        raise AWSError(
            "LimitExceededException",
            f"The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {key.arn}",
        )
    if key.origin == "EXTERNAL":
        _turn_to_imported(key, row, context)
    else:
        material.new(row, context.now, rotation_type="ON_DEMAND", rotation_date=context.now)
    row.on_demand_rotations += 1
    row.save(update_fields=["on_demand_rotations"])
    for each in material.related(row):
        changed(key_entity(each.account_id, each.region, each.key_id))
    return {"KeyId": key.arn}


def _turn_to_imported(key: KmsKey, row: models.Key, context: CallContext) -> None:
    pending = row.materials.filter(state=material.PENDING_ROTATION).first()
    if pending is None:
        raise AWSError(
            "KMSInvalidStateException", f"No available key material pending rotation for the key: {key.arn}."
        )
    for each in material.related(row):
        theirs = each.materials.filter(material_id=pending.material_id).exclude(wrapped=b"")
        if not theirs.exists():
            raise AWSError("KMSInvalidStateException", f"{each.arn} does not have the key material pending rotation.")
    for each in material.related(row):
        each.materials.filter(state=material.CURRENT).update(state=material.NON_CURRENT)
        each.materials.filter(material_id=pending.material_id).update(
            state=material.CURRENT, rotation_type="ON_DEMAND", rotation_date=context.now
        )


def list_key_rotations(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Completed rotations, oldest first; with IncludeKeyMaterial=ALL_KEY_MATERIAL the first and pending materials too."""
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    states.refuse_unless_allowed(context.operation, key, context.now)
    if key.origin in ORIGINS:
        raise states.wrong_origin(key.arn, key.origin)
    if key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError("UnsupportedOperationException", "")
    everything = parameters.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
    listed = [each for each in key.materials.values() if everything or each.rotation_date is not None]
    found, more = paging.page_of("rotations", parameters, listed, lambda each: each.material_id, limit=100)
    return {"Rotations": [_entry(key, each) for each in found], **more}


def _entry(key: KmsKey, each: KeyMaterial) -> dict[str, Any]:
    entry: dict[str, Any] = {"KeyId": key.arn, "KeyMaterialId": each.material_id, "KeyMaterialState": each.state}
    if each.rotation_date is not None:
        entry["RotationDate"] = each.rotation_date
        entry["RotationType"] = each.rotation_type
    if key.origin == "EXTERNAL":
        entry["ImportState"] = "IMPORTED" if each.secret else "PENDING_IMPORT"
        if each.description:
            entry["KeyMaterialDescription"] = each.description
        if each.expiration_model:
            entry["ExpirationModel"] = each.expiration_model
        if each.valid_to is not None:
            entry["ValidTo"] = each.valid_to
    return entry
