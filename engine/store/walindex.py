"""Has anything been committed to the SQLite database? Read from shared memory, without a system call.

In WAL mode every commit ends by writing the header of the WAL index, which all connections of all processes have mapped
(`<database>-shm`); SQLite's own readers tell by it whether their snapshot is old. Two equal copies of 48 bytes stand at its start,
with a counter that each commit moves on. Source: SQLite, "WAL-mode File Format", section 2.1, "The WAL-Index File Format".

A header that differs from one that was read *before* a query means that the query may have missed a commit; an equal one that
it has not. Checkpoints and half-written headers change it too, which costs a query and hides nothing.
"""

from __future__ import annotations

import mmap
import os
import sqlite3

_SIZE = 2 * 48  # bytes
HEADERS = slice(_SIZE)  # of the mapped memory


class WalIndex:
    """The mapped WAL index of one database: `memory[HEADERS]` is what a commit changes. Its own connection keeps SQLite from replacing the file while it is mapped.

    The file stays open as long as this process has a connection to the database: closing any descriptor of a file drops the
    process's POSIX locks on it, SQLite's among them (SQLite, "How To Corrupt An SQLite Database File", section 2.2).
    """

    def __init__(self, database: str) -> None:
        self._anchor = sqlite3.connect(database, isolation_level=None, timeout=20, check_same_thread=False)
        self._anchor.execute(
            "SELECT count(*) FROM sqlite_schema"
        ).fetchone()  # a first read makes the index, and keeps it
        self._descriptor = os.open(f"{database}-shm", os.O_RDONLY | os.O_CLOEXEC)
        self.memory = mmap.mmap(self._descriptor, _SIZE, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Only when no other connection of this process to the database is open any more."""
        self._anchor.close()
        self.memory.close()
        os.close(self._descriptor)
