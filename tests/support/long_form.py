"""What `make test` runs of a test with many cases of one kind. `make walks` (LONG_FORM=1) runs all of them.

The chosen cases are the same each time. What each test leaves to the long form is said in its docstring or beside its cases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import TypeVar
from zlib import crc32

LONG = bool(os.environ.get("LONG_FORM"))
Case = TypeVar("Case")


def one_in(number: int, cases: Iterable[Case], first: int = 0) -> Iterator[Case]:
    """Every so-many-th case, beginning with the one at `first`, in the order they stand: kinds that follow each other are all met."""
    return iter(cases) if LONG else islice(cases, first % number, None, number)


def covering(cases: Iterable[Case], *kinds: Callable[[Case], Hashable]) -> list[Case]:
    """As few cases as meet each value of each of `kinds`, spread over everything else that a case says."""
    listed = list(cases)
    if LONG:
        return listed
    seen: set[tuple[int, Hashable]] = set()
    chosen = []
    for case in sorted(listed, key=lambda each: crc32(repr(each).encode())):
        here = {(number, kind(case)) for number, kind in enumerate(kinds)}
        if here - seen:
            seen |= here
            chosen.append(case)
    return sorted(chosen, key=listed.index)


def examples(few: int, many: int) -> int:
    """How many examples hypothesis makes."""
    return many if LONG else few
