"""What the search index keeps for facets: for each block the columns of their fields (engine.trail.columns), and, once the block is full,
how many events of each value there are among all its events, and among those of each term that many of them have.

So a search for one such term adds up numbers, a row for a block; of any other the columns of the block are counted.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.trail import columns, places
from engine.trail.columns import Combination, Names

TABLES = {
    "facet_column": "scope INTEGER NOT NULL, block INTEGER NOT NULL, number INTEGER NOT NULL, names BLOB NOT NULL, numbers BLOB NOT NULL, "
    "PRIMARY KEY (scope, block, number)",
    # `counts`: for each combination of each column, in their order
    "facet_count": "scope INTEGER NOT NULL, block INTEGER NOT NULL, field INTEGER NOT NULL, value TEXT NOT NULL, counts BLOB NOT NULL, "
    "PRIMARY KEY (scope, block, field, value)",
}
COLUMNS = (("kind", "operation", "error"), ("user",), ("key",), ("source",))
EVERYTHING = (0, "")  # the term of all events: the number of its field, and its value
MANY = 2_048  # events of a block from which on a term's numbers are kept

# Field → value → how many events have it; a field that has too many values in the block is not there.
Counts = dict[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class _Column:
    names: Names
    numbers: bytes | array[int]


# --- indexing


def extend(index: sqlite3.Connection, scope: int, block: int, new: Mapping[int, list[tuple[int, Combination]]]) -> None:
    """Put the combinations of further places into the columns of a block, by the column's number."""
    sql = "SELECT number, names, numbers FROM facet_column WHERE scope = ? AND block = ?"
    stored = {number: (names, packed) for number, names, packed in index.execute(sql, (scope, block))}
    rows = []
    for number, of_column in new.items():
        names, packed = stored.get(number, (b"", b""))
        if of_column and (names or number not in stored):
            rows.append((scope, block, number, *(columns.extended(names, packed, of_column) or (b"", b""))))
    index.executemany("INSERT OR REPLACE INTO facet_column VALUES (?, ?, ?, ?, ?)", rows)


def seal(index: sqlite3.Connection, scope: int, block: int, no_terms: int) -> None:
    """Keep the numbers of a block to which no event is added any more. The rows of the field `no_terms` are of something else."""
    sql = (
        "SELECT field, value, events, places FROM term WHERE scope = ? AND block = ? AND field <> ? "  # noqa: S608
        f"AND (events >= {MANY} OR field = {EVERYTHING[0]})"
    )
    rows = index.execute(sql, (scope, block, no_terms))
    terms = {(field, value): places.unpacked(events, text) for field, value, events, text in rows}
    if EVERYTHING not in terms:  # no event of the block can be read
        return
    found, of_scope = _columns(index, scope, block), terms[EVERYTHING]
    of_all = _counted(found, of_scope)
    kept_rows = []
    for term, bits in terms.items():
        counts = _fewer(found, bits, of_scope, of_all)
        kept_rows.append((scope, block, *term, _packed(found, counts)))
    index.executemany("INSERT OR REPLACE INTO facet_count VALUES (?, ?, ?, ?, ?)", kept_rows)


def _fewer(
    found: dict[int, _Column], bits: int, of_scope: int, of_all: dict[int, Counter[int]]
) -> dict[int, Counter[int]]:
    """Numbers of combinations among some events; where they are most of all, what the others have is taken from what all have."""
    others = of_scope & ~bits
    if others.bit_count() >= bits.bit_count():
        return _counted(found, bits)
    without = _counted(found, others)
    return {number: of_all[number] - without[number] for number in of_all}


def _counted(found: dict[int, _Column], bits: int) -> dict[int, Counter[int]]:
    selected = columns.Selected(bits)
    return {number: selected.count(column.numbers) for number, column in found.items()}


def _packed(found: dict[int, _Column], counts: dict[int, Counter[int]]) -> bytes:
    numbers = array("I")
    for number, column in found.items():
        of_column = counts[number]
        numbers.extend(of_column[place] for place in range(1, len(column.names) + 1))
    return zlib.compress(numbers.tobytes(), 1)


def _columns(index: sqlite3.Connection, scope: int, block: int) -> dict[int, _Column]:
    sql = "SELECT number, names, numbers FROM facet_column WHERE scope = ? AND block = ? ORDER BY number"
    found = {}
    for number, text, packed in index.execute(sql, (scope, block)):
        if names := columns.names_of(text):
            found[number] = _Column(names, columns.numbers_of(packed, len(names)))
    return found


# --- reading


def kept(index: sqlite3.Connection, scope: int, block: int, field: int, value: str) -> Counts | None:
    """The numbers that are kept of a term in a full block; None where they are not."""
    stored = _kept(index, scope, block, field, value)
    if stored is None:
        return None
    sql = "SELECT number, names FROM facet_column WHERE scope = ? AND block = ? ORDER BY number"
    at, counts = 0, Counts()
    for number, text in index.execute(sql, (scope, block)):
        names = columns.names_of(text)
        of_column = stored[at : at + len(names)]
        at += len(names)
        if names:
            counts |= _by_field(number, names, enumerate(of_column, start=1))
    return counts


def _kept(index: sqlite3.Connection, scope: int, block: int, field: int, value: str) -> array[int] | None:
    sql = "SELECT counts FROM facet_count WHERE scope = ? AND block = ? AND field = ? AND value = ?"
    row = index.execute(sql, (scope, block, field, value)).fetchone()
    return array("I", zlib.decompress(row[0])) if row else None


def count(index: sqlite3.Connection, scope: int, block: int, bits: int, of_scope: int) -> Counts:
    """The numbers among some events of a block, by its columns."""
    found = _columns(index, scope, block)
    others = of_scope & ~bits
    stored = _kept(index, scope, block, *EVERYTHING) if others.bit_count() < bits.bit_count() else None
    counted: dict[int, Counter[int]]
    if stored is None:
        counted = _counted(found, bits)
    else:
        counted, at = {}, 0
        for number, without in _counted(found, others).items():
            size = len(found[number].names)
            counted[number] = Counter(dict(enumerate(stored[at : at + size], start=1))) - without
            at += size
    counts = Counts()
    for number, of_column in counted.items():
        counts |= _by_field(number, found[number].names, of_column.items())
    return counts


def _by_field(number: int, names: Names, counted: Iterable[tuple[int, int]]) -> Counts:
    numbers = [each for each in counted if each[1]]
    return {field: columns.by_value(numbers, names, place) for place, field in enumerate(COLUMNS[number])}
