"""CreateKey, DescribeKey, ListKeys, enabling and disabling, deletion and its cancelling, the description."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam.condition_keys import KeyFacts, of_key, of_request
from engine.kms import (
    access,
    due_changes,
    key_quota,
    key_snapshots,
    managed,
    material,
    models,
    paging,
    policies,
    specs,
    states,
    tags,
)
from engine.kms.changing import for_change
from engine.kms.key_snapshots import KmsKey
from engine.kms.stores import new_keys
from engine.kms.stores.snapshots import ORIGINS, KeyStore
from engine.store.transaction import changed, key_entity
from engine.wire.errors import AWSError

DEFAULT_WAITING_DAYS = 30
WAITING_DAYS = range(7, 31)  # the service model says 1 to 365, the reference and the service 7 to 30


def create_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, CreateKey."""
    key, store = _checked_new_key(context, parameters)
    if context.prepared is not None:
        key = context.prepared  # the same, with the material that a store's device has made
        key.pk = None  # of an attempt that was taken back
    new_keys.claim_material(store, key)
    key.save(force_insert=True)
    policies.remember(key, context)
    if key.origin == "AWS_KMS" or new_keys.has_own_material(store):
        material.new(key, context.now)
    changed(key_entity(key.account_id, key.region, key.key_id))
    context.touches_key(key.arn, key.account_id)
    return {"KeyMetadata": metadata(key_snapshots.snapshot(key), context)}


@contextmanager
def create_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    """Material in a store's device is made before the key's transaction, which must not wait for a device."""
    if parameters.get("Origin") not in ORIGINS:
        yield
        return
    key, store = _checked_new_key(context, parameters)
    assert store is not None
    for column, value in new_keys.make_material(context, store, key, parameters).items():
        setattr(key, column, value)
    context.prepared = key
    try:
        yield
    except BaseException:
        new_keys.destroy_material(store, key)
        raise


def _checked_new_key(context: CallContext, parameters: dict[str, Any]) -> tuple[models.Key, KeyStore | None]:
    """A new key that is not stored yet, and the store it is to be in. Raises what CreateKey refuses."""
    origin = parameters.get("Origin", "AWS_KMS")
    multi_region = parameters.get("MultiRegion", False)
    spec = parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or specs.SYMMETRIC_DEFAULT
    if "KeySpec" in parameters and "CustomerMasterKeySpec" in parameters:
        raise AWSError(
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        )
    usage = parameters.get("KeyUsage", specs.ENCRYPT_DECRYPT)
    conditions = of_request(parameters) | of_key(KeyFacts(spec, usage, origin, "PRIMARY" if multi_region else ""))
    access.authorize_new(context, "CreateKey", conditions)
    key_quota.hold(context)
    usage = specs.check_combination(spec, parameters.get("KeyUsage"), origin, multi_region, context.region)
    store = new_keys.check(context, parameters, origin)
    key_tags = tags.checked(parameters.get("Tags", []))
    policy = policies.checked_for_new_key(context, parameters)
    key = models.Key(
        account_id=context.account_id,
        region=context.region,
        key_id=f"mrk-{secrets.token_hex(16)}" if multi_region else str(uuid.uuid4()),
        spec=spec,
        usage=usage,
        origin=origin,
        description=parameters.get("Description", ""),
        **policy,
        created=context.now,
        tags=key_tags,
        multi_region=multi_region,
        primary_region=context.region if multi_region else "",
        custom_key_store_id=store.store_id if store is not None else "",
    )
    if key_tags:
        access.authorize_tags_of_new(context, key.arn, conditions)
    return key, store


