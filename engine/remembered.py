"""Results of a pure function, remembered for what callers send again and again, and bounded in bytes whoever calls.

An argument is looked up at the speed of a dict. Only a short one is remembered, so `entries` × `longest` bounds what all of them hold.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(dict[K, V]):
    """`remembered[argument]` is `compute(argument)`. `size` of an argument beyond `longest` is never kept; when it is full it begins anew."""

    def __init__(
        self,
        compute: Callable[[K], V],
        *,
        entries: int,
        longest: int,
        size: Callable[[K], int] = len,  # type: ignore[assignment]
    ) -> None:
        super().__init__()
        self.compute, self.entries, self.longest, self.size = compute, entries, longest, size

    def __missing__(self, argument: K) -> V:
        value = self.compute(argument)
        if self.size(argument) <= self.longest:
            if len(self) >= self.entries:
                self.clear()  # at once: taking the oldest away one by one costs more than computing anew what is still used
            self[argument] = value
        return value


def texts(argument: object) -> int:
    """The characters of a tuple of texts, and of tuples of texts within it."""
    if isinstance(argument, str | bytes):
        return len(argument)
    if isinstance(argument, tuple | frozenset):
        return sum(map(texts, argument))
    return 0
