"""The changes other transactions committed, read from SQLite when its WAL index says that anything was (engine.store.walindex)."""

from __future__ import annotations

import sqlite3
import threading

from engine.store.changes import Apply, Changes
from engine.store.walindex import HEADERS, WalIndex

_LAST = "SELECT coalesce(max(id), 0), '' FROM store_change"
_AFTER = "SELECT id, entity FROM store_change WHERE id > ? ORDER BY id"


class SQLiteChanges:
    """A look is at shared memory: no system call, no query while nothing was committed."""

    def __init__(self, database: str, apply: Apply) -> None:
        self._database, self._apply = database, apply
        self._index = WalIndex(database)
        self._memory = self._index.memory
        self._seen = b""
        self._threads = threading.local()

    def look(self) -> None:
        header = self._memory[HEADERS]
        if header != self._seen:
            self._apply(self._after)
            self._seen = header  # read before the changes were: what is committed meanwhile differs from it again

    def _after(self, number: int | None) -> Changes:
        """By a connection of this thread's own, which no open transaction of Django's keeps on an older snapshot."""
        try:
            reader: sqlite3.Connection = self._threads.reader
        except AttributeError:
            reader = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, isolation_level=None, timeout=20)
            self._threads.reader = reader
        found = reader.execute(_LAST) if number is None else reader.execute(_AFTER, (number,))
        return found.fetchall()

    def close(self) -> None:
        reader: sqlite3.Connection | None = getattr(self._threads, "reader", None)
        if reader is not None:
            reader.close()
            del self._threads.reader
        self._index.close()