def metadata(key: KmsKey, context: CallContext) -> dict[str, Any]:
    """KeyMetadata, with the members that AWS gives for this kind of key and no others."""
    state = states.state(key, context.now)
    spec = specs.spec(key.spec)
    result: dict[str, Any] = {
        "AWSAccountId": key.account_id,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created,
        "Enabled": state == states.ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": state,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        specs.ALGORITHMS_MEMBER[key.usage]: list(spec.algorithms[key.usage]),
        "MultiRegion": key.multi_region,
    }
    if key.deletion_date is not None:
        result["DeletionDate"] = key.deletion_date
    if state == states.PENDING_REPLICA_DELETION:
        result["PendingDeletionWindowInDays"] = key.pending_window_days
    current = key.material
    if key.origin == "EXTERNAL" and key.has_material:
        kept = [each for each in key.materials.values() if not each.state.startswith("PENDING")]
        expiring = [each.valid_to for each in kept if each.valid_to is not None]
        result["ExpirationModel"] = "KEY_MATERIAL_EXPIRES" if expiring else "KEY_MATERIAL_DOES_NOT_EXPIRE"
        if expiring:
            result["ValidTo"] = min(expiring)
    symmetric = key.spec == specs.SYMMETRIC_DEFAULT and key.manager == "CUSTOMER"
    if (
        symmetric and current is not None and not key.custom_key_store_id and state != states.CREATING
    ):  # a replica has none yet while it is Creating
        result["CurrentKeyMaterialId"] = current.material_id
    if key.custom_key_store_id:
        result["CustomKeyStoreId"] = key.custom_key_store_id
    if key.cloudhsm_cluster_id:
        result["CloudHsmClusterId"] = key.cloudhsm_cluster_id
    if key.xks_key_id:
        result["XksKeyConfiguration"] = {"Id": key.xks_key_id}
    if key.multi_region:
        result["MultiRegionConfiguration"] = multi_region_configuration(key)
    return result


def multi_region_configuration(key: KmsKey) -> dict[str, Any]:
    def entry(region: str) -> dict[str, str]:
        return {"Arn": key.arn.replace(f":{key.region}:", f":{region}:", 1), "Region": region}

    regions = sorted({key.region, *key.replica_regions})
    return {
        "MultiRegionKeyType": "PRIMARY" if key.is_primary else "REPLICA",
        "PrimaryKey": entry(key.primary_region),
        "ReplicaKeys": [entry(region) for region in regions if region != key.primary_region],
    }


def describe_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = managed.find_or_create(context, parameters["KeyId"])
    access.authorize(context, key, params=parameters)
    return {"KeyMetadata": metadata(key, context)}


def list_keys(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """The account's own keys. Sharing through AWS RAM does not exist here, so no other account's key is ever listed."""
    access.authorize_new(context, "ListKeys")
    if "SELF" not in parameters.get("ResourceOwners", ["SELF"]):
        paging.read_marker("keys", parameters)
        return {"Keys": [], "Truncated": False}
    rows = models.Key.objects.filter(account_id=context.account_id, region=context.region).only(
        "account_id", "region", "key_id"
    )
    found, more = paging.page("keys", parameters, rows, "key_id", limit=100)
    return {"Keys": [{"KeyId": row.key_id, "KeyArn": row.arn} for row in found], **more}


def enable_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    row.enabled = True
    row.save(update_fields=["enabled"])
    due_changes.rotate_as_due(row, context.now)
    return {}


def disable_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    row.enabled = False
    row.save(update_fields=["enabled"])
    return {}


def schedule_key_deletion(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Source: AWS KMS API Reference, ScheduleKeyDeletion. A primary with replicas waits for them without a date."""
    key, row = for_change(context, parameters)
    days = parameters.get("PendingWindowInDays", DEFAULT_WAITING_DAYS)
    if days not in WAITING_DAYS:
        raise AWSError("ValidationException", "PendingWindowInDays must be between 7 and 30")
    row.pending_window_days = days
    row.deletion_scheduled = context.now
    answer: dict[str, Any] = {"KeyId": key.arn, "PendingWindowInDays": days}
    if key.is_primary and key.replica_regions:
        answer["KeyState"] = states.PENDING_REPLICA_DELETION
    else:
        row.deletion_date = context.now + timedelta(days=days)
        answer["KeyState"] = states.PENDING_DELETION
        answer["DeletionDate"] = row.deletion_date
    row.save(update_fields=["pending_window_days", "deletion_scheduled", "deletion_date"])
    return answer


def cancel_key_deletion(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key, row = for_change(context, parameters)
    row.deletion_date = row.pending_window_days = row.deletion_scheduled = None
    row.enabled = False
    row.save(update_fields=["deletion_date", "pending_window_days", "deletion_scheduled", "enabled"])
    return {"KeyId": key.arn}


def update_key_description(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    row.description = parameters["Description"]
    row.save(update_fields=["description"])
    return {}
