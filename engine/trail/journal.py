"""The append-only journal of audit records: one file for all workers of a machine, hash-chained, durable before it returns.

A line is `<sequence> <sha256 hex> <record JSON>\\n`; the hash is over the previous line's hash (32 bytes) and the JSON, so no
record can be changed, dropped or reordered unseen. Requests of one worker that wait at the same time share one write and one
fdatasync (group commit); workers take turns by a file lock for the write only, and sync side by side.

Its older records may be sealed away (engine.trail.segments): the file then has a hole where they were, and nothing in it moves.

The file is longer than its records: zeros are written ahead of them, a piece at a time, because a sync that does not have to make
the file longer costs half as much. Records end where the first zero stands.

A torn last line (the machine or a worker died while writing) was never acknowledged: it is cut off, and reported, when the
journal is next written. After a failed sync nothing is appended before what may be lost was written again. Promise: when `append` returns, the record survives power loss; when it raises, no caller may answer.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from hashlib import sha256
from pathlib import Path

from engine.trail.groupcommit import GroupCommit, Ticket, TrailUnavailable
from engine.trail.journal_reader import base, boundary, read, torn_bytes
from engine.trail.journal_tail import End, SharedTail

logger = logging.getLogger(__name__)

_AHEAD = 1 << 20  # bytes of zeros written ahead at a time
_READ = 1 << 20


class Journal(GroupCommit):
    """The journal in `folder`, opened by each worker; safe for any number of threads and processes of one machine.

    Raises TrailUnavailable if it is not there and may not be made (`create`).
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        super().__init__()
        self.path = folder / "journal"
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not self.path.exists():
            raise TrailUnavailable(f"audit journal {self.path}: the file was removed while it was written")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._tail = SharedTail(self._lock_file)
        self._shared = self._tail.fields
        self._turn = _Turn(self._lock_file)
        self._recovered = False  # whether this process has seen for itself that the tail is the journal's

    def _commit(self, batch: list[Ticket]) -> None:
        if 0 < self._shared.hold_after < time.monotonic():
            raise TrailUnavailable("a sink that the record must reach is behind")
        end = self._write(batch)
        try:
            os.fdatasync(self._file)
        except OSError:
            self._shared.suspect = True
            raise
        if end > self._shared.synced:
            self._shared.synced = end

    def _write(self, batch: list[Ticket]) -> int:
        """Write a batch behind the last record; where it ends. Nothing is durable yet."""
        with self._turn:
            if self._shared.suspect:
                self._rewrite()
            start, size, sequence, digest = end = self._end()
            lines = []
            for ticket in batch:
                sequence += 1
                link = sha256(digest + ticket.record)
                digest = link.digest()
                ticket.sequence, ticket.digest = sequence, digest
                lines.append(b"%d %s %s\n" % (sequence, link.hexdigest().encode(), ticket.record))
            data = b"".join(lines)
            self._shared.holds = False
            try:
                size = self._write_ahead(start + len(data), size)
                self._put(data, start)
            except OSError:
                os.ftruncate(self._file, start)  # nothing of the batch was acknowledged
                self._tail.set_end(start, start, *end[2:])
                raise
            self._tail.set_end(start + len(data), size, sequence, digest)
            return start + len(data)

    def _rewrite(self) -> None:
        """After a failed sync: write again what may not be on the disk, and sync it. Called with the lock held.

        The kernel tells of pages it could not write once and takes them for written from then on: syncing again would say yes to
        what is lost (Rebello and others, "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So what lies behind the
        last good sync is read, checked against the chain, and written through a descriptor that has seen no error. Raises
        TrailUnavailable or OSError, and then nothing is appended until it succeeds.
        """
        start = self._shared.synced
        start, sequence, digest = boundary(self.path, start) or base(self.path)
        end, sequence, digest = self._follow(start, sequence, digest)
        fresh = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(fresh, end)
            for offset in range(start, end, _READ):
                data = os.pread(fresh, min(_READ, end - offset), offset)
                if os.pwrite(fresh, data, offset) != len(data):
                    raise OSError(errno.EIO, "the journal could not be written again")
            os.fsync(fresh)
        except OSError:
            os.close(fresh)
            raise
        os.close(self._file)
        self._file = fresh
        self._tail.set_end(end, end, sequence, digest)
        self._shared.synced, self._shared.suspect = end, False
        logger.warning("audit journal: wrote %d bytes again after a failed sync", end - start)

    def _write_ahead(self, end: int, size: int) -> int:
        """Lengthen the file by zeros if the records would end beyond it; the size it then has."""
        if end <= size:
            return size
        ahead = end + _AHEAD
        self._put(bytes(ahead - size), size)
        return ahead

    def _put(self, data: bytes, start: int) -> None:
        written = os.pwrite(self._file, data, start)
        while written < len(data):
            written += os.pwrite(self._file, data[written:], start + written)

    def _end(self) -> End:
        """The end of the last whole record. Called with the lock held.

        Raises TrailUnavailable if the file was removed, exchanged or cut while it was used: what is appended would not be found again.
        """
        status = os.fstat(self._file)
        if not status.st_nlink or self._shared.exchanged:
            raise TrailUnavailable(f"audit journal {self.path}: the file was removed or exchanged while it was written")
        if self._recovered and self._shared.holds and self._shared.size == status.st_size:
            return self._tail.end()
        found = self._recover()
        if found[0] < self._shared.synced:
            self._recovered = False
            raise TrailUnavailable(f"audit journal {self.path}: records that were acknowledged were cut off")
        return found

    def check_place(self) -> None:
        """Whether the file that is written is still the one of this name. If not, no worker appends any more.

        Raises TrailUnavailable.
        """
        mine = os.fstat(self._file)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            self._shared.exchanged = True
            raise TrailUnavailable(f"audit journal {self.path}: the file was removed or exchanged while it was written")

    def durable_offset(self) -> int:
        """Up to which byte a sync is known to have succeeded."""
        return self._shared.synced

    def hold_after(self, moment: float) -> None:
        """From this monotonic time on nothing is appended (engine.sinks.sender moves it on); 0 for never."""
        self._shared.hold_after = moment

    def durable_end(self) -> tuple[int, bytes]:
        """(records, last hash) up to where a sync is known to have succeeded; (0, GENESIS) if none is."""
        _, sequence, digest = boundary(self.path, self._shared.synced) or base(self.path)
        return sequence, digest

    def _recover(self) -> End:
        """Read on from the last end that is known to the last whole record; a torn tail is cut off and reported, damage raises."""
        end, sequence, digest = self._follow(*self._known_end())
        size = os.fstat(self._file).st_size
        if torn := torn_bytes(self.path, end):
            logger.warning("audit journal: cut off %d bytes of a record that was never acknowledged", torn)
            os.ftruncate(self._file, end)
            size = end
        if size < end:  # the file was lost, and what it held before its end is sealed: it begins anew behind that
            os.ftruncate(self._file, end)
            size = end
        self._tail.set_end(end, size, sequence, digest)
        self._recovered = True
        return end, size, sequence, digest

    def _follow(self, end: int, sequence: int, digest: bytes) -> tuple[int, int, bytes]:
        """From the end of one record to the end of the last whole one. Raises TrailUnavailable where the chain breaks."""
        for entry in read(self.path, end):
            if not entry.follows(sequence, digest):
                raise TrailUnavailable(f"audit journal {self.path}: record {sequence + 1} does not follow the chain")
            end, sequence, digest = entry.end, entry.sequence, entry.digest
        return end, sequence, digest

    def _known_end(self) -> tuple[int, int, bytes]:
        """(offset, sequence, hash) of the shared tail, if a record with that number and hash does end there; else the file's beginning.

        After a power failure the tail may be an older one than the journal's: it is where reading on begins.
        """
        end, _, sequence, digest = self._tail.end()
        found = boundary(self.path, end)
        return found if found == (end, sequence, digest) else base(self.path)

    def position(self) -> tuple[int, int, bytes]:
        """(bytes, records, last hash) of what is written now, whole records only."""
        with self._turn:
            end, _, sequence, digest = self._end()
            return end, sequence, digest

    def recover(self) -> int:
        """At start-up: find the end of the chain, cut off a torn tail, and return the last sequence number."""
        with self._turn:
            self._shared.exchanged = False
            if self._shared.suspect:
                self._rewrite()
            end, _, sequence, _ = self._recover()
            os.fdatasync(self._file)  # a server that was killed may have written what it did not sync
            self._shared.synced, self._shared.suspect = end, False
            return sequence

    def close(self) -> None:
        """Give back what was written ahead, and let go of the files."""
        with self._turn:
            end, size, sequence, digest = self._end()
            if end < size:
                os.ftruncate(self._file, end)
                self._tail.set_end(end, end, sequence, digest)
        del self._shared
        self._tail.close()
        os.close(self._lock_file)
        os.close(self._file)


class _Turn:
    """The journal is this thread's alone. A file lock is held by a process and not by a thread: one thread that let go of it would
    let other processes write where another thread still does, so the threads take turns among themselves first."""

    __slots__ = ("_file", "_mine")

    def __init__(self, file: int) -> None:
        self._file, self._mine = file, threading.Lock()

    def __enter__(self) -> None:
        self._mine.acquire()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self._mine.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._mine.release()
