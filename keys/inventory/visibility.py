"""What this principal may read of the inventory. Filters, counts and exports leave out what it may not: not even a number tells more.

For the embedded engine the decision is the engine's own, asked for all keys once and then for what changed, and stored
(keys.inventory.deciding). Another endpoint decides for its own credentials, which filled the list: what it did not tell them, for want of a
permission or of the operation, is in the rows (`unread`). Whoever shows something of keys asks here which of it is not known: it is never
none, zero or no.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db.models import BigIntegerField, F, Q, QuerySet, Subquery, Value
from django.db.models.lookups import LessThanOrEqual

from console.request import ConsoleRequest, kept
from keys import service
from keys.inventory import deciding, key_rows, reads
from keys.inventory.models import HiddenKey, InventoryCount, InventoryKey, StoredVisibility

Keys = TypeVar("Keys", bound=QuerySet[InventoryKey])


class ForgottenError(Exception):
    """What was decided is forgotten by now: of what is left of a long file it is not known any more what may be read."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """`denied_mask`: bits of reads.READS that this principal is denied for some key, or that another endpoint does not tell of some.

    `pk`: of the stored visibility, with `usual_mask` for most keys and `masks` for the exceptions; None for another endpoint, where each of
    `masks` is what it does not tell of some key. `last_row`: the inventory's row up to which it is decided; `decided`: that is all of them.
    `uses_read`: whether the last use of every key was taken over from the trail.
    """

    pk: int | None
    lists_aliases: bool
    denied_mask: int
    masks: tuple[int, ...] = ()
    usual_mask: int = 0
    last_row: int = 0
    decided: bool = True
    uses_read: bool = True

    @property
    def undescribable(self) -> bool:
        """Whether there are keys that it may not describe."""
        return bool(self.denied_mask & reads.DESCRIBE)

    def hides(self, needs: int) -> bool:
        """Whether what is counted of the rows for all counts something that this principal may not read, if it is about `needs`."""
        return self.pk is not None and (bool(self.denied_mask & needs) or not self.decided)

    def seen(self, rows: Keys) -> Keys:
        """The rows of which it is decided what may be read of them: a newer one is there with the next page, for whoever may read
        all that there were too. None if what was decided is forgotten by now."""
        if self.pk is None:
            return rows
        decided = StoredVisibility.objects.filter(pk=self.pk).values(to=Value(self.last_row, BigIntegerField()))
        # As a sum, so that no database takes it for what to look the rows up by: most are.
        return rows.filter(LessThanOrEqual(F("pk") + 0, Subquery(decided)))

    def lacks(self, needs: int) -> int:
        """What of `needs` is not known of every key."""
        return (self.denied_mask | (0 if self.lists_aliases else reads.ALIASES)) & needs

    def unread_actions(self, needs: int) -> list[str]:
        """What would have to be allowed, or offered, for `needs` to be known of every key."""
        return reads.actions(self.lacks(needs))

    def known(self, needs: int) -> Q:
        """That all that `needs` names may be read of a row."""
        lacking = self.lacks(needs)
        if not lacking:
            return Q()
        if self.pk is None:
            return ~Q(unread__in=[mask for mask in self.masks if mask & needs])
        if lacking & reads.ALIASES:
            return Q(pk__in=[])
        if self.usual_mask & needs:
            return Q(pk__in=self._rows(mask for mask in self.masks if not mask & needs))
        # Whatever they are by now: a key that changed since has another mask than those that were known then.
        return ~Q(pk__in=self._rows(mask for mask in range(1, 1 + reads.ALL) if mask & needs))

    def readable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which all that `needs` names may be read."""
        return rows.filter(self.known(needs))

    def unreadable(self, rows: Keys, needs: int) -> Keys:
        """The rows of which something that `needs` names may not be read."""
        return rows.filter(~self.known(needs)) if self.lacks(needs) else rows.none()

    def undescribable_rows(self, rows: Keys) -> Keys:
        return self.unreadable(rows, reads.DESCRIBE)

    def _exceptions(self) -> QuerySet[HiddenKey]:
        return HiddenKey.objects.filter(visibility_id=self.pk)

    def _rows(self, masks: Iterable[int]) -> Any:
        """The numbers of the exceptions' rows with one of these masks, as a subquery."""
        named = list(masks)
        return self._exceptions().filter(denied_mask__in=named).values("row") if named else []

    def unhelped(self, rows: Keys) -> Keys:
        """Without the rows that reading them with these rights would tell nothing more of."""
        if self.pk is None:
            return rows
        aliases = 0 if self.lists_aliases else reads.ALIASES
        if aliases:
            rows = rows.exclude(unread=aliases)
        if not self.denied_mask:
            return rows
        rows = self.seen(rows)
        for mask in {self.usual_mask, *self.masks} - {0}:
            covered = [each for each in range(2 * reads.ALIASES) if not each & ~(mask | aliases)]
            having = ~Q(pk__in=self._rows(self.masks)) if mask == self.usual_mask else Q(pk__in=self._rows([mask]))
            rows = rows.filter(~(having & Q(unread__isnull=False, unread__in=covered)))
        return rows

    def denied_masks(self, rows: Sequence[InventoryKey]) -> Mapping[int, int]:
        """What may not be read of each of these rows, by its number."""
        if self.pk is None or not self.denied_mask:
            return {}
        numbers = [row.pk for row in rows]
        if not self.masks:
            return dict.fromkeys(numbers, self.usual_mask)
        others = dict(self._exceptions().filter(row__in=numbers).values_list("row", "denied_mask"))
        return {**dict.fromkeys(numbers, self._usual_of_the_others()), **others}

    def _usual_of_the_others(self) -> int:
        """What may not be read of the keys that are no exceptions, after these were read: nothing may where they are forgotten by now."""
        return reads.ALL if self._is_forgotten() else self.usual_mask

    def _is_forgotten(self) -> bool:
        return self.pk is not None and not StoredVisibility.objects.filter(pk__in=[self.pk]).exists()

    def require(self) -> None:
        """For what takes longer than a page: raises ForgottenError where rows are masked, or left out, only because it is forgotten."""
        if self.denied_mask and self._is_forgotten():
            raise ForgottenError

    def denied_masks_of_keys(self) -> Mapping[str, int]:
        """Key ID → what may not be read of it, whichever it is."""
        if self.pk is None or not self.denied_mask:
            return defaultdict(int)
        masks = dict(self._exceptions().values_list("row", "denied_mask"))
        named = dict(InventoryKey.objects.filter(pk__in=self._exceptions().values("row")).values_list("pk", "key_id"))
        usual = self._usual_of_the_others()
        found: defaultdict[str, int] = defaultdict(lambda: usual)
        found.update({named[row]: mask for row, mask in masks.items() if row in named})
        return found


