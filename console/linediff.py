"""The difference of two texts line by line, in time close to linear, which difflib by itself does not promise.

Lines that are once in both texts, in the same order, are where they meet; what lies between two such lines is compared by difflib as
far as it is small, and else is all taken out and all put in. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_LONGEST_GAP = 60  # lines that difflib is given on one side
_MOST_WORK = 250_000  # pairs of lines that it compares in all


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`mark` is + (only in the newer), - (only in the older) or a blank."""

    mark: str
    text: str


def difference(older: Sequence[str], newer: Sequence[str]) -> Iterator[DiffLine]:
    work = 0
    old = new = 0
    for old_meets, new_meets in [*_meeting(older, newer), (len(older), len(newer))]:
        gone, come = older[old:old_meets], newer[new:new_meets]
        work += len(gone) * len(come)
        small = max(len(gone), len(come)) <= _LONGEST_GAP and work <= _MOST_WORK
        yield from _compared(gone, come) if small else _replaced(gone, come)
        if old_meets < len(older):
            yield DiffLine(" ", older[old_meets])
        old, new = old_meets + 1, new_meets + 1


def _compared(gone: Sequence[str], come: Sequence[str]) -> Iterator[DiffLine]:
    for what, old, old_end, new, new_end in SequenceMatcher(None, gone, come, autojunk=False).get_opcodes():
        if what == "equal":
            yield from (DiffLine(" ", line) for line in gone[old:old_end])
        else:
            yield from _replaced(gone[old:old_end], come[new:new_end])


def _replaced(gone: Sequence[str], come: Sequence[str]) -> Iterator[DiffLine]:
    yield from (DiffLine("-", line) for line in gone)
    yield from (DiffLine("+", line) for line in come)


def _meeting(older: Sequence[str], newer: Sequence[str]) -> list[tuple[int, int]]:
    """(place in the older, place in the newer) of lines that are in both: those that begin both texts, those that end both, and
    between them the longest row of lines that are once in each."""
    shorter = min(len(older), len(newer))
    start = next((number for number in range(shorter) if older[number] != newer[number]), shorter)
    rest = shorter - start
    end = next((number for number in range(rest) if older[-1 - number] != newer[-1 - number]), rest)
    head = [(number, number) for number in range(start)]
    tail = [(len(older) - number, len(newer) - number) for number in range(end, 0, -1)]
    return head + _longest_row(older, newer, start, end) + tail


def _longest_row(older: Sequence[str], newer: Sequence[str], start: int, end: int) -> list[tuple[int, int]]:
    """The longest rising row among the lines that are once in each (patience sorting)."""
    old_end, new_end = len(older) - end, len(newer) - end
    old_counts, new_counts = Counter(older[start:old_end]), Counter(newer[start:new_end])
    places = {newer[number]: number for number in range(start, new_end)}
    pairs = [
        (number, places[older[number]])
        for number in range(start, old_end)
        if old_counts[older[number]] == 1 == new_counts[older[number]]
    ]
    lowest: list[int] = []  # the lowest place that a row of each length ends at
    ends: list[int] = []  # the pair that it ends with
    before: list[int] = []
    for number, (_old, new) in enumerate(pairs):
        length = bisect_left(lowest, new)
        before.append(ends[length - 1] if length else -1)
        lowest[length : length + 1] = [new]
        ends[length : length + 1] = [number]
    row = []
    number = ends[-1] if ends else -1
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]
