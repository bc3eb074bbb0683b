"""What this principal may read of the inventory. Filters, counts and exports leave out what it may not: not even a number tells more.

For the embedded engine the decision is the engine's own, asked for all keys once and then for what changed (keys, or the principal's
policies), and stored (models.StoredVisibility). Another endpoint decides for its own credentials, which filled the list: what it did
not tell them, for want of a permission or of the operation, is in the rows (`unread`). Whoever shows something of keys asks here which of
it is not known: it is never none, zero or no.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, QuerySet

from console.request import ConsoleRequest, kept
from keys import service
from keys.inventory import key_rows, reads
from keys.inventory.models import HiddenKey, InventoryCount, InventoryKey, StoredVisibility

FAR = 1_000  # changes, of whichever account, that are quickly looked through
_CHANGES_AT_ONCE = 2_000
Keys = TypeVar("Keys", bound=QuerySet[InventoryKey])


@dataclass(frozen=True, slots=True)
class Visibility:
    """`denied_mask`: bits of reads.READS that this principal is denied for some key, or that another endpoint does not tell of some;
    `undescribable`: how many keys it may not describe.

    `pk`: of the stored visibility; None for another endpoint, where each of `masks` is what it does not tell of some key.
    `uses_read`: whether the last use of every key was taken over from the trail.
    """

    pk: int | None
    lists_aliases: bool
    denied_mask: int
    undescribable: int
    masks: tuple[int, ...] = ()
    uses_read: bool = True

    @property
    def hides(self) -> bool:
        """Whether the rows, and what is counted of them for all, have what this principal may not read. Of another endpoint they never do."""
        return self.pk is not None and bool(self.denied_mask)

    def lacks(self, needs: int) -> int:
        """What of `needs` is not known of every key."""
        return (self.denied_mask | (0 if self.lists_aliases else reads.ALIASES)) & needs

    def unread_actions(self, needs: int) -> list[str]:
        """What would have to be allowed, or offered, for `needs` to be known of every key."""
        return reads.actions(self.lacks(needs))

    def readable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which all that `needs` names may be read."""
        lacking = self.lacks(needs)
        if not lacking:
            return rows
        if self.pk is not None and lacking & reads.ALIASES:
            return rows.none()
        if self.pk is None:
            return rows.exclude(unread__in=[mask for mask in self.masks if mask & needs])
        return rows.exclude(key_id__in=self._hidden(needs))

    def unreadable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which something that `needs` names may not be read."""
        lacking = self.lacks(needs)
        if not lacking:
            return rows.none()
        if self.pk is not None and lacking & reads.ALIASES:
            return rows
        if self.pk is None:
            return rows.filter(unread__in=[mask for mask in self.masks if mask & needs])
        return rows.filter(key_id__in=self._hidden(needs))

    def undescribable_rows(self, rows: Keys) -> Keys:
        return self.unreadable(rows, reads.DESCRIBE)

    def _hidden(self, needs: int) -> Any:
        """The IDs of the keys of which something that `needs` names may not be read, as a subquery."""
        hidden = HiddenKey.objects.filter(visibility_id=self.pk).annotate(hit=F("denied_mask").bitand(needs))
        return hidden.filter(hit__gt=0).values("key_id")

    def unhelped(self, rows: Keys) -> Keys:
        """Without the rows that reading them with these rights would tell nothing more of."""
        if self.pk is None:
            return rows
        aliases = 0 if self.lists_aliases else reads.ALIASES
        if aliases:
            rows = rows.exclude(unread=aliases)
        hidden = HiddenKey.objects.filter(visibility_id=self.pk)
        for mask in hidden.values_list("denied_mask", flat=True).distinct() if self.denied_mask else ():
            covered = [each for each in range(2 * reads.ALIASES) if not each & ~(mask | aliases)]
            rows = rows.exclude(key_id__in=hidden.filter(denied_mask=mask).values("key_id"), unread__in=covered)
        return rows

    def denied_masks(self, key_ids: list[str] | None) -> dict[str, int]:
        """Key ID → what may not be read of it, of those where anything may not; of all keys, or those named."""
        if self.pk is None or not self.denied_mask:
            return {}
        named = {} if key_ids is None else {"key_id__in": key_ids}
        return dict(HiddenKey.objects.filter(visibility_id=self.pk, **named).values_list("key_id", "denied_mask"))


UNRESTRICTED = Visibility(None, True, 0, 0)


def masked(row: InventoryKey, denied_mask: int, seen_with: Visibility) -> InventoryKey:
    """The row without what its reader may not read, and what the last reading was not told: `denied` and `unread` say what that is."""
    denied = denied_mask if seen_with.lists_aliases else denied_mask | reads.ALIASES
    unread = row.unread or 0
    if not seen_with.uses_read and row.last_used is None:
        unread |= reads.LAST_USE
    hidden = denied | unread
    if hidden & reads.DESCRIBE:
        row = InventoryKey(
            key_id=row.key_id,
            arn=row.arn,
            alias=row.alias,
            aliases=row.aliases,
            state="",
            manager=row.manager,
            readable=False,
            refusals=row.refusals,
        )
    elif not reads.rotates(row.spec, row.origin):
        denied &= ~reads.ROTATION  # describing it tells that it does not rotate
    row.denied, row.unread = denied, unread
    if hidden & reads.TAGS:
        row.tags = {}
    if hidden & reads.ROTATION:
        row.rotation, row.next_rotation = "", None
    if hidden & reads.POLICY:
        row.public = ""
    if hidden & reads.LAST_USE:
        row.last_used = None
    if hidden & reads.ALIASES:
        row.alias, row.aliases, row.has_alias = "", [], False
    return row


def of_request(request: ConsoleRequest) -> Visibility:
    """This request's principal's, brought up to date with the engine's changes, which writes what has changed. Remembered for the request."""
    found: Visibility | None = kept(request).get("visibility")
    if found is None:
        backend = service.backend(request)
        found = _up_to_date(request) if backend.scope is None else _told(backend.scope, request.signed_in.region)
        kept(request)["visibility"] = found
    return found


def after_reading(request: ConsoleRequest, *, complete: bool) -> None:
    """The list was read: of another endpoint, what it told is known only now. `complete`: to its end."""
    if service.backend(request).embedded:
        kept(request)["visibility"] = replace(of_request(request), uses_read=complete)
    else:
        kept(request).pop("visibility", None)


def _told(scope: str, region: str) -> Visibility:
    """Of another endpoint's keys, by the kept numbers of what it does not tell."""
    counts = InventoryCount.objects.filter(account_id=scope, region=region, facet=key_rows.UNREAD)
    numbers = {int(value): number for value, number in counts.values_list("value", "number")}
    mask = 0
    for each in numbers:
        mask |= each
    undescribable = sum(number for each, number in numbers.items() if each & reads.DESCRIBE)
    return Visibility(None, True, mask, undescribable, tuple(numbers))


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
        key_id: sum(1 << reads.READS.index(action) for action in denied)
        for key_id, denied in service.visibility.denied_actions(viewer, reads.READS, key_ids)
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
        row.denied_mask, row.undescribable = 0, sum(1 for mask in values if mask & reads.DESCRIBE)
        for mask in set(values):
            row.denied_mask |= mask
        row.save()
    return Visibility(row.pk, row.lists_aliases, row.denied_mask, row.undescribable)
