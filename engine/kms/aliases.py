"""Aliases. Source: AWS KMS API Reference, CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

import re
from typing import Any

from engine.context import CallContext
from engine.kms import access, key_snapshots, managed, models, paging, specs, states
from engine.kms.key_snapshots import KmsKey
from engine.region_names import partition
from engine.store.transaction import aliases_entity, changed, key_entity
from engine.wire.errors import AWSError

PER_KEY = 50
_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+")


def arn(account_id: str, region: str, name: str) -> str:
    return f"arn:{partition(region)}:kms:{region}:{account_id}:{name}"


def _check_name(name: str) -> None:
    if not name.startswith("alias/"):
        raise AWSError(
            "ValidationException",
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )
    if ":" in name:
        raise AWSError("ValidationException", f"{name} contains invalid characters for an alias")
    if not _NAME.fullmatch(name):
        raise AWSError(
            "ValidationException",
            f"1 validation error detected: Value '{name}' at 'aliasName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
        )
    if name.startswith("alias/aws/"):
        raise AWSError("NotAuthorizedException", "")


def _authorize_alias(context: CallContext, name: str, key: KmsKey | None) -> None:
    """Aliases are resources of their own: the caller's policies are asked about the alias, then (elsewhere) about the key."""
    access.authorize_resource(context, arn(context.account_id, context.region, name), key)


def create_alias(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    name = parameters["AliasName"]
    _check_name(name)
    key = _target(context, parameters)
    _authorize_alias(context, name, key)
    access.authorize(context, key, params=parameters)
    managed.refuse_managed(key, context.operation)
    states.refuse_unless_allowed(context.operation, key, context.now)
    if models.Alias.objects.filter(account_id=context.account_id, region=context.region, name=name).exists():
        raise AWSError(
            "AlreadyExistsException",
            f"An alias with the name {arn(context.account_id, context.region, name)} already exists",
        )
    _check_quota(key)
    models.Alias.objects.create(
        account_id=context.account_id,
        region=context.region,
        name=name,
        target_key_id=key.key_id,
        created=context.now,
        updated=context.now,
    )
    changed(aliases_entity(context.account_id, context.region), key_entity(key.account_id, key.region, key.key_id))
    return {}


def _target(context: CallContext, parameters: dict[str, Any]) -> KmsKey:
    """The key an alias is to point to: of the caller's account and Region, by its ID or ARN."""
    identifier = parameters["TargetKeyId"]
    if identifier.startswith("alias/") or ":alias/" in identifier:
        raise AWSError("ValidationException", "Aliases must refer to keys. Not aliases")
    key = key_snapshots.find(context, identifier, aliases=False)
    access.refuse_elsewhere(context, key)
    return key


def _check_quota(key: KmsKey) -> None:
    if len(key.aliases) >= PER_KEY:
        raise AWSError("LimitExceededException", f"The key {key.arn} already has {PER_KEY} aliases.")


def _row(context: CallContext, name: str) -> models.Alias:
    row = models.Alias.objects.filter(account_id=context.account_id, region=context.region, name=name).first()
    if row is None:
        raise AWSError("NotFoundException", f"Alias {arn(context.account_id, context.region, name)} is not found.")
    return row


def update_alias(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """The alias, its old key and its new key must all be allowed; both keys are of the same type and usage."""
    name = parameters["AliasName"]
    _check_name(name)
    row = _row(context, name)
    old = key_snapshots.get(context.account_id, context.region, row.target_key_id)
    new = _target(context, parameters)
    _authorize_alias(context, name, new)
    access.authorize(context, old, params=parameters)
    access.authorize(context, new, params=parameters)
    managed.refuse_managed(new, context.operation)
    states.refuse_unless_allowed(context.operation, new, context.now)
    if (old.usage, _type(old)) != (new.usage, _type(new)):
        raise AWSError(
            "ValidationException", "The current CMK and the new CMK must be the same type and have the same key usage."
        )
    if old.key_id != new.key_id:
        _check_quota(new)
    row.target_key_id = new.key_id
    row.updated = context.now
    row.save(update_fields=["target_key_id", "updated"])
    changed(
        aliases_entity(context.account_id, context.region),
        key_entity(old.account_id, old.region, old.key_id),
        key_entity(new.account_id, new.region, new.key_id),
    )
    return {}


def _type(key: KmsKey) -> bool:
    return specs.spec(key.spec).key_type in ("Symmetric", "HMAC")


def delete_alias(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    name = parameters["AliasName"]
    _check_name(name)
    row = _row(context, name)
    key = key_snapshots.get(context.account_id, context.region, row.target_key_id)
    _authorize_alias(context, name, key)
    access.authorize(context, key, params=parameters)
    row.delete()
    changed(aliases_entity(context.account_id, context.region), key_entity(key.account_id, key.region, key.key_id))
    return {}


def list_aliases(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """All aliases of the account and Region, or those of one key. Those AWS reserves for its services are there before their keys are."""
    access.authorize_new(context, "ListAliases")
    rows = models.Alias.objects.filter(account_id=context.account_id, region=context.region)
    if "KeyId" in parameters:
        key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
        access.refuse_elsewhere(context, key)
        # By number: where names order them, SQLite reads all of the Region's in that order, however few are the key's.
        rows = models.Alias.objects.filter(
            pk__in=list(rows.filter(target_key_id=key.key_id).values_list("pk", flat=True))
        )
        predefined = []
    else:
        predefined = _predefined(context)
    found, more = paging.page("aliases", parameters, rows, "name", limit=50, maximum=100, first=predefined)
    return {"Aliases": [_entry(row) for row in found], **more}


def _predefined(context: CallContext) -> list[models.Alias]:
    """The aliases of services that have not used their key yet: they have no target."""
    made = models.Alias.objects.filter(
        account_id=context.account_id, region=context.region, name__in=managed.SERVICES
    ).values_list("name", flat=True)
    waiting = sorted(managed.SERVICES.keys() - set(made))
    return [models.Alias(account_id=context.account_id, region=context.region, name=name) for name in waiting]


def _entry(row: models.Alias) -> dict[str, Any]:
    entry: dict[str, Any] = {"AliasName": row.name, "AliasArn": arn(row.account_id, row.region, row.name)}
    if row.target_key_id:
        entry["TargetKeyId"] = row.target_key_id
        entry["CreationDate"], entry["LastUpdatedDate"] = row.created, row.updated
    return entry
