"""A cache that is bounded in size, not in entries: what callers write may be of any length. Those not used for longest go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A look-up takes no lock: each of its steps is one of the interpreter's own."""

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._taken = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        with suppress(KeyError):  # another thread has just taken it out
            self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Something larger than all of the room is not kept."""
        with self._lock:
            before = self._entries.pop(key, None)
            self._taken -= before[1] if before is not None else 0
            if size > self._room:
                return
            self._entries[key] = (value, size)
            self._taken += size
            while self._taken > self._room:
                _key, (_value, freed) = self._entries.popitem(last=False)
                self._taken -= freed

    def __len__(self) -> int:
        return len(self._entries)
