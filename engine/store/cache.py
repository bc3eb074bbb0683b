"""Caches that can never serve what a committed change has made untrue.

A writer records the entities it changes as `Change` rows in its own transaction. Before a call is decided, `synchronise()`
asks the database's change feed whether anything was committed since this process last looked (on SQLite a look at shared memory, see
engine.store.sqlite_changes; on PostgreSQL one query for all requests that ask together, see engine.store.postgresql.changes), reads
the new rows and drops what depends on them, in every worker. A value loaded while its entity changed is used for that one call and
not kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import connection

from engine.store.changes import Apply, ChangeFeed, Read

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST_BESIDE = 200_000  # of some 400 bytes each


class Caches:
    """All caches of this process, and the feed of changes that tells what to drop from them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._caches: list[Cache[Any, Any]] = []
        self._feed: ChangeFeed | None = None
        self._inherited: ChangeFeed | None = None
        self._generation: int | None = None
        self._beside = 0
        os.register_at_fork(after_in_child=self._forget_feed)

    def add(self, cache: Cache[Any, Any]) -> None:
        self._caches.append(cache)

    def remove(self, cache: Cache[Any, Any]) -> None:
        self._caches.remove(cache)

    def synchronise(self) -> None:
        """Drop from every cache what any committed transaction, of any worker, has changed."""
        (self._feed or self._open()).look()

    def _open(self) -> ChangeFeed:
        with self.lock:
            if self._feed is None:
                self._feed = _change_feed(self._apply)
            return self._feed

    def _apply(self, changes_after: Read) -> None:
        with self.lock:
            if (
                self._generation is None
            ):  # first look: what start-up has cached may be older than the rows it leaves out
                for cache in self._caches:
                    cache.clear()
                self._generation = changes_after(None)[-1][0]
                return
            for generation, entity in changes_after(self._generation):
                for cache in self._caches:
                    cache.drop(entity)
                self._generation = generation

    def close(self) -> None:
        """Let go of the database, before workers are forked: the last to do so of what this process has open of it."""
        with self.lock:
            if self._feed is not None:
                self._feed.close()
                self._feed = None

    def _forget_feed(self) -> None:
        """A forked child makes its own, and keeps its parent's unused: it must not close what that opened."""
        self._inherited, self._feed = self._feed, None

    def numbers(self) -> dict[str, tuple[int, int]]:
        """(hits, misses) of each cache."""
        return {cache.name: (cache.hits, cache.misses) for cache in self._caches}

    def clear_all(self) -> None:
        """Forget everything: for a restored database and for tests."""
        with self.lock:
            for cache in self._caches:
                cache.clear()

    def note_beside(self) -> None:
        """Something more is remembered on what a cache holds (a decision on its principal, on its key). When that is too much in all,
        every cache begins anew, and what hung on its values goes with them."""
        self._beside += 1
        if self._beside > MOST_BESIDE:
            self._beside = 0
            self.clear_all()


def _change_feed(apply: Apply) -> ChangeFeed:
    """PostgreSQL's is loaded only where it is used."""
    if connection.vendor == "postgresql":
        from engine.store.postgresql.changes import PostgreSQLChanges

        return PostgreSQLChanges(apply)
    from engine.store.sqlite_changes import SQLiteChanges

    return SQLiteChanges(str(settings.DATABASES["default"]["NAME"]), apply)


class Cache(Generic[K, V]):
    """Values by key, each dropped when one of the entities it was made from changes. Bounded in number and bytes: the oldest go first.

    `weigh` estimates the bytes of a key and its value, `most` is the sum of all.
    """

    def __init__(
        self, name: str, limit: int, *, weigh: Callable[[K, V], int] = lambda key, value: 500, most: int = 64 << 20
    ) -> None:
        self.name, self.hits, self.misses = name, 0, 0
        self.limit, self.most, self.weight = limit, most, 0
        self._weigh = weigh
        self._values: dict[K, V] = {}
        self._made_of: dict[K, tuple[int, tuple[str, ...]]] = {}  # weight, entities
        self._entities: dict[str, set[K]] = {}
        self._drops = 0
        caches.add(self)

    def get(self, key: K, load: Callable[[], tuple[V, Iterable[str]]]) -> V:
        """The value of `key`; `load` returns it with the names of the entities it depends on. What `load` raises is raised."""
        try:
            value = self._values[key]
        except KeyError:
            self.misses += 1
        else:
            self.hits += 1
            return value
        drops = self._drops
        value, entities = load()
        with caches.lock:
            if drops == self._drops and not connection.in_atomic_block:
                self._keep(key, value, tuple(entities))
        return value

    def _keep(self, key: K, value: V, entities: tuple[str, ...]) -> None:
        weight = self._weigh(key, value)
        self._forget(key)
        if weight > self.most:
            return
        while self._values and (len(self._values) >= self.limit or self.weight + weight > self.most):
            self._forget(next(iter(self._values)))
        self._values[key] = value
        self._made_of[key] = (weight, entities)
        self.weight += weight
        for entity in entities:
            self._entities.setdefault(entity, set()).add(key)

    def _forget(self, key: K) -> None:
        """A key that was pushed out leaves nothing behind: its entity may never change."""
        self._values.pop(key, None)
        weight, entities = self._made_of.pop(key, (0, ()))
        self.weight -= weight
        for entity in entities:
            keys = self._entities.get(entity)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._entities[entity]

    def drop(self, entity: str) -> None:
        """Forget what depends on `entity`. Called with the lock of all caches held."""
        self._drops += 1
        for key in tuple(self._entities.get(entity, ())):
            self._forget(key)

    def clear(self) -> None:
        self._drops += 1
        self._values.clear()
        self._made_of.clear()
        self._entities.clear()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._values)


# One for each process.
caches = Caches()
synchronise, close, numbers = caches.synchronise, caches.close, caches.numbers
clear_all, note_beside = caches.clear_all, caches.note_beside
