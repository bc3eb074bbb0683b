"""Which values of some fields each event of a block has, one number for each event: what facets are counted by, in one pass over a block. Pure.

The numbers stand for combinations, since an event may have several values of a field (a call with two keys), and fields of few values are
together in one column. Number 0 is an event that is not there, or has none of the fields.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

import orjson

from engine.trail import places

MOST = 1_000  # combinations in a block; where there are more, the block has no column of these fields
_DENSE = 8  # a column is kept as it is where at least every so-many-th event of its block is in it: it is read faster

Names = Sequence[Sequence[Sequence[str]]]  # the combinations as they are read
Combination = tuple[tuple[str, ...], ...]  # for each field of the column its values


def names_of(text: bytes) -> Names:
    """The combinations that the numbers of a column stand for, from 1 on."""
    found: Names = orjson.loads(text) if text else ()
    return found


def numbers_of(packed: bytes, combinations: int) -> bytes | array[int]:
    text = zlib.decompress(packed) if packed else b""
    return text if combinations < 256 else array("H", text)  # numbers of one byte are where there are so few


def extended(names: bytes, packed: bytes, new: Iterable[tuple[int, Combination]]) -> tuple[bytes, bytes] | None:
    """A column, two times b"" for one that is not there yet, with the combinations of further places; None if they are too many."""
    combinations = names_of(names)
    numbers = array("H", list(numbers_of(packed, len(combinations))))
    known = {tuple(tuple(values) for values in each): number for number, each in enumerate(combinations, start=1)}
    for place, combination in new:
        if len(numbers) <= place:
            numbers.extend([0] * (place + 1 - len(numbers)))
        numbers[place] = known.setdefault(combination, len(known) + 1)
    if len(known) > MOST:
        return None
    text = bytes(numbers.tolist()) if len(known) < 256 else numbers.tobytes()
    dense = (len(numbers) - numbers.count(0)) * _DENSE >= len(numbers)
    return orjson.dumps(list(known)), zlib.compress(text, 0 if dense else 1)


class Selected:
    """Some events of a block, to be counted in several columns."""

    def __init__(self, bits: int) -> None:
        self._places = places.listed(bits)  # to pick them is several times as fast as to tell them from all others

    def count(self, numbers: bytes | array[int]) -> Counter[int]:
        """Number of a combination → how many of these events have it."""
        inside = self._places[: bisect_left(self._places, len(numbers))]
        if len(inside) < 2:
            return Counter(number for place in inside if (number := numbers[place]))
        found = Counter(itemgetter(*inside)(numbers))
        del found[0]
        return found


def by_value(counted: Iterable[tuple[int, int]], combinations: Names, field: int) -> Counter[str]:
    """Value of a field, by its place in the combinations, → how many events have it, of (number of a combination, events)."""
    found: Counter[str] = Counter()
    for number, events in counted:
        for value in combinations[number - 1][field]:
            found[value] += events
    return found
