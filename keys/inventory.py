"""Keeping the inventory up to date, through the key-management API as the signed-in principal.

For the embedded engine only keys that its change rows name are described again; for another endpoint the whole list is, at most
every half minute. A principal who may not list keys gets AWS's error: the inventory is a shortcut, never a way round a policy.
What a principal may not describe is not in its list's details: see `visible`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from engine import clock
from engine.store.models import Change
from keys import service
from keys.models import InventoryKey, InventoryMark

OTHER_ENDPOINT = "remote"  # stands for the account in the rows of another endpoint, which are kept apart from our own
_FRESH_FOR = timedelta(seconds=30)


def refreshed(request: HttpRequest) -> QuerySet[InventoryKey]:
    """The account's keys of the Region, as of now. Raises ClientError if the caller may not list keys."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    kms = service.client(request)
    kms.list_keys(Limit=1)
    account = _account(signed_in.account_id)
    if settings.BACKEND == service.EMBEDDED:
        _take_changes(kms, account, signed_in.region)
    else:
        _follow_other_endpoint(kms, account, signed_in.region)
    return InventoryKey.objects.filter(account_id=account, region=signed_in.region)


def forget(request: HttpRequest) -> None:
    """After a change through another endpoint: every worker reads its list again the next time."""
    region = request.signed_in.region  # type: ignore[attr-defined]
    InventoryMark.objects.filter(account_id=OTHER_ENDPOINT, region=region).update(synchronised=None)


def _account(account_id: str) -> str:
    return account_id if settings.BACKEND == service.EMBEDDED else OTHER_ENDPOINT


def _follow_other_endpoint(kms: Any, account_id: str, region: str) -> None:
    mark = InventoryMark.objects.filter(account_id=account_id, region=region).first()
    now = timezone.now()
    if mark is None or mark.synchronised is None or now - mark.synchronised > _FRESH_FOR:
        _synchronise_all(kms, account_id, region)
        InventoryMark.objects.update_or_create(account_id=account_id, region=region, defaults={"synchronised": now})


def _take_changes(kms: Any, account_id: str, region: str) -> None:
    mark = InventoryMark.objects.filter(account_id=account_id, region=region).first()
    latest = Change.objects.aggregate(latest=Max("id"))["latest"] or 0
    if mark is None:
        _synchronise_all(kms, account_id, region)
    elif mark.change < latest:
        prefix = f"key:{account_id}:{region}:"
        changes = Change.objects.filter(id__gt=mark.change, id__lte=latest, entity__startswith=prefix)
        for entity in set(changes.values_list("entity", flat=True)):
            _refresh(kms, account_id, region, entity.removeprefix(prefix))
    if mark is None or mark.change < latest:
        InventoryMark.objects.update_or_create(account_id=account_id, region=region, defaults={"change": latest})
    now = clock.now(account_id)
    stale = InventoryKey.objects.filter(account_id=account_id, region=region, stale_at__lte=now)
    for key_id in list(stale.values_list("key_id", flat=True)):
        _refresh(kms, account_id, region, key_id)


def _synchronise_all(kms: Any, account_id: str, region: str) -> None:
    aliases = service.aliases_by_key(kms)
    listed = [key["KeyId"] for key in service.pages(kms, "list_keys", "Keys") if key]
    InventoryKey.objects.filter(account_id=account_id, region=region).exclude(key_id__in=listed).delete()
    for key_id in listed:
        _refresh(kms, account_id, region, key_id, aliases.get(key_id, []))


def _refresh(kms: Any, account_id: str, region: str, key_id: str, aliases: list[str] | None = None) -> None:
    row = _describe(kms, account_id, region, key_id, aliases)
    if row is None:
        InventoryKey.objects.filter(account_id=account_id, region=region, key_id=key_id).delete()
        return
    with transaction.atomic():
        InventoryKey.objects.update_or_create(account_id=account_id, region=region, key_id=key_id, defaults=row)