UNRESTRICTED = Visibility(None, True, 0)


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
        if backend.scope is None:
            who = service.viewer(request)
            found = _stored(who, *deciding.up_to_date(who))
        else:
            found = _told(backend.scope, request.signed_in.region)
        kept(request)["visibility"] = found
    return found


def whole(request: ConsoleRequest) -> None:
    """Have all of it decided for this request, however long it takes."""
    if not of_request(request).decided:
        who = service.viewer(request)
        kept(request)["visibility"] = _stored(who, deciding.whole(who), decided=True)


def _stored(who: service.visibility.Viewer, row: StoredVisibility, decided: bool) -> Visibility:
    lists_aliases = service.visibility.is_allowed(who, "kms:ListAliases")
    return Visibility(row.pk, lists_aliases, row.denied_mask, tuple(row.masks), row.usual_mask, row.last_row, decided)


def after_reading(request: ConsoleRequest, place: dict[str, str], *, complete: bool) -> None:
    """The list was read: of another endpoint, what it told is known only now; of the engine, what may be read of what is new is not decided
    yet. `complete`: to its end."""
    seen_with = of_request(request)
    if not service.backend(request).embedded:
        kept(request).pop("visibility", None)
        return
    if seen_with.decided and deciding.undecided(place, seen_with.last_row).exists():
        kept(request).pop("visibility", None)
    kept(request)["visibility"] = replace(of_request(request), uses_read=complete)


def _told(scope: str, region: str) -> Visibility:
    """Of another endpoint's keys, by the kept numbers of what it does not tell."""
    counts = InventoryCount.objects.filter(account_id=scope, region=region, facet=key_rows.UNREAD)
    masks = tuple(map(int, counts.values_list("value", flat=True)))
    return Visibility(None, True, reads.together(masks), masks)
