"""Which events of a block of the search index are earlier than a moment.

Records lie in the order in which they were written; their times, which are those at which calls came, can be behind one another, mostly by
a second. A block knows by how much at most, so a binary search over single events leads to a few that are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable
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


class Clock:
    """The times of an account's events."""

    def __init__(self, store: EventStore, account_id: str) -> None:
        self._store, self._account_id = store, account_id
        self._probes: dict[
            int, tuple[int, int] | None
        ] = {}  # what was looked at: searches for near moments go the same way

    def earlier(self, span: Span, moment: int) -> int:
        """The places of the events of a block whose time is before `moment`; those of no event of the account may be among them."""
        first = span.block * places.BLOCK
        if moment <= span.first:
            return 0
        if moment > span.last:
            return places.ALL
        # All up to and with `low` are earlier; none from `high` on is.
        low = self._last(first, lambda time: time + span.late < moment)
        high = self._first(first, lambda time: time >= moment + span.late)
        between = self._store.rows(
            f"SELECT event.sequence FROM {self._store.events} WHERE event.account = ? "  # noqa: S608
            f"AND event.sequence > ? AND event.sequence < ? AND event.time < ?",
            (self._account_id, first + low, first + high, moment),
        )
        return places.below(low + 1) | places.of_places([sequence - first for (sequence,) in between])

    def time_from(self, sequence: int) -> int | None:
        """The time of the first event from this number on."""
        found = self._probe(sequence)
        return found[1] if found else None

    def _probe(self, sequence: int) -> tuple[int, int] | None:
        """(number, time) of the first event from this number on."""
        if sequence not in self._probes:
            self._probes[sequence] = self._read(sequence)
        return self._probes[sequence]

    def _read(self, sequence: int) -> tuple[int, int] | None:
        rows = self._store.rows(
            f"SELECT event.sequence, event.time FROM {self._store.events} WHERE event.account = ? "  # noqa: S608
            "AND event.sequence >= ? ORDER BY event.sequence LIMIT 1",
            (self._account_id, sequence),
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def _last(self, first: int, holds: Callable[[int], bool]) -> int:
        """A place at which `holds` is true of the time there, as high as a binary search finds one; -1 for none."""
        low, high = -1, places.BLOCK
        while high - low > 1:
            middle = (low + high) // 2
            found = self._probe(first + middle)
            if found is not None and found[0] < first + places.BLOCK and holds(found[1]):
                low = found[0] - first
                high = max(high, low + 1)
            else:
                high = middle
        return low

    def _first(self, first: int, holds: Callable[[int], bool]) -> int:
        """A place from which on `holds` is true, as low as a binary search finds one; one behind the block for none."""
        low, high = -1, places.BLOCK
        while high - low > 1:
            middle = (low + high) // 2
            found = self._probe(first + middle)
            if found is None or found[0] >= first + places.BLOCK or holds(found[1]):
                high = middle
            else:
                low = middle
        return high
