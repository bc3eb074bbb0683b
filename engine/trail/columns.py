"""Which values of a field each event of a block has, one number for each event: what facets are counted by, in one pass over a block. Pure.

Events of most fields have one value, some have several (a call with two keys): the numbers stand for combinations.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import compress

import orjson

MOST = 1_000  # combinations in a block; a field that has more there has no column
_LOW = 0 if sys.byteorder == "little" else 1  # the place of a number's lower byte

Combination = tuple[str, ...]


def extended(packed: bytes, new: Iterable[tuple[int, Combination]]) -> bytes | None:
    """A column, b"" for one that is not there yet, with the combinations of further places; None if they are too many."""
    combinations, numbers = _read(packed) if packed else ([], array("H"))
    known = {combination: number for number, combination in enumerate(combinations, start=1)}
    for place, combination in new:
        if len(numbers) <= place:
            numbers.extend([0] * (place + 1 - len(numbers)))
        numbers[place] = known.setdefault(combination, len(known) + 1)
    if len(known) > MOST:
        return None
    return zlib.compress(orjson.dumps(list(known)) + b"\0" + numbers.tobytes(), 1)  # JSON has no zero byte


def count(packed: bytes, flagged: bytes) -> Counter[str]:
    """Value → how many of the events that are flagged (engine.trail.places.flags) have it."""
    names, _zero, text = zlib.decompress(packed).partition(b"\0")
    combinations: list[Combination] = orjson.loads(names)
    # Numbers of one byte are counted faster: those of a byte are all there is where there are so few combinations.
    numbers = text[_LOW::2] if len(combinations) < 256 else array("H", text)
    found: Counter[str] = Counter()
    for number, events in Counter(compress(numbers, flagged)).items():
        if number:
            for value in combinations[number - 1]:
                found[value] += events
    return found


def _read(packed: bytes) -> tuple[list[Combination], array[int]]:
    names, _zero, numbers = zlib.decompress(packed).partition(b"\0")
    return [tuple(each) for each in orjson.loads(names)], array("H", numbers)
