"""Results of a pure function, remembered for what callers send again and again, and bounded in bytes whoever calls.

An argument is looked up at the speed of a dict. Only a short one is remembered, so `entries` × `longest` bounds what all of them hold;
where arguments may be long `total` does. Texts are counted in characters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(dict[K, V]):
    """`remembered[argument]` is `compute(argument)`. An argument of a size beyond `longest` is never kept; what is full begins anew."""

    def __init__(
        self,
        compute: Callable[[K], V],
        *,
        entries: int,
        longest: int,
        total: int | None = None,
        size: Callable[[K], int] | None = None,
    ) -> None:
        super().__init__()
        self.compute, self.entries, self.longest, self.size = compute, entries, longest, size or texts
        self.total = entries * longest if total is None else total
        self.held = 0

    def __missing__(self, argument: K) -> V:
        value = self.compute(argument)
        size = self.size(argument)
        if size <= self.longest:
            if len(self) >= self.entries or self.held + size > self.total:
                self.clear()  # at once: taking the oldest away one by one costs more than computing anew what is still used
                self.held = 0
            self[argument] = value
            self.held += size
        return value


def texts(argument: object) -> int:
    """The characters of a tuple of texts, and of tuples of texts within it."""
    if isinstance(argument, str | bytes):
        return len(argument)
    if isinstance(argument, tuple | frozenset):
        return sum(map(texts, argument))
    return 0
