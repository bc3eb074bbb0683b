"""Caches that can never serve what a committed change has made untrue.

A writer records the entities it changes as `Change` rows in its own transaction. Before a call is decided, `synchronise()`
asks the database whether anything was committed since this process last looked (on SQLite a look at shared memory, see
engine.store.walindex; on PostgreSQL one query for all requests that ask together), reads the new rows and drops what depends on
them, in every worker. A value loaded while its entity changed is used for that one call and not kept.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from django.conf import settings
from django.db import connection

from engine.store.walindex import WalIndex

if TYPE_CHECKING:
    from engine.store.postgresql.changes import Turns, Watch

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_caches: list[Cache] = []  # type: ignore[type-arg]
_lock = threading.Lock()
_generation = -1
_local = threading.local()


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
        _caches.append(self)

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
        with _lock:
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
        """Forget what depends on `entity`. Called with the module's lock held."""
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


def synchronise() -> None:
    """Drop from every cache of this process what any committed transaction, of any worker, has changed."""
    global _seen
    index = _wal_index
    if index is None:
        if connection.vendor == "postgresql":
            _synchronise_with_nodes()
            return
        index = _watch()
    header = index.header()
    if header != _seen:
        _apply(_read_changes_beside)
        _seen = header  # read before the changes were: what is committed meanwhile differs from it again


_wal_index: WalIndex | None = None
_seen = b""


def _watch() -> WalIndex:
    global _wal_index, _seen
    with _lock:
        if _wal_index is None:
            _seen = b""
            _wal_index = WalIndex(str(settings.DATABASES["default"]["NAME"]))
        return _wal_index


def close() -> None:
    """Let go of the database, before workers are forked: the last to do so of what this process has open of it."""
    global _wal_index
    checker: sqlite3.Connection | None = getattr(_local, "checker", None)
    if checker is not None:
        checker.close()
        del _local.checker
    with _lock:
        if _wal_index is not None:
            _wal_index.close()
            _wal_index = None


def _forget() -> None:
    global _wal_index, _inherited
    _inherited, _wal_index = _wal_index, None


_inherited: WalIndex | None = None  # kept unused: a child must not close what its parent opened


os.register_at_fork(after_in_child=_forget)  # a forked child maps its own


def _synchronise_with_nodes() -> None:
    watch, turns = _shared()
    turns.take(lambda: _apply(lambda after: watch.after(None if after == _LATEST else after)))
    if getattr(_local, "breaks", 0) != watch.breaks and not connection.in_atomic_block:
        connection.close()  # the database was restarted: this thread's connection is of no use any more
        _local.breaks = watch.breaks


def numbers() -> dict[str, tuple[int, int]]:
    """(hits, misses) of each cache of this process."""
    return {cache.name: (cache.hits, cache.misses) for cache in _caches}


def clear_all() -> None:
    """Forget everything: for a restored database and for tests."""
    with _lock:
        for cache in _caches:
            cache.clear()


def note_beside() -> None:
    """Something more is remembered on what a cache holds (a decision on its principal, on its key). When that is too much in all, every
    cache begins anew, and what hung on its values goes with them."""
    global _beside
    _beside += 1
    if _beside > MOST_BESIDE:
        _beside = 0
        clear_all()


MOST_BESIDE = 200_000  # of some 400 bytes each
_beside = 0

_LATEST = -1
_CHANGES = "SELECT id, entity FROM store_change WHERE id > ? ORDER BY id"
_LAST_CHANGE = "SELECT coalesce(max(id), 0), '' FROM store_change"


def _query(after: int) -> tuple[str, tuple[int, ...]]:
    return (_LAST_CHANGE, ()) if after == _LATEST else (_CHANGES, (after,))


def _read_changes_beside(after: int) -> list[tuple[int, str]]:
    """By a connection of this thread's own, which no open transaction of Django's keeps on an older snapshot."""
    try:
        checker = _local.checker
    except AttributeError:
        database = settings.DATABASES["default"]["NAME"]
        checker = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None, timeout=20)
        _local.checker = checker
    found: list[tuple[int, str]] = checker.execute(*_query(after)).fetchall()
    return found


@functools.cache
def _shared() -> tuple[Watch, Turns]:
    """PostgreSQL's side of `synchronise`, loaded only where it is used."""
    from engine.store.postgresql.changes import Turns, Watch

    return Watch(), Turns()


def _apply(changes_after: Callable[[int], list[tuple[int, str]]]) -> None:
    global _generation
    with _lock:
        if (
            _generation < 0
        ):  # first look of this process: what start-up has cached may be older than the rows it leaves out
            for cache in _caches:
                cache.clear()
            _generation = changes_after(_LATEST)[-1][0]
            return
        for generation, entity in changes_after(_generation):
            for cache in _caches:
                cache.drop(entity)
            _generation = generation
