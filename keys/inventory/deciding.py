"""Deciding what a principal may read of the inventory's rows, as the engine decides each call: once for all, then for what changed.

What is the same for most keys is kept once, the exceptions by the rows' numbers (models.HiddenKey), so that leaving them out of 100,000 keys is
part of a query. It is decided row by row in the order of their numbers, a lot at a time: a request gives it a short time, and a thread goes on
under a lease. Until then a reader sees what is decided (Visibility.seen), as with a list that is being read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Mod
from django.utils import timezone

from engine.public import data_stack
from engine.public import visibility as engine
from keys import leases
from keys.inventory import reads
from keys.inventory.models import HiddenKey, InventoryKey, StoredVisibility

logger = logging.getLogger(__name__)

FAR = 1_000  # changes, of whichever account, that are quickly looked through
AT_ONCE = 0.8  # seconds that a request gives to it
STEP = 2_000  # rows decided between two notes of how far it is
_CHANGES_AT_ONCE = 2_000
_SAMPLE = 500  # rows that tell what is usual
_LEASE = 30.0  # seconds
_WAIT = 0.02
_ATTEMPTS, _AT_ONCE_AGAIN = 50, 3
_A_DAY = timedelta(days=1)
UNUSED = timedelta(days=7)  # after which what a principal may read is decided anew, rather than kept
MOST_PRINCIPALS = 200  # of an account and Region, each with a way to call
_WAYS = 5  # to call, or policies that a principal had before, that make a difference to what it may read
_PAGES_MADE = timedelta(minutes=10)  # longer than any page takes
_FORGOTTEN_AT_ONCE = 2  # of each; one is added at a time, and each may have many keys


def undecided(place: dict[str, Any], last_row: int) -> QuerySet[InventoryKey]:
    return InventoryKey.objects.filter(**place, pk__gt=last_row)


def up_to_date(who: engine.Viewer) -> tuple[StoredVisibility, bool]:
    """What the principal may read as of now, and whether that is decided for all rows. Writes what has changed."""
    place = {"account_id": who.context.account_id, "region": who.context.region}
    for attempt in range(_ATTEMPTS):
        time.sleep(_WAIT if attempt > _AT_ONCE_AGAIN else 0)
        row = _with_changes(who, place)
        if row is None:
            continue
        if undecided(place, row.last_row).exists():
            row = _go_on(row, who)
            if row is None:
                continue
            return row, not undecided(place, row.last_row).exists()
        return row, True
    raise RuntimeError("others decide about the same principal without an end")


def whole(who: engine.Viewer) -> StoredVisibility:
    """As `up_to_date`, for all rows: who else is at it is waited for."""
    while True:
        row, decided = up_to_date(who)
        if decided:
            return row
        time.sleep(_WAIT)


def _with_changes(who: engine.Viewer, place: dict[str, str]) -> StoredVisibility | None:
    """As of the last change, for the rows that it was decided for before; None if another changed it meanwhile."""
    latest = engine.latest_change()
    row = _holding(who, _current(who, place))
    if row is None:
        return _begun(who, place, latest)
    if timezone.now() - row.used > _A_DAY:
        StoredVisibility.objects.filter(pk=row.pk).update(used=timezone.now())
    key_ids, until = engine.changed_keys(**place, after=row.change, until=latest, limit=_CHANGES_AT_ONCE)
    if until < latest:
        return _begun(who, place, latest, instead_of=row)  # so much has changed that looking at all is quicker
    if not key_ids and latest - row.change <= FAR:  # what others changed is not written down each time
        return row
    numbers = dict(InventoryKey.objects.filter(**place, key_id__in=key_ids).values_list("key_id", "pk"))
    denials = engine.Denials(who, reads.READS)
    masks = _masks(denials, numbers)
    with transaction.atomic():
        now = StoredVisibility.objects.select_for_update().filter(pk=row.pk, superseded=None).first()
        if now is None or now.change != row.change or not _rest_on(now, denials):
            return None
        # Of a key that is gone what was decided before stays, until its row is gone too.
        decided = {number: mask for number, mask in masks.items() if number <= now.last_row}
        now.hidden_keys.filter(row__in=list(decided)).delete()
        if len(numbers) < len(key_ids):  # of keys whose rows are gone
            now.hidden_keys.exclude(row__in=InventoryKey.objects.filter(**place).values("pk")).delete()
        _add(now, decided)
        others = now.hidden_keys.order_by().values_list("denied_mask", flat=True).distinct()
        usual = InventoryKey.objects.filter(**place, pk__lte=now.last_row).exclude(pk__in=now.hidden_keys.values("row"))
        now.masks = sorted(others)
        now.denied_mask = reads.together(now.masks) | (now.usual_mask if usual.exists() else 0)
        now.change = latest
        now.save()
    return now


def _current(who: engine.Viewer, place: dict[str, str]) -> QuerySet[StoredVisibility]:
    return StoredVisibility.objects.filter(**place, viewer=who.name, superseded=None).order_by("-pk")


def _holding(who: engine.Viewer, rows: Iterable[StoredVisibility]) -> StoredVisibility | None:
    """That of these which holds for the principal's policies, and for how it calls."""
    own = (row for row in rows if row.digest == who.digest)
    return next((row for row in own if engine.premises_hold(who.context, row.premises)), None)


