"""Sealing older records of the journal into segments, and moving segments to where they are kept.

Each step leaves a state that the next one can be taken from, whoever takes it: a segment is written and read back before
`segments.json` names it, and only then its records are taken out of the journal's file (a hole is punched there: the file's length, its
positions and its writers stay as they are). A moved segment is read back from where it is before it is deleted here. What somebody who
died had begun is deleted or finished under the lock. Promise: a record is never in no place.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gzip
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from engine import clock, durable_files
from engine.trail import checkpoints, journal_reader, log, segment_archive, segments, signed_note
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.journal_lines import Line
from engine.trail.log_records import Records
from engine.trail.models import LogCheckpoint
from engine.trail.segment_archive import SegmentLost
from engine.trail.segments import BLOCK_BYTES, Block, Boundary, Segment

_LEVEL = 6  # of compression
_PUNCH = 0x03  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


class Busy(Exception):
    """Somebody else is at the segments now."""


@contextmanager
def lock(trail: Path, *, wait: bool = True) -> Iterator[None]:
    """The segments are this process's to change. Raises Busy, if it is not to `wait`."""
    file = os.open(trail / "segments.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as reason:
            raise Busy("somebody else is at the segments of the audit trail") from reason
        yield
    finally:
        os.close(file)


def tidy(trail: Path) -> None:
    """Finish what somebody who died left: delete what no segment is kept in, and take out of the journal what is sealed. With the lock."""
    found, folder = segments.load(trail), segments.folder(trail)
    folder.mkdir(mode=0o700, exist_ok=True)
    mine = {f"{each.name}.gz" for each in found.kept if not each.place}
    mine |= {f"{each.name}.blocks" for each in found.kept} | {f"{each.name}.leaves" for each in found.all}
    for path in folder.iterdir():
        if path.name not in mine:
            path.unlink()
    take_out(trail / "journal", found.base.offset)


# --- sealing


def is_big(trail: Path, most_bytes: int) -> bool:
    """Whether the journal's file has enough records to be sealed."""
    path = trail / "journal"
    return path.exists() and path.stat().st_size - journal_reader.base(path).offset >= most_bytes


def is_old(records: Records, trail: Path, days: int) -> bool:
    """Whether the oldest record of the journal's file is so old."""
    oldest = _first_checkpoint(records, journal_reader.base(trail / "journal").sequence + 1)
    return oldest is not None and oldest.time < clock.real_now() - timedelta(days=days)


def holds_older(journal: Journal) -> bool:
    """Whether the journal's file holds a durable record that is not its last one: there is something to seal."""
    return _last_start(journal) > journal_reader.base(journal.path).offset


def seal(journal: Journal, records: Records, most_bytes: int, *, at_least: int = 1) -> list[Segment]:
    """Seal what is durable, but for the last record, into segments of about `most_bytes` (before compression); what is left and smaller than
    `at_least` is not sealed. With the lock.

    Raises LogRewritten where the records are not those that were signed, TrailUnavailable, OSError.
    """
    trail, made = journal.path.parent, list[Segment]()
    tidy(trail)
    can_take_out(journal.path)
    end = _last_start(journal)
    while True:
        base = journal_reader.base(journal.path)
        if end - base.offset < max(at_least, 1):
            return made
        log.sign(records)
        segment = _write(trail, records, base, min(end, base.offset + most_bytes))
        segments.store(trail, segments.load(trail).extended(segment))
        take_out(journal.path, segment.end)
        made.append(segment)


def _last_start(journal: Journal) -> int:
    """Where the last durable record begins: it stays, so that the journal's file always ends in one."""
    last = journal_reader.record_before(journal.path, journal.durable_offset())
    return last.start if last is not None else 0


def _write(trail: Path, records: Records, base: Boundary, until: int) -> Segment:
    """A segment of the lines from `base` to the first that ends at byte `until` or behind it, in its file, durable and read back."""
    part = segments.folder(trail) / "new.part"
    part.unlink(missing_ok=True)
    with durable_files.new_file(part) as file:
        sequence, digest, end = base.sequence, base.digest, base.offset
        packed, content, size, found = sha256(), sha256(), 0, list[Block]()
        for block in _in_blocks(journal_reader.lines(trail / "journal", base.offset), until):
            found.append(Block(sequence + 1, end, size))
            for line in block:
                entry = line.entry(trail / "journal")
                if not entry.follows(sequence, digest):
                    raise TrailUnavailable(f"audit journal: record {sequence + 1} does not follow the chain")
                sequence, digest, end = entry.sequence, entry.digest, entry.end
                content.update(line.text)
            text = gzip.compress(b"".join(line.text for line in block), _LEVEL, mtime=0)
            file.write(text)
            packed.update(text)
            size += len(text)
            time.sleep(0.001)  # calls, and the sinks of this process, come first
    _compare(part, size, end - base.offset, content.digest(), packed.digest())
    segment = _described(records, base, Boundary(end, sequence, digest), size, packed.hexdigest())
    segments.write_blocks(segments.folder(trail) / f"{segment.name}.blocks", found)
    part.replace(segments.local_file(trail, segment))
    durable_files.sync_folder(segments.folder(trail))
    return segment


def _in_blocks(lines: Iterator[Line], until: int) -> Iterator[list[Line]]:
    block: list[Line] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line.text)
        if line.end >= until:
            break
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _compare(part: Path, size: int, length: int, content: bytes, packed: bytes) -> None:
    """What is on the disk is what was read from the journal. Raises SegmentLost."""
    read, unpacked = sha256(), sha256()

    def pieces() -> Iterator[bytes]:
        for piece in segment_archive.pieces(str(part), size):
            read.update(piece)
            yield piece

    for _place, text in segments.members(pieces(), part.name, length):
        unpacked.update(text)
    if (read.digest(), unpacked.digest()) != (packed, content):
        raise SegmentLost(f"{part} is not what was written")


