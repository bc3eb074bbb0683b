"""Which events of a block of the search index are earlier than a moment.

Records lie in the order in which they were written; their times, which are those at which calls came, can be behind one another, mostly by
a second. A block knows by how much at most, so the times of some events, and of some between two of those, lead to a few that are looked
at one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.trail import places
from engine.trail.query import EventStore


@dataclass(frozen=True, slots=True)
class Span:
    """A block of an account's events: its number, its first and last time, and how many seconds an event in it is at most behind the
    latest before it in the block."""

    block: int
    first: int
    last: int
    late: int


_SAMPLES = 32  # events whose times are read at once
_FEW = 64  # places that are not narrowed further


class Clock:
    """The times of an account's events."""

    def __init__(self, store: EventStore, account_id: str) -> None:
        self._store, self._account_id = store, account_id
        self._times: dict[int, int | None] = {}  # what was looked at: searches for near moments go the same way

    def earlier(self, span: Span, moment: int) -> int:
        """The places of the events of a block whose time is before `moment`; those of no event of the account may be among them."""
        first = span.block * places.BLOCK
        if moment <= span.first:
            return 0
        if moment > span.last:
            return places.ALL
        low, high = self._narrowed(span, moment)
        between = self._store.rows(
            f"SELECT event.sequence FROM {self._store.events} WHERE event.account = ? "  # noqa: S608
            f"AND event.sequence > ? AND event.sequence < ? AND event.time < ?",
            (self._account_id, first + low, first + high, moment),
        )
        return places.below(low + 1) | places.of_places([sequence - first for (sequence,) in between])

    def time_from(self, sequence: int) -> int | None:
        """The time of the first event from this number on."""
        rows = self._store.rows(
            f"SELECT event.time FROM {self._store.events} WHERE event.account = ? "  # noqa: S608
            "AND event.sequence >= ? ORDER BY event.sequence LIMIT 1",
            (self._account_id, sequence),
        )
        return rows[0][0] if rows else None

    def _narrowed(self, span: Span, moment: int) -> tuple[int, int]:
        """Two places of a block: all events up to and with the first are earlier than `moment`, none from the second on is."""
        low, high = -1, places.BLOCK
        while high - low > _FEW:
            found = self._sample(span.block * places.BLOCK, low, high)
            before = max((place for place, time in found if time + span.late < moment), default=low)
            behind = min((place for place, time in found if time >= moment + span.late), default=high)
            if (before, behind) == (low, high):  # the account has few events there, or they are in no order
                break
            low, high = before, behind
        return low, high

    def _sample(self, first: int, low: int, high: int) -> list[tuple[int, int]]:
        """(place, time) of events between two places, evenly spread, as far as those are of this account."""
        step = max(1, (high - low) // _SAMPLES)
        wanted = range(low + step, high, step)
        unknown = [first + place for place in wanted if first + place not in self._times]
        if unknown:
            self._times |= {sequence: None for sequence in unknown}
            rows = self._store.rows(
                f"SELECT event.sequence, event.time FROM {self._store.events} WHERE event.account = ? "  # noqa: S608
                f"AND event.sequence IN ({', '.join('?' * len(unknown))})",
                (self._account_id, *unknown),
            )
            self._times |= {sequence: time for sequence, time in rows}
        return [(place, time) for place in wanted if (time := self._times[first + place]) is not None]