def _begun(
    who: engine.Viewer, place: dict[str, str], latest: int, *, instead_of: StoredVisibility | None = None
) -> StoredVisibility:
    """Decided from the beginning: for all rows if it is the same for all, else for none yet."""
    keys = InventoryKey.objects.filter(**place)
    last = keys.aggregate(last=Max("pk"))["last"] or 0
    denials = engine.Denials(who, reads.READS)
    same = denials.of_all()
    row = StoredVisibility(**place, viewer=who.name, digest=who.digest, change=latest, premises=denials.premises())
    if same is not None:
        row.usual_mask, row.last_row = reads.mask(same), last
        row.denied_mask = row.usual_mask if last else 0
    with transaction.atomic():
        mine = _current(who, place)
        before = _holding(who, mine.select_for_update())
        if before is not None and before.change >= latest:
            return before  # another has begun
        if instead_of is not None:
            mine.filter(pk=instead_of.pk).update(superseded=timezone.now())
        row.save()  # beside those for other policies: a request that began before they changed goes on with its own
    _forget_unused(place, who.name)
    return row


def _usual(denials: engine.Denials, place: dict[str, str]) -> int:
    """What may not be read of most keys, by some of them from all over the list."""
    keys = InventoryKey.objects.filter(**place)
    every = max(1, keys.count() // _SAMPLE)
    sample = keys.alias(rest=Mod(F("pk"), every)).filter(rest=0).values_list("key_id", "pk")[: 2 * _SAMPLE]
    found = Counter(_masks(denials, dict(sample)).values()).most_common(1)
    return found[0][0] if found else 0


def _forget_unused(place: dict[str, str], viewer: str) -> None:
    """What pages read no more: what is of policies and ways to call that the principal no longer has, and of principals that have not come for
    long, or are too many."""
    now = timezone.now()
    here = StoredVisibility.objects.filter(**place)
    latest = here.filter(superseded=None).order_by("-used", "-pk")
    forgotten = [
        *here.filter(viewer=viewer).order_by("-pk").values_list("pk", flat=True)[_WAYS : _WAYS + _FORGOTTEN_AT_ONCE],
        *latest.values_list("pk", flat=True)[MOST_PRINCIPALS : MOST_PRINCIPALS + _FORGOTTEN_AT_ONCE],
        *StoredVisibility.objects.filter(superseded__lt=now - _PAGES_MADE).values_list("pk", flat=True)[
            :_FORGOTTEN_AT_ONCE
        ],
        *StoredVisibility.objects.filter(used__lt=now - UNUSED).values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE],
    ]
    if forgotten:
        StoredVisibility.objects.filter(pk__in=forgotten).delete()


