"""Many patterns on many texts at once: which of the texts does any of the patterns match?

One by one it would take patterns × texts, and a caller may write thousands of both. Here all texts are one row of characters, and a
pattern goes over all of it at the same time. What it has matched so far is a number: bit 5 is set if that can end before character 5.
A plain character is one `&` and one shift, `?` too, and `*` one addition, whose carries run on to where the text ends. So it takes
as long as the patterns are written, times the row's length in words of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.iam.patterns import Glob, Segment, places_of

_END, _WALL = (
    "\ud800",
    "\ud801",
)  # after each text, and between its parts: half characters, which no policy holds (policy.is_unicode)
_NO_HALVES = {0xD800: "\ufffd", 0xD801: "\ufffd"}
_LONG = 16  # characters of a run worth remembering where it is

Pattern = Sequence[Glob]  # of a text's parts, as many as it has: no wildcard goes beyond its part


def matched(patterns: Iterable[Pattern], texts: Iterable[Sequence[str]]) -> list[bool]:
    """For each text, given as its parts, whether a pattern matches the whole of it."""
    return _Texts([_WALL.join([part.translate(_NO_HALVES) for part in parts]) for parts in texts]).matched(patterns)


class _Texts:
    def __init__(self, texts: Sequence[str]) -> None:
        self.row = _END.join(texts) + _END
        self._places = places_of(self.row)
        self._runs: dict[str, int] = {}
        ends, at = [], -1
        for text in texts:
            at += len(text) + 1
            ends.append(at)
        self._ends = ends
        self.end = self._places[_END]
        self._begin = (self.end << 1 | 1) & ((1 << len(self.row)) - 1)
        self._inside = ((1 << len(self.row)) - 1) & ~(self.end | self._places[_WALL])

    def matched(self, patterns: Iterable[Pattern]) -> list[bool]:
        found = 0
        known: list[tuple[Glob, int]] = []  # the parts of the pattern before this one, and how far each came
        for pattern in patterns:
            state = self._begin
            for number, part in enumerate(pattern):
                if number < len(known) and known[number][0] is part:
                    state = known[number][1]
                    continue
                del known[number:]
                if number:
                    state = (state & self._places[_WALL]) << 1
                state = self._glob(part, state)
                known.append((part, state))
                if not state:
                    break
            found |= state & self.end
            if found == self.end:
                break
        bits = found.to_bytes(len(self.row) // 8 + 1, "little")
        return [bool(bits[at >> 3] >> (at & 7) & 1) for at in self._ends]

    def _glob(self, pattern: Glob, state: int) -> int:
        if pattern.first.length:
            state = self._segment(pattern.first, state)
        if pattern.last is None:
            return state
        for segment in (*pattern.middle, pattern.last):
            if not state:
                break
            state |= (self._inside + (state & self._inside)) ^ self._inside  # as far on as there is text
            if segment.gap:
                state = self._any(state, segment.gap)
            if segment.length:
                state = self._segment(segment, state)
        return state

    def _segment(self, segment: Segment, state: int) -> int:
        at = 0
        for offset, run in segment.runs:
            if offset > at:
                state = self._any(state, offset - at)
            state = self._run(run, state)
            at = offset + len(run)
        return self._any(state, segment.length - at) if segment.length > at else state

    def _any(self, state: int, number: int) -> int:
        while number and state:
            state = (state & self._inside) << 1
            number -= 1
        return state

    def _run(self, run: str, state: int) -> int:
        if len(run) < _LONG:
            return self._through(run, state)
        found = self._runs.get(run)
        if found is None:
            found = self._runs[run] = self._through(run, -1) >> len(run)
        return (state & found) << len(run)

    def _through(self, run: str, state: int) -> int:
        for character in run:
            state = (state & self._places[character]) << 1
            if not state:
                break
        return state
