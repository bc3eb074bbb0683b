"""Multi-Region keys: replicas and the primary Region. Source: KMS Developer Guide, "Multi-Region keys in AWS KMS"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam.condition_keys import of_request
from engine.kms import access, key_quota, key_snapshots, keys, managed, material, models, policies, states, tags
from engine.kms.key_snapshots import KmsKey
from engine.region_names import partition
from engine.service_models import regions
from engine.store.transaction import changed, key_entity
from engine.trail import record
from engine.wire import services
from engine.wire.errors import AWSError

# How long a replica shows as Creating, and an old and a new primary as Updating: programs that wait must see that they need to.
CREATING = timedelta(seconds=1)


def replicate_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Permission for the new key is asked in its own Region (API Reference, ReplicateKey, "Required permissions")."""
    primary = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, primary, params=parameters)
    managed.refuse_managed(primary, context.operation)
    _refuse_non_primary(primary)
    states.refuse_unless_allowed(context.operation, primary, context.now)
    region = parameters["ReplicaRegion"]
    if region not in regions("kms", partition(context.region)) or region == context.region:
        raise AWSError("ValidationException", f"Invalid replica Region {region}.")
    if region in primary.replica_regions:
        raise AWSError(  # as pulumi-aws-native's issue 184 quotes it
            "AlreadyExistsException", "You can create only one replica of each primary key in each AWS Region."
        )
    conditions = of_request(parameters)
    there = context.beside("CreateKey", region=region)
    access.authorize_new(there, "CreateKey", conditions)
    key_quota.hold(context)
    source = key_snapshots.row(primary)
    replica = models.Key(
        account_id=source.account_id,
        region=region,
        key_id=source.key_id,
        spec=source.spec,
        usage=source.usage,
        origin=source.origin,
        description=parameters.get("Description", ""),
        **policies.checked_for_new_key(there, parameters),
        created=context.now,
        tags=tags.checked(parameters.get("Tags", [])),
        multi_region=True,
        primary_region=source.primary_region,
        rotation_enabled=source.rotation_enabled,
        rotation_period_days=source.rotation_period_days,
        next_rotation=source.next_rotation,
        creating_until=context.now + CREATING,
    )
    if replica.tags:
        access.authorize_tags_of_new(there, replica.arn, conditions)
    replica.save(force_insert=True)
    policies.remember(replica, context)
    material.copy(source, replica)
    _announce(source)
    snapshot = key_snapshots.snapshot(replica)
    context.touches_key(replica.arn, replica.account_id)
    there.touches_key(replica.arn, replica.account_id)
    shown = keys.metadata(snapshot, context)
    asked = {name: parameters[name] for name in _OF_THE_NEW_KEY if name in parameters}
    _record(context, there, {"MultiRegion": True, **asked}, {"KeyMetadata": shown})
    answer: dict[str, Any] = {"ReplicaKeyMetadata": shown, "ReplicaPolicy": replica.policy}
    if replica.tags:
        answer["ReplicaTags"] = [{"TagKey": name, "TagValue": value} for name, value in replica.tags.items()]
    return answer


def update_primary_region(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Permission is asked on both keys, each in its Region (API Reference, UpdatePrimaryRegion, "Required permissions")."""
    primary = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, primary, params=parameters)
    _refuse_non_primary(primary)
    states.refuse_unless_allowed(context.operation, primary, context.now)
    region = parameters["PrimaryRegion"]
    if region == primary.region:
        return {}
    if region not in primary.replica_regions:
        arn = primary.arn.replace(f":{primary.region}:", f":{region}:", 1)
        raise AWSError("NotFoundException", f"Key '{arn}' does not exist")
    replica = key_snapshots.get(primary.account_id, region, primary.key_id)
    there = context.beside(context.operation, region=region)
    access.authorize(there, replica, params=parameters)
    states.refuse_unless_allowed(context.operation, replica, context.now)
    rows = models.Key.objects.filter(account_id=primary.account_id, key_id=primary.key_id)
    rows.update(primary_region=region)
    rows.filter(region__in=(primary.region, region)).update(updating_until=context.now + CREATING)
    _announce(key_snapshots.row(primary))
    _record(context, there, parameters, {})
    return {}


# What ReplicateKey says of the new key, as CreateKey calls it.
_OF_THE_NEW_KEY = ("Policy", "BypassPolicyLockoutSafetyCheck", "Description", "Tags")


def _record(
    context: CallContext, there: CallContext, parameters: dict[str, Any] | None, result: dict[str, Any]
) -> None:
    """Source: KMS Developer Guide, "AWS KMS log entries", ReplicateKey and UpdatePrimaryRegion: one in each of the two Regions."""
    model = services.model("kms").operation_model(there.operation)
    context.further_records += record.build(there, model, parameters, result=result, writes=True)


def _refuse_non_primary(key: KmsKey) -> None:
    if not key.is_primary:
        raise AWSError("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.")


def _announce(row: models.Key) -> None:
    changed(*(key_entity(each.account_id, each.region, each.key_id) for each in material.related(row)))
