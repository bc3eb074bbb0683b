"""What this principal may read of the inventory. Filters, counts and exports leave out what it may not: not even a number tells more.

For the embedded engine the decision is the engine's own, asked for all keys once and then for what changed (keys, or the principal's
policies), and stored (models.StoredVisibility). Another endpoint decides for its own credentials, which filled the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, QuerySet

from console.request import ConsoleRequest, kept
from keys import service
from keys.inventory import key_rows
from keys.inventory.models import HiddenKey, InventoryKey, StoredVisibility

FAR = 1_000  # changes, of whichever account, that are quickly looked through
_CHANGES_AT_ONCE = 2_000
Keys = TypeVar("Keys", bound=QuerySet[InventoryKey])


@dataclass(frozen=True, slots=True)
class Visibility:
    """`denied_mask`: bits of key_rows.READS that this principal is denied for some key; `undescribable`: how many keys it may not describe."""

    pk: int | None
    lists_aliases: bool
    denied_mask: int
    undescribable: int

    def readable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which all that `needs` names may be read."""
        if self.pk is None or not self.denied_mask & needs:
            return rows
        return rows.exclude(key_id__in=self._hidden(needs))

    def unreadable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which something that `needs` names may not be read."""
        if self.pk is None or not self.denied_mask & needs:
            return rows.none()
        return rows.filter(key_id__in=self._hidden(needs))

    def undescribable_rows(self, rows: Keys) -> Keys:
        return self.unreadable(rows, key_rows.DESCRIBE)

    def _hidden(self, needs: int) -> Any:
        """The IDs of the keys of which something that `needs` names may not be read, as a subquery."""
        hidden = HiddenKey.objects.filter(visibility_id=self.pk).annotate(hit=F("denied_mask").bitand(needs))
        return hidden.filter(hit__gt=0).values("key_id")

    def denied_masks(self, key_ids: list[str] | None) -> dict[str, int]:
        """Key ID → what may not be read of it, of those where anything may not; of all keys, or those named."""
        if self.pk is None or not self.denied_mask:
            return {}
        named = {} if key_ids is None else {"key_id__in": key_ids}
        return dict(HiddenKey.objects.filter(visibility_id=self.pk, **named).values_list("key_id", "denied_mask"))


UNRESTRICTED = Visibility(None, True, 0, 0)


def hidden_key_ids(pk: int) -> Any:
    """The IDs of all keys of which something is hidden from whose stored visibility this is, as a subquery."""
    return HiddenKey.objects.filter(visibility_id=pk).values("key_id")


def masked(row: InventoryKey, denied_mask: int, *, aliases: bool) -> InventoryKey:
    """The row without what its reader may not read."""
    if denied_mask & key_rows.DESCRIBE:
        row = InventoryKey(
            key_id=row.key_id, arn=row.arn, alias=row.alias, aliases=row.aliases, state="", readable=False
        )
    if denied_mask & key_rows.TAGS:
        row.tags = {}
    if denied_mask & key_rows.ROTATION:
        row.rotation, row.next_rotation = "", None
    if denied_mask & key_rows.POLICY:
        row.public = ""
    if denied_mask & key_rows.LAST_USE:
        row.last_used = None
    if not aliases:
        row.alias, row.aliases, row.has_alias = "", [], False
    return row


def of_request(request: ConsoleRequest) -> Visibility:
    """This request's principal's, brought up to date with the engine's changes, which writes what has changed. Remembered for the request."""
    found: Visibility | None = kept(request).get("visibility")
    if found is None:
        found = UNRESTRICTED if not service.backend(request).embedded else _up_to_date(request)
        kept(request)["visibility"] = found
    return found


def _up_to_date(request: ConsoleRequest) -> Visibility:
    viewer = service.viewer(request)
    account_id, region = viewer.context.account_id, viewer.context.region
    latest = service.visibility.latest_change()
    place = {"account_id": account_id, "region": region, "viewer": viewer.name}
    row = StoredVisibility.objects.filter(**place).first()
    key_ids: list[str] | None = None
    if row is not None and row.digest == viewer.digest:
        key_ids, until = service.visibility.changed_keys(account_id, region, row.change, latest, _CHANGES_AT_ONCE)
        if not key_ids and latest - row.change <= FAR:  # what others changed is not written down each time
            return Visibility(row.pk, row.lists_aliases, row.denied_mask, row.undescribable)
        if until < latest:
            key_ids = None  # so much has changed that looking at all is quicker
    masks = {
        key_id: sum(1 << key_rows.READS.index(action) for action in denied)
        for key_id, denied in service.visibility.denied_actions(viewer, key_rows.READS, key_ids)
    }
    return _store(place, viewer, latest, key_ids, masks)


def _store(
    place: dict[str, str],
    viewer: service.visibility.Viewer,
    latest: int,
    key_ids: list[str] | None,
    masks: dict[str, int],
) -> Visibility:
    with transaction.atomic():
        row, _made = StoredVisibility.objects.select_for_update().get_or_create(
            **place, defaults={"digest": viewer.digest}
        )
        if key_ids is None:
            row.hidden_keys.all().delete()
        else:
            row.hidden_keys.filter(key_id__in=key_ids).delete()
        HiddenKey.objects.bulk_create(
            [HiddenKey(visibility=row, key_id=key_id, denied_mask=mask) for key_id, mask in masks.items()],
            batch_size=1_000,
        )
        row.digest, row.change = viewer.digest, latest
        row.lists_aliases = service.visibility.is_allowed(viewer, "kms:ListAliases")
        values = list(row.hidden_keys.values_list("denied_mask", flat=True))
        row.denied_mask, row.undescribable = 0, sum(1 for mask in values if mask & key_rows.DESCRIBE)
        for mask in set(values):
            row.denied_mask |= mask
        row.save()
    return Visibility(row.pk, row.lists_aliases, row.denied_mask, row.undescribable)