def _masks(denials: engine.Denials, numbers: dict[str, int]) -> dict[int, int]:
    """Row → what may not be read of its key, of the keys that are there; `numbers`: key ID → row."""
    return {numbers[key_id]: reads.mask(actions) for key_id, actions in denials.of_each(list(numbers))}


def _rest_on(row: StoredVisibility, denials: engine.Denials) -> bool:
    """Note what these decisions too depend on; whether that is not at odds with the others: else they are those of another way to call."""
    try:
        row.premises = engine.both_premises(row.premises, denials.premises())
    except engine.Conflict:
        return False
    return True


def _add(row: StoredVisibility, masks: dict[int, int]) -> None:
    HiddenKey.objects.bulk_create(
        [
            HiddenKey(visibility=row, row=number, denied_mask=mask)
            for number, mask in masks.items()
            if mask != row.usual_mask
        ],
        batch_size=1_000,
    )


# --- rows that are not decided yet


def _go_on(row: StoredVisibility, who: engine.Viewer) -> StoredVisibility | None:
    """With as many rows as a short time is enough for; then a thread goes on, unless another is at it. None if it was decided anew,
    or for another way to call."""
    lease = leases.take(f"visibility {row.pk}", _LEASE)
    if lease is not None:
        end = time.monotonic() + AT_ONCE
        denials = engine.Denials(who, reads.READS)
        try:
            while _step(row.pk, who.digest, denials, lease):
                if time.monotonic() > end:
                    threading.Thread(
                        target=data_stack.run,
                        args=(_continue_in_thread, row.pk, who.digest, denials, lease),
                        daemon=True,
                        name="visibility",
                    ).start()
                    break
            else:
                leases.release(lease)
        except leases.LeaseLost:
            logger.info("another worker goes on with what %s may read", who.context.principal.arn)
        except BaseException:
            leases.release(lease)
            raise
    return _holding(who, StoredVisibility.objects.filter(pk=row.pk, superseded=None))


def _step(pk: int, digest: str, denials: engine.Denials, lease: leases.HeldLease) -> bool:
    """Decide for the next rows. Whether there are more."""
    row = StoredVisibility.objects.filter(pk=pk, superseded=None, digest=digest).first()
    if row is None:
        return False
    place = {"account_id": row.account_id, "region": row.region}
    numbers = dict(undecided(place, row.last_row).order_by("pk").values_list("key_id", "pk")[:STEP])
    if not numbers:
        return False
    decided = _masks(denials, numbers)
    usual = row.usual_mask if row.last_row else _usual(denials, place)
    if gone := [number for number in numbers.values() if number not in decided]:
        same = denials.of_all()
        decided |= dict.fromkeys(gone, reads.ALL if same is None else reads.mask(same))
    with leases.writing(lease):
        now = StoredVisibility.objects.select_for_update().filter(pk=pk, superseded=None).first()
        if now is None:
            return False
        if (now.digest, now.change, now.last_row) != (row.digest, row.change, row.last_row):
            return True  # what changed in between may be about these
        if not _rest_on(now, denials):
            return False
        now.usual_mask = usual
        _add(now, decided)
        masks = set(decided.values())
        now.masks = sorted({*now.masks, *masks} - {now.usual_mask})
        now.denied_mask |= reads.together(masks)
        now.last_row = max(decided)
        now.save()
    return len(numbers) == STEP


def _continue_in_thread(pk: int, digest: str, denials: engine.Denials, lease: leases.HeldLease) -> None:
    try:
        while leases.keep(lease) and _step(pk, digest, denials, lease):
            time.sleep(0.001)  # pages come first
    except leases.LeaseLost:
        logger.info("what a principal may read is decided by another worker by now")
    except Exception:
        logger.exception("deciding what a principal may read stopped")
    finally:
        leases.release(lease)
        connections.close_all()
