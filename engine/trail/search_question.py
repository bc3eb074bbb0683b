"""One search in one account, answered from the search index block by block, as far as its time goes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from engine.trail import event_terms, facet_index, places, query, search_index
from engine.trail.event_search import Answer, Clause, Record, Search, matches, needles
from engine.trail.query import EventStore
from engine.trail.times import Clock, Span

CHUNK = 200  # events that are read at a time


class Question:
    """A search in one account, on this thread's connection to the index."""

    def __init__(self, index: sqlite3.Connection, store: EventStore, account_id: str, wanted: Search) -> None:
        self.index, self._store = index, store
        self._account_id, self.wanted = account_id, wanted
        self._account = search_index.account_number(self.index, account_id)
        self.clock = Clock(self._store, account_id)
        self.shown, self.hidden = (
            search_index.scope(self.index, self._account, wanted.region, hidden) for hidden in (False, True)
        )
        self._words, self._raw = needles(wanted.text)
        # What the index alone cannot tell: an event is looked at before it counts.
        self.looks = bool(self._raw) or any(each.field in event_terms.IDENTIFIERS for each in wanted.clauses)
        ends = [each for each in (wanted.before, wanted.newest and wanted.newest + 1) if each is not None]
        self._before = min(ends, default=None)
        self._removed = store.removed()
        self._start = int(wanted.start.timestamp()) if wanted.start else None
        self._end = int(wanted.end.timestamp()) if wanted.end else None

    # what matches, by blocks

    def spans(self, *, oldest_first: bool = False) -> Iterator[Span]:
        for span in search_index.spans(self.index, self._account, newest_first=not oldest_first):
            too_new = self._before is not None and span.block * places.BLOCK >= self._before
            if (span.block + 1) * places.BLOCK <= self._removed:
                continue
            too_old = self.wanted.since is not None and (span.block + 1) * places.BLOCK <= self.wanted.since
            if too_new or too_old:
                continue
            if self._start is not None and span.last < self._start:
                continue
            if self._end is not None and span.first > self._end:
                continue
            yield span

    def matching(self, span: Span) -> int:
        """The events of a block that match."""
        limits = self._limits(span)
        if not limits:
            return 0
        found = self._of_scope(self.shown, span.block)
        if self.wanted.hidden:
            found |= self._of_scope(self.hidden, span.block)
        return found & limits

    def left_out(self, span: Span) -> int:
        """The events of a block that would match if the console's reads were not hidden."""
        if self.wanted.hidden:
            return 0
        limits = self._limits(span)
        return self._of_scope(self.hidden, span.block) & limits if limits else 0

    def term(self, span: Span) -> tuple[int, str] | None:
        """The one term (number of its field, value) that tells what matches in a block; None where more than one does, or a limit."""
        clauses, words = self.wanted.clauses, set(self._words)
        if self.looks or len(clauses) + len(words) > 1 or self._limits(span) != places.ALL:
            return None
        if words:
            return search_index.TEXT, event_terms.stored(words.pop())
        if clauses:
            number = search_index.NUMBERS[clauses[0].field]
            return None if clauses[0].prefix else (number, event_terms.stored(clauses[0].value))
        return facet_index.EVERYTHING

    def _of_scope(self, scope: int | None, block: int) -> int:
        if scope is None:
            return 0
        found = places.ALL
        for clause in self.wanted.clauses:
            if found:
                found &= self._of_clause(scope, block, clause)
        for word in self._words:
            if found:
                found &= search_index.bits(self.index, scope, block, search_index.TEXT, event_terms.stored(word))
        # What has a term is an event of the scope.
        terms = self.wanted.clauses or self._words
        return found if terms else search_index.bits(self.index, scope, block, search_index.ALL)

    def _of_clause(self, scope: int, block: int, clause: Clause) -> int:
        if clause.field in event_terms.IDENTIFIERS:
            return search_index.bits_of_identifier(self.index, scope, block, clause.value)
        number = search_index.NUMBERS[clause.field]
        if clause.prefix:
            return search_index.bits_of_prefix(self.index, scope, block, number, clause.value)
        return search_index.bits(self.index, scope, block, number, event_terms.stored(clause.value))

    def _limits(self, span: Span) -> int:
        """The places of a block that the times and the sequence numbers leave."""
        limits, first = places.ALL, span.block * places.BLOCK
        if self._before is not None and self._before < first + places.BLOCK:
            limits &= places.below(self._before - first)
        if self._removed and self._removed >= first:
            limits &= ~places.below(self._removed - first + 1)
        if self.wanted.since is not None and self.wanted.since >= first:
            limits &= ~places.below(self.wanted.since - first + 1)
        if self._start is not None and self._start > span.first:
            limits &= ~self.clock.earlier(span, self._start)
        if self._end is not None and self._end < span.last:
            limits &= self.clock.earlier(span, self._end + 1)
        return limits

    # a page

    def page(self, limit: int, until: float) -> Answer:
        """The newest `limit` events, as many as are found until then (of time.monotonic)."""
        found = Answer()
        for span in self.spans():
            first = span.block * places.BLOCK
            bits = self.matching(span)
            waiting: list[int] = []
            for place in places.newest_first(bits):
                waiting.append(first + place)
                if len(waiting) == (CHUNK if self.looks else limit + 1):
                    if self._add(found, waiting, limit) or self._stops(found, waiting[-1], until):
                        return found
                    waiting = []
            if waiting and self._add(found, waiting, limit):
                return found
            if self._stops(found, first, until):
                return found
        return found

    def _stops(self, found: Answer, looked_at: int, until: float) -> bool:
        """Whether the time is over; then the answer says how far it looked."""
        if time.monotonic() < until or looked_at <= 1:
            return False
        older = self.clock.time_from(looked_at)
        found.next, found.looked_until = looked_at, datetime.fromtimestamp(older, UTC) if older is not None else None
        return True

    def _add(self, found: Answer, sequences: list[int], limit: int) -> bool:
        """Take events into the answer; whether its page is full and there is another after it."""
        room = limit - len(found.events)
        if not self.looks:
            if room == 0:
                found.next = found.sequences[-1]
                return True
            more, sequences = len(sequences) > room, sequences[:room]
        for sequence, record in self.records(sequences):
            if self.looks and not matches(record, replace(self.wanted, hidden=True)):
                continue
            if len(found.events) == limit:
                found.next = found.sequences[-1]
                return True
            found.events.append(record)
            found.sequences.append(sequence)
        if not self.looks and more:
            found.next = sequences[-1]
            return True
        return False

    def records(self, sequences: list[int]) -> Iterator[tuple[int, Record]]:
        """The records of these numbers, in their order, read now."""
        marks = ", ".join("?" * len(sequences))
        rows = self._store.rows(
            f"SELECT {self._store.columns} FROM {self._store.events} "  # noqa: S608
            f"WHERE event.account = ? AND event.sequence IN ({marks})",
            (self._account_id, *sequences),
        )
        by_number = {row[0]: row for row in rows}
        ordered = [by_number[sequence] for sequence in sequences if sequence in by_number]
        return query.numbered(self._store, ordered)

    def chunks(self, *, oldest_first: bool) -> Iterator[list[int]]:
        """The numbers of all that match, some at a time."""
        for span in self.spans(oldest_first=oldest_first):
            first = span.block * places.BLOCK
            bits = self.matching(span)
            waiting: list[int] = []
            for place in (places.oldest_first if oldest_first else places.newest_first)(bits):
                waiting.append(first + place)
                if len(waiting) == CHUNK:
                    yield self._looked_at(waiting)
                    waiting = []
            if waiting:
                yield self._looked_at(waiting)

    def _looked_at(self, sequences: list[int]) -> list[int]:
        if not self.looks:
            return sequences
        wanted = replace(self.wanted, hidden=True)
        return [sequence for sequence, record in self.records(sequences) if matches(record, wanted)]
