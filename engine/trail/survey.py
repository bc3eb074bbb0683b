"""How many events match a search, by what they could be narrowed further, and when they happened: counted on the search index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property

from engine.trail import event_terms, facet_index, search_index
from engine.trail.event_search import FACETS, Answer, Facet, Interval, Record
from engine.trail.search_question import Question
from engine.trail.times import Span

SAMPLE = 500  # events that are read to be grouped, where they are so few or the index cannot group them
INTERVALS = 60
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    1, 5, 10, 30, _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
    _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY, 3_640 * _DAY,
)  # fmt: skip


class _Matching:
    """What matches in a block: of a term that is all that is asked, numbers are kept, and the events are looked for where that is not enough."""

    def __init__(self, question: Question, span: Span) -> None:
        self.span, self._question, self._index = span, question, question.index
        self._term = question.term(span)

    @cached_property
    def bits(self) -> int:
        return self._question.matching(self.span)

    @cached_property
    def number(self) -> int:
        if self._term is None:
            return self.bits.bit_count()
        return sum(self._number(scope) for scope in self._scopes)

    @property
    def left_out(self) -> int:
        if self._term is None:
            return self._question.left_out(self.span).bit_count()
        return 0 if self._question.wanted.hidden else self._number(self._question.hidden)

    @property
    def _scopes(self) -> tuple[int | None, ...]:
        question = self._question
        return (question.shown, question.hidden) if question.wanted.hidden else (question.shown,)

    def _number(self, scope: int | None) -> int:
        if scope is None or self._term is None:
            return 0
        return search_index.number(self._index, scope, self.span.block, *self._term)

    def counts(self) -> list[facet_index.Counts]:
        """For each scope that has events of it: field → value → how many events have it."""
        found, block = [], self.span.block
        for scope in self._scopes:
            if scope is None:
                continue
            if self._term is not None:
                if not self._number(scope):
                    continue
                if kept := facet_index.kept(self._index, scope, block, *self._term):
                    found.append(kept)
                    continue
            of_scope = search_index.bits(self._index, scope, block, search_index.ALL)
            if bits := self.bits & of_scope:
                found.append(facet_index.count(self._index, scope, block, bits, of_scope))
        return found


def add(found: Answer, question: Question, until: float) -> None:
    """Put totals, facets and histogram into an answer, as far as the time goes (until then, of time.monotonic)."""
    if question.looks:
        sample = question.page(SAMPLE, until)
        found.total, found.whole = len(sample.events), sample.next is None
        _of_records(found, sample.events)
        return
    began = time.monotonic()
    matching: list[_Matching] = []
    for span in question.spans():
        block = _Matching(question, span)
        found.total += block.number
        found.hidden += block.left_out
        if block.number:
            matching.append(block)
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


def _facets(question: Question, matching: list[_Matching], found: Answer, until: float) -> dict[str, Facet]:
    clauses = (each for each in question.wanted.clauses if not each.prefix and each.value != event_terms.ANY_ERROR)
    chosen = {each.field: each.value for each in clauses}
    facets = {name: Facet(((chosen[name], found.total),), found.whole) for name in FACETS if name in chosen}
    numbers = {name: Counter[str]() for name in FACETS if name not in chosen}
    too_many: set[str] = set()
    whole = found.whole
    for block in matching:
        for counts in block.counts():
            for name in numbers:
                if name in counts:
                    numbers[name] += counts[name]
                else:
                    too_many.add(name)
        if time.monotonic() > until:
            whole = whole and block is matching[-1]
            break
    if too_many:
        newest = question.page(SAMPLE, time.monotonic() + 0.05).events
        numbers |= {name: _values(name, newest) for name in too_many}
    facets |= {name: _facet(counted, whole and name not in too_many) for name, counted in numbers.items()}
    return {name: facets[name] for name in FACETS}


def _histogram(question: Question, matching: list[_Matching], found: Answer, until: float) -> tuple[Interval, ...]:
    wanted = question.wanted
    first, last = min(each.span.first for each in matching), max(each.span.last for each in matching)
    if wanted.start is not None:
        first = max(first, int(wanted.start.timestamp()))
    if wanted.end is not None:
        last = min(last, int(wanted.end.timestamp()))
    step, begin, number = _axis(first, max(first, last))
    numbers = [0] * number
    for block in matching:
        span = block.span
        if time.monotonic() > until:
            found.charted = False
            break
        low = max(0, (span.first - begin) // step)
        high = min(number - 1, (span.last - begin) // step)
        counted = 0
        for place in range(low, high):
            earlier = (block.bits & question.clock.earlier(span, begin + (place + 1) * step)).bit_count()
            numbers[place] += earlier - counted
            counted = earlier
        numbers[high] += block.number - counted
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