def check(trail: Path, segment: Segment) -> None:
    """Read every record of a segment and compare every hash of its chain. Raises SegmentLost, SegmentUnreachable."""
    sequence, digest = segment.first - 1, bytes.fromhex(segment.before)
    for line in segments.lines(trail, segment, segment.start):
        entry = line.entry(trail / "journal")
        if not entry.follows(sequence, digest):
            raise SegmentLost(f"record {sequence + 1} of segment {segment.name} does not follow the chain")
        sequence, digest = entry.sequence, entry.digest
    if (sequence, digest.hex()) != (segment.last, segment.digest):
        raise SegmentLost(f"segment {segment.name} ends with record {sequence}")


def _described(records: Records, begin: Boundary, end: Boundary, size: int, digest: str) -> Segment:
    latest = log.latest(records)
    with log.tree(records) as file:
        root = file.root(end.sequence)
    now = clock.real_now().replace(microsecond=0)
    head = log.TreeHead(log.origin(records, latest.generation if latest else 1), end.sequence, root, now, end.digest)
    first, last = _first_checkpoint(records, begin.sequence + 1), _first_checkpoint(records, end.sequence)
    return Segment(
        first=begin.sequence + 1,
        last=end.sequence,
        start=begin.offset,
        end=end.offset,
        before=begin.digest.hex(),
        digest=end.digest.hex(),
        begins=log.time_text(first.time if first is not None else now),
        ends=log.time_text(last.time if last is not None else now),
        sealed=log.time_text(now),
        size=size,
        sha256=digest,
        checkpoint=signed_note.sign(head.text(), head.origin, checkpoints.signer().key),
    )


def _first_checkpoint(records: Records, sequence: int) -> LogCheckpoint | None:
    """The first that covers a record: at most a minute younger than it, while the server runs."""
    return LogCheckpoint.objects.filter(account=records.account, size__gte=sequence).order_by("time").first()


# --- the hole in the journal's file


def can_take_out(path: Path) -> None:
    """Raises OSError where the file system cannot free a part of a file: then nothing is sealed, since it would free no room."""
    probe = segments.folder(path.parent) / "probe.part"  # `tidy` deletes what a crash leaves
    try:
        with durable_files.new_file(probe) as file:
            file.write(bytes(1))
            file.flush()
            _punch(file.fileno(), 1)
    finally:
        probe.unlink(missing_ok=True)


def take_out(path: Path, end: int) -> None:
    """Free what the journal's file holds before byte `end`. Its length stays, and all positions in it."""
    if not end or not path.exists():
        return
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = min(end, os.fstat(file).st_size)
        if end and os.lseek(file, 0, os.SEEK_DATA) < end:
            _punch(file, end)
    except OSError as reason:
        if reason.errno != errno.ENXIO:  # there is no data at all
            raise
    finally:
        os.close(file)


def _punch(file: int, length: int) -> None:
    """Linux' fallocate(2), which the standard library has not."""
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        raise OSError(errno.ENOTSUP, "a part of a file cannot be freed here: the system has no fallocate")
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(file, _PUNCH, 0, length):
        number = ctypes.get_errno()
        raise OSError(number, f"a part of a file cannot be freed here: {os.strerror(number)}")


# --- moving


def move(trail: Path, target: str) -> list[Segment]:
    """Move the segments that lie in the trail's folder to a folder or `s3://bucket/prefix`, and delete them here. With the lock.

    Raises SegmentUnreachable, SegmentLost, OSError; what was moved before is moved.
    """
    tidy(trail)
    moved = []
    for segment in segments.load(trail).kept:
        if segment.place:
            continue
        file = segments.local_file(trail, segment)
        place = segment_archive.put(file, target, segment.sha256)
        segments.store(trail, segments.load(trail).moved(segment, place))
        file.unlink()
        moved.append(segment)
    return moved
