"""Moving an account's clock forward: what it will do to the account's keys, who may, and the record of it.

It is no call of AWS's but an action of the console's own, `kmsconsole:MoveClock`: see engine.console_actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine import clock, console_actions, denials, visibility
from engine.iam import clocks
from engine.kms import models
from engine.kms.due_changes import ROTATING
from engine.store import cache

LONGEST_MOVE, FARTHEST = clocks.LONGEST_MOVE, clocks.FARTHEST
MOVE = "kmsconsole:MoveClock"


@dataclass(frozen=True, slots=True)
class Event:
    """What time does to one key by itself. `times`: how often, by then (a rotation). `alias` is the first one, "" where it has none.
    `scheduled`: when the deletion that destroys it was scheduled."""

    region: str
    key_id: str
    when: datetime
    times: int = 1
    alias: str = ""
    scheduled: datetime | None = None

    @property
    def place(self) -> str:
        """The key among all of the account's."""
        return f"{self.region}/{self.key_id}"


@dataclass(frozen=True, slots=True)
class Kind:
    """All events of a kind: how many keys, those to show (the earliest), and how many of these the viewer may not describe."""

    number: int
    shown: list[Event]
    unseen: int

    @property
    def more(self) -> int:
        """Events that are too many to show."""
        return self.number - len(self.shown) - self.unseen


@dataclass(frozen=True, slots=True)
class Forecast:
    destroyed: Kind
    expiring: Kind
    rotating: Kind


def offset(account_id: str) -> float:
    """Seconds that the account's clock is ahead, as of this moment in every worker."""
    cache.synchronise()
    return clock.offset(account_id)


def move(
    who: visibility.Viewer, begin: float, seconds: float, *, check: Callable[[datetime], None], user_agent: str = ""
) -> None:
    """Move the clock of the viewer's account from `begin` to `seconds` ahead of the machine's.

    `check` is asked about the time that the clock will show, in the transaction that moves it: an AWSError of its refuses the move.
    Raises AWSError: AccessDeniedException, or what engine.iam.clocks.move refuses; KMSInternalException if it cannot be recorded.
    """
    real = clock.real_now()

    def change() -> None:
        check(real + timedelta(seconds=seconds))
        clocks.move(who.context.account_id, begin, seconds)

    console_actions.perform(
        who.context,
        MOVE,
        change,
        parameters={"from": _said(real, begin), "to": _said(real, seconds), "secondsAhead": seconds},
        user_agent=user_agent,
    )


def _said(real: datetime, seconds: float) -> str:
    return f"{real + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


# --- what it will do

_SHOWN = 50
_ASKED_AT_ONCE = 10_000  # keys that one query names


def forecast(who: visibility.Viewer, to: datetime) -> Forecast:
    """What will have happened to the account's keys, in all Regions, when its clock shows `to`; by stored facts alone."""
    account_id = who.context.account_id
    destroyed, expiring = ending(account_id, to)
    return Forecast(
        _kind(who, len(destroyed), destroyed),
        _kind(who, len(expiring), expiring),
        _kind(who, *_rotating(account_id, clock.now(account_id), to), takes=("DescribeKey", "GetKeyRotationStatus")),
    )


def ending(account_id: str, to: datetime) -> tuple[list[Event], list[Event]]:
    """(keys that are destroyed, keys that lose imported material) by then, for whoever asks: no word of it is for a page."""
    now = clock.now(account_id)
    return list(_destroyed(account_id, now, to)), list(_expiring(account_id, now, to))


def _destroyed(account_id: str, now: datetime, to: datetime) -> Iterator[Event]:
    keys = models.Key.objects.filter(account_id=account_id)
    dated = keys.filter(deletion_date__gt=now, deletion_date__lte=to)
    for region, key_id, when, scheduled in dated.values_list("region", "key_id", "deletion_date", "deletion_scheduled"):
        if when is not None:
            yield Event(region, key_id, when, scheduled=scheduled)
    # A primary that waits for its replicas begins its own waiting period when the last of them goes.
    for primary in keys.filter(deletion_date=None, pending_window_days__isnull=False):
        replicas = keys.filter(key_id=primary.key_id).exclude(pk=primary.pk).values_list("deletion_date", flat=True)
        dates = [each for each in replicas if each is not None]
        if dates and len(dates) == len(replicas):
            when = max(dates) + timedelta(days=primary.pending_window_days or 0)
            if when <= to:
                yield Event(primary.region, primary.key_id, when, scheduled=primary.deletion_scheduled)


def _expiring(account_id: str, now: datetime, to: datetime) -> Iterator[Event]:
    """Keys that lose imported material and are still there then."""
    materials = models.Material.objects.filter(valid_to__gt=now, valid_to__lte=to).exclude(wrapped=b"")
    first = dict(materials.order_by("-valid_to").values_list("key_id", "valid_to"))  # the earliest of a key comes last
    keys = models.Key.objects.filter(account_id=account_id).exclude(deletion_date__lte=to)
    losing = list(first)
    for begin in range(0, len(losing), _ASKED_AT_ONCE):
        some = keys.filter(pk__in=losing[begin : begin + _ASKED_AT_ONCE])
        for pk, region, key_id in some.values_list("pk", "region", "key_id"):
            when = first[pk]
            if when is not None:
                yield Event(region, key_id, when)


def _rotating(account_id: str, now: datetime, to: datetime) -> tuple[int, list[Event]]:
    """(how many keys, the earliest of them): there may be very many, and only those that are shown are looked at one by one."""
    keys = models.Key.objects.filter(ROTATING, account_id=account_id, next_rotation__lte=to)
    fields = ("region", "key_id", "next_rotation", "rotation_period_days")
    coming = keys.filter(next_rotation__gt=now)
    number, events = coming.count(), []
    for region, key_id, when, days in coming.order_by("next_rotation").values_list(*fields)[:_SHOWN]:
        if when is not None:
            events.append(Event(region, key_id, when, times=(to - when) // timedelta(days=days) + 1))
    for region, key_id, when, days in keys.filter(next_rotation__lte=now).values_list(*fields):
        if when is not None:  # was due already, and nobody has looked at the key since
            period = timedelta(days=days)
            when += ((now - when) // period + 1) * period
            if when <= to:
                number += 1
                events.append(Event(region, key_id, when, times=(to - when) // period + 1))
    return number, events


def _kind(
    who: visibility.Viewer, number: int, events: list[Event], *, takes: tuple[str, ...] = ("DescribeKey",)
) -> Kind:
    """`events` hold at least the earliest that are to be shown. `takes`: what must be allowed on a key to be told its moment."""
    shown = sorted(events, key=lambda event: event.when)[:_SHOWN]
    seen = []
    for region in {event.region for event in shown}:
        there = replace(who, context=replace(who.context, region=region))
        within = [event for event in shown if event.region == region]
        hidden = {key_id for key_id, _ in denials.denied_actions(there, takes, [event.key_id for event in within])}
        named = models.Alias.objects.filter(
            account_id=who.context.account_id, region=region, target_key_id__in=[event.key_id for event in within]
        )
        if not visibility.is_allowed(there, "kms:ListAliases"):
            named = named.none()
        aliases = dict(named.order_by("-name").values_list("target_key_id", "name"))
        seen += [
            replace(event, alias=aliases.get(event.key_id, "").removeprefix("alias/"))
            for event in within
            if event.key_id not in hidden
        ]
    return Kind(number, sorted(seen, key=lambda event: event.when), len(shown) - len(seen))
