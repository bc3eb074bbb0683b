"""The changes other transactions committed, read from PostgreSQL once for all requests of a process that ask at the same time.

Change numbers are given under the write lock and the lock is held until the commit is visible (engine.store.transaction), so
numbers become visible in order: nothing below the highest number read can appear later. A look is a query of about 0.1 ms; a
request joins one that began after it came, never one that was under way, and so sees every change answered before it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import psycopg
from django.db import connection

from engine.store.changes import Apply, Changes
from engine.store.postgresql.base import Connection, connect

_LAST = "SELECT coalesce(max(id), 0), '' FROM store_change"
_AFTER = "SELECT id, entity FROM store_change WHERE id > %s ORDER BY id"


class PostgreSQLChanges:
    """A look is a query, one for all that look together."""

    def __init__(self, apply: Apply) -> None:
        self._apply, self._watch, self._turns = apply, Watch(), Turns()
        self._threads = threading.local()

    def look(self) -> None:
        self._turns.take(lambda: self._apply(self._watch.after))
        breaks = self._watch.breaks
        if getattr(self._threads, "breaks", 0) != breaks and not connection.in_atomic_block:
            connection.close()  # the database was restarted: this thread's connection is of no use any more
            self._threads.breaks = breaks

    def close(self) -> None:
        self._watch.close()


class Watch:
    """One connection of this process that reads change rows; reconnects once by itself when the server was restarted.

    `breaks` counts how often its connection was lost: other connections of this process were lost then too.
    """

    def __init__(self) -> None:
        self.breaks = 0
        self._connection: Connection | None = None
        self._process = 0

    def after(self, generation: int | None) -> Changes:
        """(number, entity) of each change after `generation`, or the last number alone for None. Raises psycopg.Error."""
        try:
            return self._read(generation)
        except psycopg.OperationalError:
            fresh = self._connection is None
            self.breaks += 1
            self.close()
            if fresh:
                raise
            return self._read(generation)

    def _read(self, generation: int | None) -> Changes:
        if self._connection is None or self._process != os.getpid():
            self._connection = None
            made = connect()
            self._connection, self._process = made, os.getpid()
        if generation is None:
            return self._connection.execute(_LAST).fetchall()
        return self._connection.execute(_AFTER, (generation,)).fetchall()

    def close(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None


class Turns:
    """Runs `look` for callers that come together: each returns after a look that began when it was already waiting."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._begun = 0
        self._done = 0

    def take(self, look: Callable[[], None]) -> None:
        wanted = self._begun + 1
        with self._turn:
            if self._done >= wanted:
                return
            self._begun += 1
            look()
            self._done = self._begun
