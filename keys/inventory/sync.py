"""Following an endpoint: the inventory is read whole once, then kept up to date, in steps that no page has to wait for.

A request does as much as a short time allows; the rest goes on in a thread of its worker, which holds a lease (keys.leases). Where the
reading is stands in the database after every step: a worker that dies loses one step, and the next request takes it up. Another
endpoint is asked at a limited rate. All of it is asked with the credentials of the principal who looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from django.db import connections
from django.db.models import F, QuerySet
from django.utils import timezone

from engine.public import clock
from engine.public import record as trail
from keys import leases, service
from keys.endpoints import diagnosis
from keys.inventory import key_rows
from keys.inventory.models import InventoryKey, InventoryMark, Unseen

logger = logging.getLogger(__name__)

AT_ONCE = 0.8  # seconds that a request gives to the first reading
CATCH_UP = 0.2  # seconds that a request gives to changes
STEP = 25  # keys read between two notes of where the reading is
_LEASE = 30.0  # seconds
_LEASE_ELSEWHERE = (
    90.0  # longer than one call of another endpoint may take, with all its attempts (keys.endpoints.backends.REMOTE)
)
_FRESH = timedelta(seconds=30)  # how old another endpoint's list may be; longer where reading it takes long
_TRY_AGAIN = timedelta(seconds=30)
_CALLS_A_SECOND = 40  # of another endpoint, whose quotas others need too
_CALLS_A_KEY = 5


def lease_name(place: dict[str, Any]) -> str:
    """Of the lease of whoever reads the inventory of a scope and Region."""
    return f"inventory {place['account_id']} {place['region']}"


Step = Callable[
    [leases.Held], bool
]  # does a part of the work under the lease: whether there is more. Raises leases.Lost.


class Follower:
    """One scope and Region, seen through one principal's client."""

    def __init__(self, kms: Any, account_id: str, region: str, *, ours: bool) -> None:
        self.kms, self.account_id, self.region, self.ours = kms, account_id, region, ours
        self.place: dict[str, Any] = {"account_id": account_id, "region": region}
        self._aliases: dict[str, list[str]] | None = None
        self._waited = 0.0

    def mark(self) -> InventoryMark:
        return InventoryMark.objects.get_or_create(**self.place)[0]

    def follow(self, sight: int | None = None) -> InventoryMark:
        """Bring the inventory as near to now as a page may wait for; the rest goes on behind it. `sight`: whose exceptions to leave."""
        mark = self.mark()
        if self._must_read(mark):
            if mark.started is None:
                self._begin(mark)
            self._some(self._read_step, AT_ONCE)
        elif self.ours:
            if mark.change < service.sight.latest_change():
                self._some(self._change_step, CATCH_UP)
            if self._stale(sight).exists():
                self._some(partial(self._stale_step, sight), CATCH_UP)
            self._take_uses(mark)
        return self.mark()

    def _must_read(self, mark: InventoryMark) -> bool:
        now = timezone.now()
        if mark.started is not None or mark.synchronised is None:
            return mark.problem_at is None or now - mark.problem_at > _TRY_AGAIN
        if self.ours:
            return False
        return now - mark.synchronised > max(_FRESH, timedelta(seconds=10 * mark.seconds))

    def _begin(self, mark: InventoryMark) -> None:
        change = service.sight.latest_change() if self.ours else 0
        InventoryMark.objects.filter(pk=mark.pk, started=None).update(
            started=timezone.now(), marker="", done=0, round=F("round") + 1, change=change, problem="", problem_at=None
        )

    def _some(self, step: Step, seconds: float) -> None:
        """Steps until there are none left or the time is over; then a thread goes on, unless another is at it."""
        end = time.monotonic() + seconds
        held = leases.take(lease_name(self.place), _LEASE if self.ours else _LEASE_ELSEWHERE)
        if held is None:
            return
        try:
            while step(held):
                if time.monotonic() > end:
                    threading.Thread(target=self._go_on, args=(step, held), daemon=True, name="inventory").start()
                    return
        except leases.Lost:
            return  # another goes on with it
        except (ClientError, *diagnosis.FAILURES) as error:
            if not self.ours:
                self._note(error, held)  # what was read before is still shown, and why it is not newer
            leases.release(held)
            if self.ours:
                raise
            return
        except BaseException:
            leases.release(held)
            raise
        leases.release(held)

    def _note(self, error: Any, held: leases.Held) -> None:
        """Say on the list why it is not newer, unless another is reading it by now."""
        refusal = isinstance(error, ClientError) and not diagnosis.failed(error)
        text = service.sentence(error) if refusal else diagnosis.UNREACHABLE  # all who look at the list read it
        with suppress(leases.Lost), leases.writing(held):
            InventoryMark.objects.filter(**self.place).update(problem=text, problem_at=timezone.now())

    def _go_on(self, step: Step, held: leases.Held) -> None:
        try:
            while leases.keep(held) and step(held):
                time.sleep(0.001)  # pages come first
        except leases.Lost:
            logger.info("the inventory of %s in %s is read by another worker by now", self.account_id, self.region)
        except (ClientError, *diagnosis.FAILURES) as error:
            self._note(error, held)
        except Exception:
            logger.exception("reading the inventory of %s in %s stopped", self.account_id, self.region)
        finally:
            leases.release(held)
            connections.close_all()

    # --- reading the whole list

    def _read_step(self, held: leases.Held) -> bool:
        """One page of ListKeys, described and written. Whether there is more to read."""
        mark = self.mark()
        if mark.started is None:
            return False
        change = service.sight.latest_change() if self.ours else 0
        page = self.kms.list_keys(Limit=STEP, **({"Marker": mark.marker} if mark.marker else {}))
        key_ids = [key["KeyId"] for key in page["Keys"]]
        rows = {key_id: self._read(held, key_id, self._alias_names(key_id)) for key_id in key_ids}
        more = bool(page.get("Truncated"))
        with leases.writing(held):
            key_rows.write(self.account_id, self.region, rows, change=change, round=mark.round)
            InventoryMark.objects.filter(pk=mark.pk, round=mark.round).update(
                marker=page.get("NextMarker", "") if more else "",
                done=F("done") + len(key_ids),
                problem="",
                problem_at=None,
            )
        if not more:
            self._end_reading(mark, held)
        return more

    def _end_reading(self, mark: InventoryMark, held: leases.Held) -> None:
        """Drop what a whole reading did not see."""
        while missing := key_rows.unread(self.account_id, self.region, mark.round):
            with leases.writing(held):
                key_rows.write(self.account_id, self.region, dict.fromkeys(missing), change=2**62)
        now = timezone.now()
        assert mark.started is not None
        with leases.writing(held):
            InventoryMark.objects.filter(pk=mark.pk, round=mark.round).update(
                started=None, synchronised=now, seconds=(now - mark.started).total_seconds()
            )

    def _alias_names(self, key_id: str) -> list[str] | None:
        """The key's aliases from one list of all, read once; None (asked for each key, or refused) where that is not allowed."""
        if self._aliases is None:
            try:
                self._aliases = service.aliases_by_key(self.kms)
            except ClientError as error:
                if not service.denied(error):
                    raise
                return None
        return self._aliases.get(key_id, [])

    def _read(self, held: leases.Held, key_id: str, aliases: list[str] | None = None) -> key_rows.Row | None:
        leases.insist(held)
        if not self.ours:
            self._wait()
        return key_rows.read(self.kms, self.account_id, self.region, key_id, aliases, ours=self.ours)

    def _wait(self) -> None:
        """Keep to the rate that another endpoint is asked at; a short list is read without waiting."""
        now = time.monotonic()
        if self._waited == 0.0:
            self._waited = now - 1.5
        self._waited = max(self._waited + _CALLS_A_KEY / _CALLS_A_SECOND, now - 1.5)
        if self._waited > now:
            time.sleep(self._waited - now)

    # --- the embedded engine's changes

    def _change_step(self, held: leases.Held) -> bool:
        mark = self.mark()
        latest = service.sight.latest_change()
        if mark.change >= latest:
            return False
        key_ids, until = service.sight.changed_keys(self.account_id, self.region, mark.change, latest, STEP)
        rows = {key_id: self._read(held, key_id) for key_id in key_ids}
        with leases.writing(held):
            if rows:
                key_rows.write(self.account_id, self.region, rows, change=latest)
            InventoryMark.objects.filter(pk=mark.pk, change__lt=until).update(change=until)
        return until < latest

    def _stale(self, sight: int | None) -> QuerySet[InventoryKey]:
        """Keys that time alone has changed, or that a principal with fewer rights could not read whole."""
        moment = max(clock.now(self.account_id), timezone.now())
        stale = InventoryKey.objects.filter(**self.place, stale_at__lte=moment)
        return (
            stale if sight is None else stale.exclude(key_id__in=Unseen.objects.filter(sight_id=sight).values("key_id"))
        )

    def _stale_step(self, sight: int | None, held: leases.Held) -> bool:
        key_ids = list(self._stale(sight).order_by("stale_at").values_list("key_id", flat=True)[:STEP])
        change = service.sight.latest_change()
        rows = {key_id: self._read(held, key_id) for key_id in key_ids}
        if rows:
            with leases.writing(held):
                key_rows.write(self.account_id, self.region, rows, change=change)
        return len(key_ids) == STEP and not self._still_stale(key_ids, clock.now(self.account_id))

    def _still_stale(self, key_ids: list[str], now: datetime) -> bool:
        """Whether reading did not help: the clock of the endpoint is behind, or rights are missing. Do not try in a circle."""
        return InventoryKey.objects.filter(**self.place, key_id__in=key_ids, stale_at__lte=now).exists()

    def _take_uses(self, mark: InventoryMark) -> None:
        """Last uses from the trail: those of keys used since the last look."""
        uses, latest = trail.uses_since(self.account_id, self.region, mark.use)
        for arn, when in uses:
            InventoryKey.objects.filter(**self.place, key_id=arn.rpartition("/")[2]).update(last_used=when)
        if latest > mark.use:
            InventoryMark.objects.filter(pk=mark.pk, use__lt=latest).update(use=latest)
