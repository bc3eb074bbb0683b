"""What this principal may read of the inventory. Filters, counts and exports leave out what it may not: not even a number tells more.

For the embedded engine the decision is the engine's own, asked for all keys once and then for what changed (keys, or the principal's
policies). Another endpoint decides for its own credentials, which filled the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest

from keys import service
from keys.inventory import key_rows
from keys.inventory.models import InventoryKey, Sight, Unseen

_CHANGES_AT_ONCE = 2_000
Keys = TypeVar("Keys", bound=QuerySet[InventoryKey])


@dataclass(frozen=True, slots=True)
class Visibility:
    """`lacks`: bits of describe.READS that this principal lacks for some key; `unseen`: for how many it lacks DescribeKey."""

    pk: int | None
    lists_aliases: bool
    lacks: int
    unseen: int

    def may_all(self, rows: Keys, needs: int) -> Keys:
        """The rows of which all that `needs` names may be read."""
        if self.pk is None or not self.lacks & needs:
            return rows
        hidden = Unseen.objects.filter(sight_id=self.pk).annotate(hit=F("lacks").bitand(needs)).filter(hit__gt=0)
        return rows.exclude(key_id__in=hidden.values("key_id"))

    def unseen_rows(self, rows: Keys) -> Keys:
        if self.pk is None or not self.unseen:
            return rows.none()
        hidden = Unseen.objects.filter(sight_id=self.pk).annotate(hit=F("lacks").bitand(key_rows.DESCRIBE))
        return rows.filter(key_id__in=hidden.filter(hit__gt=0).values("key_id"))

    def lacking(self, key_ids: list[str] | None) -> dict[str, int]:
        """Key ID → what may not be read of it, of those where anything may not; of all keys, or those named."""
        if self.pk is None or not self.lacks:
            return {}
        named = {} if key_ids is None else {"key_id__in": key_ids}
        return dict(Unseen.objects.filter(sight_id=self.pk, **named).values_list("key_id", "lacks"))


WHOLE = Visibility(None, True, 0, 0)


def eyes(request: HttpRequest) -> Visibility:
    """This request's principal's, brought up to date with the engine's changes. Remembered for the request."""
    found: Visibility | None = getattr(request, "_eyes", None)
    if found is None:
        found = WHOLE if not service.backend(request).embedded else _up_to_date(request)
        request._eyes = found  # type: ignore[attr-defined]
    return found


def _up_to_date(request: HttpRequest) -> Visibility:
    viewer = service.viewer(request)
    account_id, region = viewer.context.account_id, viewer.context.region
    latest = service.sight.latest_change()
    place = {"account_id": account_id, "region": region, "viewer": viewer.name}
    row = Sight.objects.filter(**place).first()
    if row is not None and row.digest == viewer.digest and row.change >= latest:
        return Visibility(row.pk, row.lists_aliases, row.lacks, row.unseen)
    key_ids: list[str] | None = None
    if row is not None and row.digest == viewer.digest:
        key_ids, until = service.sight.changed_keys(account_id, region, row.change, latest, _CHANGES_AT_ONCE)
        if until < latest:
            key_ids = None  # so much has changed that looking at all is quicker
    lacking = {
        key_id: sum(1 << key_rows.READS.index(action) for action in refused)
        for key_id, refused in service.sight.lacking(viewer, key_rows.READS, key_ids)
    }
    return _store(place, viewer, latest, key_ids, lacking)


def _store(
    place: dict[str, str], viewer: service.sight.Viewer, latest: int, key_ids: list[str] | None, lacking: dict[str, int]
) -> Visibility:
    with transaction.atomic():
        row, _made = Sight.objects.select_for_update().get_or_create(**place, defaults={"digest": viewer.digest})
        if key_ids is None:
            row.exceptions.all().delete()
        else:
            row.exceptions.filter(key_id__in=key_ids).delete()
        Unseen.objects.bulk_create(
            [Unseen(sight=row, key_id=key_id, lacks=bits) for key_id, bits in lacking.items()], batch_size=1_000
        )
        row.digest, row.change = viewer.digest, latest
        row.lists_aliases = service.sight.may(viewer, "kms:ListAliases")
        values = list(row.exceptions.values_list("lacks", flat=True))
        row.lacks, row.unseen = 0, sum(1 for bits in values if bits & key_rows.DESCRIBE)
        for bits in set(values):
            row.lacks |= bits
        row.save()
    return Visibility(row.pk, row.lists_aliases, row.lacks, row.unseen)
