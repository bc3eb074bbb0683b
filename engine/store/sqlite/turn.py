"""Whose turn it is to change an SQLite database: threads and processes wait in line, first come, first served.

SQLite's own waiters ask again and again, at growing intervals, and whoever asks at the right moment is next: beside a worker that always has
another change to make, one of them can wait until its time is up. So whoever writes takes a turn here before SQLite's lock. Threads of a
process stand in a queue. Of each process the first in its queue waits for the others' with two locks of a file: `_NEXT` is held while
waiting for `_TURN`, so a process that has just had its turn comes after the one that waits. The kernel gives the locks back when a process
dies.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

HELD = "other changes hold the database"
_TURN, _NEXT = 0, 1  # bytes of the file; they are locked, not written
_PAUSE = 0.001  # seconds between two looks at another process's lock
_WAITS = (errno.EACCES, errno.EAGAIN)


class NoTurn(Exception):
    """Others held the database for as long as one waits."""


class Turn:
    """Of one database, in this process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Locks of a file belong to a process and are not inherited; a child begins with its own descriptor and an empty queue."""
        self._mutex = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._taken = False
        self._descriptor: int | None = None

    def take(self, timeout: float) -> None:
        """Raises NoTurn, and OSError where the file cannot be made."""
        until = time.monotonic() + timeout
        self._wait_in_process(timeout)
        try:
            self._wait_for_processes(until)
        except BaseException:
            self._pass_on()
            raise

    def give_back(self) -> None:
        assert self._descriptor is not None
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _TURN)
        self._pass_on()

    def _wait_in_process(self, timeout: float) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            own = threading.Lock()
            own.acquire()
            self._queue.append(own)
        if own.acquire(timeout=max(0.0, timeout)):
            return
        with self._mutex:
            if own in self._queue:
                self._queue.remove(own)
                raise NoTurn(HELD)
        # It was handed over at the last moment.

    def _pass_on(self) -> None:
        with self._mutex:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._taken = False

    def _wait_for_processes(self, until: float) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock(self._descriptor, _NEXT, until)
        try:
            self._lock(self._descriptor, _TURN, until)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _NEXT)

    def _lock(self, descriptor: int, byte: int, until: float) -> None:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
                return
            except OSError as reason:
                if reason.errno not in _WAITS:
                    raise
            if time.monotonic() >= until:
                raise NoTurn(HELD)
            time.sleep(_PAUSE)


@functools.cache
def turn_of(database: str) -> Turn:
    """That of a database by its file's path."""
    return Turn(f"{database}-turn")


@contextmanager
def taken(database: str, timeout: float) -> Iterator[None]:
    """Raises NoTurn, and OSError where the file of the turns cannot be made."""
    turn = turn_of(database)
    turn.take(timeout)
    try:
        yield
    finally:
        turn.give_back()