def _describe(kms: Any, account_id: str, region: str, key_id: str, aliases: list[str] | None) -> dict[str, Any] | None:
    """The columns of one key; None when it is gone. A key the caller may not describe keeps what is known of it."""
    try:
        metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFoundException", "NotFound"):
            return None
        if service.denied(error):
            return _unreadable(account_id, region, key_id)
        raise
    if aliases is None:
        aliases = [alias["AliasName"] for alias in service.pages(kms, "list_aliases", "Aliases", KeyId=key_id) if alias]
    names = [name.removeprefix("alias/") for name in sorted(aliases)]
    tags = _optional(
        lambda: {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]}, {}
    )
    rotation: dict[str, Any] = {}
    if metadata.get("KeySpec") == "SYMMETRIC_DEFAULT" and metadata["Origin"] == "AWS_KMS":
        rotation = _optional(lambda: kms.get_key_rotation_status(KeyId=key_id), {})
    on = rotation.get("KeyRotationEnabled")
    configuration = metadata.get("MultiRegionConfiguration", {})
    row = {
        "arn": metadata["Arn"],
        "alias": names[0] if names else "",
        "aliases": names,
        "has_alias": bool(names),
        "description": metadata.get("Description", ""),
        "state": metadata["KeyState"],
        "spec": metadata.get("KeySpec", metadata.get("CustomerMasterKeySpec", "")),
        "usage": metadata.get("KeyUsage", ""),
        "origin": metadata.get("Origin", ""),
        "manager": metadata.get("KeyManager", "CUSTOMER"),
        "regionality": configuration.get("MultiRegionKeyType", "SINGLE"),
        "created": metadata["CreationDate"],
        "deletion_date": metadata.get("DeletionDate"),
        "rotation": f"{rotation.get('RotationPeriodInDays', 365)} days" if on else ("off" if on is False else ""),
        "next_rotation": rotation.get("NextRotationDate"),
        "tags": tags,
        "readable": True,
        "stale_at": _stale_at(metadata, rotation, account_id),
    }
    row["search"] = " ".join([key_id, *names, metadata.get("Description", ""), *tags, *tags.values()]).lower()
    return row


def _optional(read: Any, otherwise: Any) -> Any:
    """What a list may go without when the caller is not allowed it, or the endpoint does not have it."""
    try:
        return read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if service.denied(error) or code in ("UnsupportedOperationException", "KMSInvalidStateException"):
            return otherwise
        raise


def _stale_at(metadata: dict[str, Any], rotation: dict[str, Any], account_id: str) -> datetime | None:
    moments = [metadata.get("DeletionDate"), metadata.get("ValidTo"), rotation.get("NextRotationDate")]
    if metadata["KeyState"] in ("Creating", "Updating"):
        moments.append(timezone.now() + timedelta(seconds=5))
    return min((moment for moment in moments if moment is not None), default=None)


def _unreadable(account_id: str, region: str, key_id: str) -> dict[str, Any] | None:
    known = InventoryKey.objects.filter(account_id=account_id, region=region, key_id=key_id).first()
    if known is not None:
        return {"readable": known.readable}
    return {"arn": f"arn:aws:kms:{region}:{account_id}:key/{key_id}", "state": "", "search": key_id, "readable": False}


def visible(request: HttpRequest, rows: list[InventoryKey]) -> list[InventoryKey]:
    """The rows of one page as this principal may see them: each is described again, and one it may not describe shows its ID only.

    The inventory is filled by whoever looked first; what it knows must not tell a principal more than the policies do.
    """
    kms = service.client(request)
    seen = []
    for row in rows:
        try:
            metadata = kms.describe_key(KeyId=row.key_id)["KeyMetadata"]
            row.state = metadata["KeyState"]
        except ClientError as error:
            if not service.denied(error):
                if error.response["Error"]["Code"] == "NotFoundException":
                    continue
                raise
            row = InventoryKey(
                key_id=row.key_id, arn=row.arn, alias=row.alias, aliases=row.aliases, state="", readable=False
            )
        seen.append(row)
    return seen


def matching(rows: QuerySet[InventoryKey], text: str) -> QuerySet[InventoryKey]:
    """Rows whose alias, ID, description or tags hold every word of `text`."""
    for word in text.lower().split():
        rows = rows.filter(search__contains=word)
    return rows
