"""What time has done to a key since it was last looked at: rotations that were due, material that expired, a deletion date.

Nothing depends on a background job: whoever loads a key settles it first, in one transaction. Deletion destroys material for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q

from engine import clock
from engine.kms import material, models
from engine.kms.stores import orphans
from engine.store import transaction
from engine.store.transaction import aliases_entity, changed, key_entity


def apply_due_changes(account_id: str, region: str, key_id: str) -> models.Key | None:
    """Bring the stored key up to its account's time, and return it. None where there is none, or none any more."""
    now = clock.now(account_id)
    row = models.Key.objects.filter(account_id=account_id, region=region, key_id=key_id).first()
    if row is None or not _due(row, now):
        return row
    with transaction.write():
        row = models.Key.objects.filter(pk=row.pk).first()
        if row is None or not _due(row, now):
            return row
        changed(key_entity(account_id, region, key_id))
        if row.deletion_date is not None and row.deletion_date <= now:
            delete(row, row.deletion_date)
            return None
        _expire(row, now)
        rotate_as_due(row, now)
        return models.Key.objects.get(pk=row.pk)


def next_change(row: models.Key, valid_to: Iterable[datetime | None]) -> datetime | None:
    """The next moment at which time alone changes this key; None if it never does."""
    moments = [moment for moment in (row.deletion_date, *valid_to) if moment is not None]
    if rotates(row) and row.next_rotation is not None:
        moments.append(row.next_rotation)
    return min(moments, default=None)


def rotates(row: models.Key) -> bool:
    """Whether rotation by the clock goes on: not while the key is disabled or about to be deleted, nor in a replica."""
    return (
        row.rotation_enabled
        and row.enabled
        and row.pending_window_days is None
        and (not row.multi_region or row.primary_region == row.region)
    )


ROTATING = Q(rotation_enabled=True, enabled=True, pending_window_days=None) & (
    Q(multi_region=False) | Q(primary_region=F("region"))
)  # `rotates`, for a query


def _due(row: models.Key, now: datetime) -> bool:
    expired = (
        row.materials.filter(valid_to__lte=now).exclude(wrapped=b"").exists() if row.origin == "EXTERNAL" else False
    )
    moment = next_change(row, ())
    return expired or (moment is not None and moment <= now)


def _expire(row: models.Key, now: datetime) -> None:
    row.materials.filter(valid_to__lte=now).exclude(wrapped=b"").update(wrapped=b"", valid_to=None, expiration_model="")


def rotate_as_due(row: models.Key, now: datetime) -> None:
    """One new material for each rotation date that has passed, dated when it was due."""
    if not rotates(row):
        return
    while row.next_rotation is not None and row.next_rotation <= now:
        due = row.next_rotation
        material.new(row, due, rotation_type="AUTOMATIC", rotation_date=due)
        row.next_rotation = due + timedelta(days=row.rotation_period_days)
    row.save(update_fields=["next_rotation"])


def delete(row: models.Key, when: datetime) -> None:
    """Destroy the key and its material, with its aliases, as of its date. The last replica's going starts its primary's waiting period."""
    models.Alias.objects.filter(account_id=row.account_id, region=row.region, target_key_id=row.key_id).delete()
    others = material.related(row)[1:]
    changed(
        aliases_entity(row.account_id, row.region),
        *(key_entity(each.account_id, each.region, each.key_id) for each in others),
    )
    models.DestroyedKey.objects.update_or_create(
        account_id=row.account_id, region=row.region, key_id=row.key_id, defaults={"destroyed": when}
    )
    if row.custom_key_store_id:
        orphans.note(row)
    row.delete()
    if len(others) == 1 and others[0].primary_region == others[0].region:
        primary = others[0]
        if primary.pending_window_days is not None and primary.deletion_date is None:
            primary.deletion_date = when + timedelta(days=primary.pending_window_days)
            primary.save(update_fields=["deletion_date"])
