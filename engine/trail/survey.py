"""How many events match a search, by what they could be narrowed further, and when they happened: counted on the search index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from engine.trail import columns, event_terms, places, search_index
from engine.trail.event_search import FACETS, Answer, Facet, Interval, Record
from engine.trail.search_question import Question
from engine.trail.times import Span

SAMPLE = 500  # events that are read to be grouped, where they are so few or the index cannot group them
_MOST_VALUES = 500  # of a facet in a block; where there are more, only the newest events are grouped
INTERVALS = 60
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    1, 5, 10, 30, _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
    _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY, 3_640 * _DAY,
)  # fmt: skip

_Matching = list[tuple[Span, int]]


def add(found: Answer, question: Question, until: float) -> None:
    """Put totals, facets and histogram into an answer, as far as the time goes (until then, of time.monotonic)."""
    if question.looks:
        sample = question.page(SAMPLE, until)
        found.total, found.whole = len(sample.events), sample.next is None
        _of_records(found, sample.events)
        return
    began = time.monotonic()
    matching: _Matching = []
    for span in question.spans():
        bits, hidden = question.matching(span)
        found.total += bits.bit_count()
        found.hidden += hidden.bit_count()
        if bits:
            matching.append((span, bits))
        if time.monotonic() > began + (until - began) * 0.5:
            found.whole = False
            break
    if found.total <= SAMPLE:
        sample = question.page(SAMPLE, until)
        _of_records(found, sample.events)
        return
    found.facets = _facets(question, matching, found, began + (until - began) * 0.75)
    found.histogram = _histogram(question, matching, found, until)


def _of_records(found: Answer, records: list[Record]) -> None:
    found.facets = {name: _facet(_values(name, records), found.whole) for name in FACETS}
    times = [event_terms.moment(record) for record in records]
    if not times:
        return
    step, begin, number = _axis(min(times), max(times))
    numbers = Counter((moment - begin) // step for moment in times)
    found.histogram = _intervals(begin, step, [numbers[place] for place in range(number)])


def _values(name: str, records: Iterable[Record]) -> Counter[str]:
    of_field = event_terms.FIELDS[name]
    return Counter(value for record in records for value in set(of_field(record)) if value)


def _facet(numbers: Counter[str], whole: bool) -> Facet:
    numbers.pop(event_terms.ANY_ERROR, None)
    return Facet(tuple(sorted(numbers.items(), key=lambda each: (-each[1], each[0]))), whole)


def _facets(question: Question, matching: _Matching, found: Answer, until: float) -> dict[str, Facet]:
    chosen = {clause.field: clause.value for clause in question.wanted.clauses if not clause.prefix}
    facets = {name: Facet(((chosen[name], found.total),), found.whole) for name in FACETS if name in chosen}
    numbers = {name: Counter[str]() for name in FACETS if name not in chosen}
    too_many: set[str] = set()
    whole = found.whole
    for span, bits in matching:
        block = _Block(question, span, bits)
        for name in numbers:
            if name not in too_many and not block.count(name, numbers[name]):
                too_many.add(name)
        if time.monotonic() > until:
            whole = whole and (span, bits) == matching[-1]
            break
    if too_many:
        newest = question.page(SAMPLE, time.monotonic() + 0.05).events
        numbers |= {name: _values(name, newest) for name in too_many}
    facets |= {name: _facet(counted, whole and name not in too_many) for name, counted in numbers.items()}
    return {name: facets[name] for name in FACETS}


@dataclass(frozen=True)
class _Part:
    """Some events of a block and of one scope: those that match, and those that do not."""

    scope: int
    matching: int
    others: int

    @property
    def counts_others(self) -> bool:
        """Whether what does not match is fewer: of all values their numbers are known, and that is taken from them."""
        return self.others.bit_count() < self.matching.bit_count()

    @cached_property
    def counted(self) -> int:
        return self.others if self.counts_others else self.matching

    @cached_property
    def flagged(self) -> bytes:
        return places.flags(self.counted)


class _Block:
    """Some events of a block, to count the values of their fields."""

    def __init__(self, question: Question, span: Span, bits: int) -> None:
        self._index, self._block = question.index, span.block
        scopes = (question.shown, question.hidden) if question.wanted.hidden else (question.shown,)
        self._parts = []
        for scope in scopes:
            of_scope = search_index.bits(self._index, scope, span.block, search_index.ALL) if scope is not None else 0
            if scope is not None and bits & of_scope:
                self._parts.append(_Part(scope, bits & of_scope, of_scope & ~bits))

    def count(self, name: str, numbers: Counter[str]) -> bool:
        """Add the values of a field; false if it has too many to count."""
        field = search_index.NUMBERS[name]
        for part in self._parts:
            of_scope = search_index.numbers(self._index, part.scope, self._block, field, _MOST_VALUES)
            if of_scope is None:
                return False
            if part.counts_others:
                others = self._among(part, name, field) if part.others else {}
                counted = {value: events - others.get(value, 0) for value, events in of_scope}
            else:
                counted = self._among(part, name, field)
            for value, events in counted.items():
                if events:
                    numbers[value] += events
        return True

    def _among(self, part: _Part, name: str, field: int) -> dict[str, int]:
        if column := search_index.column(self._index, part.scope, self._block, name):
            return columns.count(column, part.flagged)
        return {
            value: (part.counted & places.unpacked(events, text)).bit_count()
            for value, events, text in search_index.values(self._index, part.scope, self._block, field)
        }


def _histogram(question: Question, matching: _Matching, found: Answer, until: float) -> tuple[Interval, ...]:
    wanted = question.wanted
    first, last = min(span.first for span, _ in matching), max(span.last for span, _ in matching)
    if wanted.start is not None:
        first = max(first, int(wanted.start.timestamp()))
    if wanted.end is not None:
        last = min(last, int(wanted.end.timestamp()))
    step, begin, number = _axis(first, max(first, last))
    numbers = [0] * number
    for span, bits in matching:
        if time.monotonic() > until:
            found.charted = False
            break
        low = max(0, (span.first - begin) // step)
        high = min(number - 1, (span.last - begin) // step)
        counted = 0
        for place in range(low, high):
            earlier = (bits & question.clock.earlier(span, begin + (place + 1) * step)).bit_count()
            numbers[place] += earlier - counted
            counted = earlier
        numbers[high] += bits.bit_count() - counted
    return _intervals(begin, step, numbers)


def _axis(first: int, last: int) -> tuple[int, int, int]:
    """(seconds of an interval, when the first begins, how many), so that both times are in one and there are not too many."""
    for step in _STEPS:
        begin = first - first % step
        number = (last - begin) // step + 1
        if number <= INTERVALS:
            break
    return step, begin, number


def _intervals(begin: int, step: int, numbers: list[int]) -> tuple[Interval, ...]:
    edges = [datetime.fromtimestamp(begin + step * place, UTC) for place in range(len(numbers) + 1)]
    return tuple(Interval(edges[place], edges[place + 1], each) for place, each in enumerate(numbers))
