"""Synchronising the inventory with an endpoint: read whole once, then kept up to date, in steps that no page has to wait for.

It writes and may start a thread: pages come to it by keys.inventory.inventory.sync_in_request alone. A request does as much as a short
time allows; the rest goes on in a thread of its worker, which holds a lease (keys.leases). Where the reading is stands in the database
after every step: a worker that dies loses one step, and the next request takes it up. Another endpoint is asked at a limited rate. All
of it is asked with the credentials of the principal who looks.
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
from django.db import connections, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from console import aws_calls
from engine.public import clock, data_stack, last_uses
from engine.public.transport import by_itself
from keys import leases, service
from keys.endpoints import diagnosis
from keys.inventory import deciding, key_rows, visibility
from keys.inventory.models import InventoryKey, SyncState

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
    [leases.HeldLease], bool
]  # does a part of the work under the lease: whether there is more. Raises leases.LeaseLost.


class InventorySync:
    """The inventory of one scope and Region, read with one principal's client. Making one asks nothing; `run` does."""

    def __init__(self, kms: Any, account_id: str, region: str, *, embedded: bool) -> None:
        self.kms, self.account_id, self.region, self.embedded = kms, account_id, region, embedded
        self.place: dict[str, Any] = {"account_id": account_id, "region": region}
        self._aliases: dict[str, list[str]] | ClientError | None = None
        self._waited = 0.0

    def state(self) -> SyncState:
        return SyncState.objects.get_or_create(**self.place)[0]

    def run(self, seen_with: visibility.Visibility = visibility.UNRESTRICTED) -> None:
        """Bring the inventory as near to now as a page may wait for; a thread goes on with the rest.

        `seen_with`: what who looks may read. Keys of which these rights tell nothing more are not read again for their age.
        """
        state = self.state()
        if self._needs_full_read(state):
            if state.started is None:
                self._begin_full_read(state)
            self._run_steps(self._full_read_step, AT_ONCE)
            state = self.state()
        elif self.embedded:
            if self._is_behind(state):
                self._run_steps(self._change_step, CATCH_UP)
            if self._stale(seen_with).exists():
                self._run_steps(partial(self._stale_step, seen_with), CATCH_UP)
        if self.embedded and state.started is None:  # while keys are still missing their uses would be lost
            self._update_last_uses(state)

    def _needs_full_read(self, state: SyncState) -> bool:
        now = timezone.now()
        if state.started is not None or state.synchronised is None:
            return state.problem_at is None or now - state.problem_at > _TRY_AGAIN
        if self.embedded:
            return False
        return now - state.synchronised > max(_FRESH, timedelta(seconds=10 * state.seconds))

    def _begin_full_read(self, state: SyncState) -> None:
        change = service.visibility.latest_change() if self.embedded else 0
        SyncState.objects.filter(pk=state.pk, started=None).update(
            started=timezone.now(), marker="", done=0, round=F("round") + 1, change=change, problem="", problem_at=None
        )

    def _run_steps(self, step: Step, seconds: float) -> None:
        """Steps until there are none left or the time is over; then a thread goes on, unless another is at it."""
        end = time.monotonic() + seconds
        lease = leases.take(lease_name(self.place), _LEASE if self.embedded else _LEASE_ELSEWHERE)
        if lease is None:
            return
        try:
            while self._done(step, lease):
                if time.monotonic() > end:
                    threading.Thread(
                        target=data_stack.run,
                        args=(self._continue_in_thread, step, lease),
                        daemon=True,
                        name="inventory",
                    ).start()
                    return
        except leases.LeaseLost:
            return  # another goes on with it
        except (ClientError, *diagnosis.FAILURES) as error:
            if not self.embedded:
                self._store_problem(error, lease)  # what was read before is still shown, and why it is not newer
            leases.release(lease)
            if self.embedded:
                raise
            return
        except BaseException:
            leases.release(lease)
            raise
        leases.release(lease)

    def _done(self, step: Step, lease: leases.HeldLease) -> bool:
        with by_itself():
            return step(lease)

    def _store_problem(self, error: Any, lease: leases.HeldLease) -> None:
        """Say on the list why it is not newer, unless another is reading it by now."""
        refusal = isinstance(error, ClientError) and not diagnosis.failed(error)
        text = service.sentence(error) if refusal else diagnosis.UNREACHABLE  # all who look at the list read it
        with suppress(leases.LeaseLost), leases.writing(lease):
            SyncState.objects.filter(**self.place).update(problem=text, problem_at=timezone.now())

    def _continue_in_thread(self, step: Step, lease: leases.HeldLease) -> None:
        try:
            while leases.keep(lease) and self._done(step, lease):
                time.sleep(0.001)  # pages come first
        except leases.LeaseLost:
            logger.info("the inventory of %s in %s is read by another worker by now", self.account_id, self.region)
        except (ClientError, *diagnosis.FAILURES) as error:
            self._store_problem(error, lease)
        except Exception:
            logger.exception("reading the inventory of %s in %s stopped", self.account_id, self.region)
        finally:
            leases.release(lease)
            connections.close_all()

    # --- reading the whole list

    def _full_read_step(self, lease: leases.HeldLease) -> bool:
        """One page of ListKeys, described and written. Whether there is more to read."""
        state = self.state()
        if state.started is None:
            return False
        change = service.visibility.latest_change() if self.embedded else 0
        page = self.kms.list_keys(Limit=STEP, **({"Marker": state.marker} if state.marker else {}))
        key_ids = [key["KeyId"] for key in page["Keys"]]
        rows = {key_id: self._read(lease, key_id, self._alias_names(key_id)) for key_id in key_ids}
        more = bool(page.get("Truncated"))
        done = state.done + max(1, len(key_ids))  # an empty page counts too, so that a list without an end has one
        if not self.embedded and more and (page["NextMarker"] == state.marker or done > aws_calls.MOST_LISTED):
            raise aws_calls.unexpected(self.kms.meta.service_model.operation_model("ListKeys"), "NextMarker")
        with leases.writing(lease):
            key_rows.write(self.account_id, self.region, rows, change=change, round=state.round)
            SyncState.objects.filter(pk=state.pk, round=state.round).update(
                marker=page.get("NextMarker", "") if more else "",
                done=done,
                problem="",
                problem_at=None,
            )
        if not more:
            self._end_full_read(state, lease)
        return more

    def _end_full_read(self, state: SyncState, lease: leases.HeldLease) -> None:
        """Drop what a whole reading did not see."""
        while missing := key_rows.not_seen_in_round(self.account_id, self.region, state.round):
            with leases.writing(lease):
                key_rows.write(self.account_id, self.region, dict.fromkeys(missing), change=2**62)
        now = timezone.now()
        assert state.started is not None
        with leases.writing(lease):
            SyncState.objects.filter(pk=state.pk, round=state.round).update(
                started=None, synchronised=now, seconds=(now - state.started).total_seconds()
            )

    def _alias_names(self, key_id: str) -> list[str] | ClientError:
        """The key's aliases from one list of all, read once; or the refusal, which would be the same for each key."""
        if self._aliases is None:
            try:
                self._aliases = service.aliases_by_key(self.kms)
            except ClientError as error:
                if not service.denied(error):
                    raise
                self._aliases = error
        return self._aliases if isinstance(self._aliases, ClientError) else self._aliases.get(key_id, [])

    def _read(
        self, lease: leases.HeldLease, key_id: str, aliases: list[str] | ClientError | None = None
    ) -> key_rows.Columns | None:
        leases.require(lease)
        if not self.embedded:
            self._wait()
        return key_rows.read(self.kms, self.account_id, self.region, key_id, aliases, embedded=self.embedded)

    def _wait(self) -> None:
        """Keep to the rate that another endpoint is asked at; a short list is read without waiting."""
        now = time.monotonic()
        if self._waited == 0.0:
            self._waited = now - 1.5
        self._waited = max(self._waited + _CALLS_A_KEY / _CALLS_A_SECOND, now - 1.5)
        if self._waited > now:
            time.sleep(self._waited - now)

    # --- the embedded engine's changes

    def _is_behind(self, state: SyncState) -> bool:
        """Whether any of its keys was changed. That others' were is noted only when there is much to leave out the next time: a note is a
        transaction, for which all writers wait."""
        latest = service.visibility.latest_change()
        if latest - state.change > deciding.FAR:
            return True
        changed, _until = service.visibility.changed_keys(self.account_id, self.region, state.change, latest, 1)
        return bool(changed)

    def _change_step(self, lease: leases.HeldLease) -> bool:
        state = self.state()
        latest = service.visibility.latest_change()
        if state.change >= latest:
            return False
        key_ids, until = service.visibility.changed_keys(self.account_id, self.region, state.change, latest, STEP)
        rows = {key_id: self._read(lease, key_id) for key_id in key_ids}
        with leases.writing(lease):
            if rows:
                key_rows.write(self.account_id, self.region, rows, change=latest)
            SyncState.objects.filter(pk=state.pk, change__lt=until).update(change=until)
        return until < latest

    def _stale(self, seen_with: visibility.Visibility) -> QuerySet[InventoryKey]:
        """Keys that time alone has changed, or that a principal with fewer rights could not read whole."""
        moment = max(clock.now(self.account_id), timezone.now())
        stale = InventoryKey.objects.filter(**self.place, stale_at__lte=moment)
        return seen_with.unhelped(stale)

    def _stale_step(self, seen_with: visibility.Visibility, lease: leases.HeldLease) -> bool:
        key_ids = list(self._stale(seen_with).order_by("stale_at").values_list("key_id", flat=True)[:STEP])
        change = service.visibility.latest_change()
        rows = {key_id: self._read(lease, key_id) for key_id in key_ids}
        if rows:
            with leases.writing(lease):
                key_rows.write(self.account_id, self.region, rows, change=change)
        return len(key_ids) == STEP and not self._still_stale(key_ids, clock.now(self.account_id))

    def _still_stale(self, key_ids: list[str], now: datetime) -> bool:
        """Whether reading did not help: the clock of the endpoint is behind, or rights are missing. Do not try in a circle."""
        return InventoryKey.objects.filter(**self.place, key_id__in=key_ids, stale_at__lte=now).exists()

    def _update_last_uses(self, state: SyncState) -> None:
        """Last uses from the trail: those of keys used since the last look."""
        uses, latest = last_uses.uses_since(self.account_id, self.region, state.use)
        if latest <= state.use:
            return
        with transaction.atomic():
            for arn, when in uses:
                InventoryKey.objects.filter(**self.place, key_id=arn.rpartition("/")[2]).update(last_used=when)
            SyncState.objects.filter(pk=state.pk, use__lt=latest).update(use=latest)
