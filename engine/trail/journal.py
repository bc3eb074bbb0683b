"""The append-only journal of audit records: one file for all workers of a machine, hash-chained, durable before it returns.

A line is `<sequence> <sha256 hex> <record JSON>\\n`; the hash is over the previous line's hash (32 bytes) and the JSON, so no
record can be changed, dropped or reordered unseen. Requests of one worker that wait at the same time share one write and one
fdatasync (group commit); workers take turns by a file lock for the write only, and sync side by side.

A torn last line (the machine or a worker died while writing) was never acknowledged: it is cut off, and reported, when the
journal is next written. Promise: when `append` returns, the record survives power loss; when it raises, no caller may answer.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from engine.trail.groupcommit import GroupCommit, Ticket, TrailUnavailable

logger = logging.getLogger(__name__)

GENESIS = bytes(32)
_TAIL = struct.Struct("<QQ32s32s")  # end offset, last sequence, last hash, sha256 of the former three
_READ = 1 << 20


class Journal(GroupCommit):
    """The journal in `folder`, opened by each worker; safe for any number of threads and processes of one machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / "journal"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._lock_file).st_size < _TAIL.size:
            os.ftruncate(self._lock_file, _TAIL.size)
        # The tail lives in shared memory behind the lock file: a hint that is checked, and rebuilt from the journal if it is wrong.
        self._tail = mmap.mmap(self._lock_file, _TAIL.size)

    def _commit(self, batch: list[Ticket]) -> None:
        self._write(batch)
        os.fdatasync(self._file)

    def _write(self, batch: list[Ticket]) -> None:
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            start, sequence, previous = self._end()
            lines = []
            for ticket in batch:
                sequence += 1
                digest = sha256(previous + ticket.record)
                previous = digest.digest()
                ticket.sequence = sequence
                lines.append(b"%d %s %s\n" % (sequence, digest.hexdigest().encode(), ticket.record))
            data = b"".join(lines)
            try:
                written = os.pwrite(self._file, data, start)
                while written < len(data):
                    written += os.pwrite(self._file, data[written:], start + written)
            except OSError:
                os.ftruncate(self._file, start)  # nothing of the batch was acknowledged
                raise
            self._set_tail(start + len(data), sequence, previous)
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _set_tail(self, end: int, sequence: int, digest: bytes) -> None:
        head = struct.pack("<QQ32s", end, sequence, digest)
        self._tail[:] = head + sha256(head).digest()

    def _end(self) -> tuple[int, int, bytes]:
        """(offset, sequence, hash) after the last whole record. Called with the lock held; cuts off a torn tail."""
        size = os.fstat(self._file).st_size
        end, sequence, digest, check = _TAIL.unpack(self._tail[:])
        if end == size and (check == sha256(self._tail[: _TAIL.size - 32]).digest()):
            return end, sequence, digest
        if size == 0 and not any(self._tail[:]):
            return 0, 0, GENESIS
        return self._recover(size)

    def _recover(self, size: int) -> tuple[int, int, bytes]:
        """Read the journal to its last whole record; a torn tail is cut off and reported, damage before it raises."""
        end, sequence, digest = 0, 0, GENESIS
        for entry in read(self.path):
            if entry.sequence != sequence + 1 or entry.digest != sha256(digest + entry.record).digest():
                raise TrailUnavailable(f"audit journal {self.path}: record {sequence + 1} does not follow the chain")
            end, sequence, digest = entry.end, entry.sequence, entry.digest
        if end < size:
            logger.warning("audit journal: cut off %d bytes of a record that was never acknowledged", size - end)
            os.ftruncate(self._file, end)
        self._set_tail(end, sequence, digest)
        return end, sequence, digest

    def position(self) -> tuple[int, int, bytes]:
        """(bytes, records, last hash) of what is written now, whole records only."""
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            return self._end()
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def recover(self) -> int:
        """Check the whole chain at start-up, cut off a torn tail, and return the last sequence number."""
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            return self._recover(os.fstat(self._file).st_size)[1]
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._tail.close()
        os.close(self._lock_file)
        os.close(self._file)


class Entry:
    """One line of the journal: where it lies, its place in the chain, and the record's JSON."""

    __slots__ = ("digest", "end", "record", "sequence", "start")

    def __init__(self, start: int, end: int, sequence: int, digest: bytes, record: bytes) -> None:
        self.start, self.end, self.sequence, self.digest, self.record = start, end, sequence, digest, record


def read(path: Path, start: int = 0) -> Iterator[Entry]:
    """Whole lines from byte `start`, in order; stops before an incomplete last line. Hashes are the caller's to check.

    Raises TrailUnavailable for a whole line that is not a journal line.
    """
    with open(path, "rb", buffering=_READ) as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            end = start + len(line)
            try:
                number, digest, record = line[:-1].split(b" ", 2)
                entry = Entry(start, end, int(number), bytes.fromhex(digest.decode()), record)
            except ValueError as reason:
                raise TrailUnavailable(f"audit journal {path}: byte {start} does not begin a record") from reason
            yield entry
            start = end
