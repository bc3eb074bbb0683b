"""The stored hashes of a Merkle tree in a file that only grows: 32 bytes each, in the order of engine.trail.merkle.position.

The file can be thrown away: it is made anew of the records. Whoever makes it grow holds its lock; readers ask only for what a
signed checkpoint covers, and verify what they make of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.trail import merkle
from engine.trail.merkle import HASH_BYTES


class TreeDamaged(Exception):
    """The file does not hold a hash that it must hold."""


class TreeFile:
    """The file at `path`, opened for one piece of work: use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> TreeFile:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Nobody else makes the file grow meanwhile. What a writer that died left unfinished is cut off first."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self.cut(self.size)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @property
    def size(self) -> int:
        """How many records the tree has."""
        return merkle.size_of(os.fstat(self._file).st_size // HASH_BYTES)

    def read(self, level: int, index: int) -> bytes:
        """A stored hash, as engine.trail.merkle asks for it. Raises TreeDamaged."""
        found = os.pread(self._file, HASH_BYTES, merkle.position(level, index) * HASH_BYTES)
        if len(found) != HASH_BYTES:
            raise TreeDamaged(f"{self._path} holds no hash of level {level} at {index}")
        return found

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.read)

    def append(self, hashes: list[bytes]) -> None:
        data, end = b"".join(hashes), os.fstat(self._file).st_size
        while data:
            written = os.pwrite(self._file, data, end)
            data, end = data[written:], end + written

    def cut(self, size: int) -> None:
        end = merkle.stored(size) * HASH_BYTES
        if os.fstat(self._file).st_size > end:
            os.ftruncate(self._file, end)

    def sync(self) -> None:
        os.fdatasync(self._file)
