"""The one face of all that reads the journal: sealed segments and the journal's file behind them, as if nothing had ever been sealed.

`path` is the journal's file. Positions are bytes from the journal's first record on. What was removed (engine.trail.removal) is not there:
reading from before it begins at the first record that is. Raises SegmentLost or SegmentUnreachable where a segment cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.trail import segments
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal_lines import Entry, Line
from engine.trail.segment_archive import SegmentLost
from engine.trail.segments import Boundary

_READ = 1 << 20
_BACK = 1 << 16
_ALL = 1 << 63  # a number above every record's


def base(path: Path) -> Boundary:
    """Where the file's records begin: everything before was sealed."""
    return segments.load(path.parent).base


def removed(path: Path) -> Boundary:
    """The end of the records that were removed."""
    return segments.load(path.parent).removed


def exists(path: Path) -> bool:
    """Whether there is a journal, if only of sealed segments."""
    return path.exists() or bool(segments.load(path.parent).all)


def lines(path: Path, start: int = 0) -> Iterator[Line]:
    """Whole lines from byte `start`, in order, whatever they say; stops before what is no whole line at the end.

    What is sealed meanwhile is read on in its segment.
    """
    trail = path.parent
    while True:
        found = segments.load(trail)
        start = max(start, found.removed.offset)
        segment = found.at(start)
        if segment is not None:
            before = start
            for line in segments.lines(trail, segment, start):
                yield line
                start = line.end
            if start == before:
                raise SegmentLost(f"segment {segment.name} of the audit trail has no line at byte {start}")
            continue
        for line in _lines(path, start):
            yield line
            start = line.end
        if segments.load(trail).base.offset <= start:
            return


def _lines(path: Path, start: int) -> Iterator[Line]:
    """Of the file. A record holds no zero byte: one in a line is where a write was torn, or a hole."""
    if not path.exists():
        return
    with open(path, "rb", buffering=_READ) as file:
        file.seek(start)
        for text in file:
            if not text.endswith(b"\n") or b"\0" in text:
                return
            line = Line(start, text)
            yield line
            start = line.end


def read(path: Path, start: int = 0) -> Iterator[Entry]:
    """The records from byte `start`, in order. Hashes are the caller's to check. Raises TrailUnavailable for a line that is none."""
    for line in lines(path, start):
        yield line.entry(path)


def record(path: Path, sequence: int) -> Entry | None:
    """One record; None if there is none of this number."""
    found = segments.load(path.parent)
    segment = found.of(sequence)
    if segment is not None:
        if sequence <= found.removed.sequence:
            return None
        line = segments.line_of(path.parent, segment, sequence)
        return line.entry(path) if line is not None else None
    entry = next(read(path, position_after(path, sequence - 1)), None)
    return entry if entry is not None and entry.sequence == sequence else None


class Places:
    """Reads what lies at places of the journal, with its file open meanwhile."""

    def __init__(self, path: Path) -> None:
        self._trail = path.parent
        self._file = open(path, "rb", buffering=0) if path.exists() else None  # noqa: SIM115

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def at(self, start: int, length: int) -> bytes:
        """Empty where it was removed."""
        text = os.pread(self._file.fileno(), length, start) if self._file is not None else b""
        found = segments.load(self._trail)  # behind the reading: it may be sealed meanwhile
        if start >= found.base.offset:
            return text
        segment = found.at(start)
        return segments.bytes_at(self._trail, segment, start, length) if segment is not None else b""


def record_before(path: Path, end: int) -> Entry | None:
    """The record that ends at byte `end`, or None if none does."""
    segment = segments.load(path.parent).at(end - 1)
    if segment is not None:
        last = None
        for last in segments.lines(path.parent, segment, segments.block_start(path.parent, segment, end - 1)):
            if last.end >= end:
                break
        return last.entry(path) if last is not None and last.end == end else None
    if end <= base(path).offset:
        return None
    start, line = _line_before(path, end)
    if not line.endswith(b"\n"):
        return None
    try:
        return Line(start, line).entry(path)
    except TrailUnavailable:
        return None


def boundary(path: Path, end: int) -> Boundary | None:
    """The number and hash of the record that ends at byte `end`, or None if none does."""
    found = segments.load(path.parent).boundary(end)
    if found is not None:
        return found
    last = record_before(path, end)
    return Boundary(end, last.sequence, last.digest) if last is not None else None


def last_record(path: Path) -> Entry | None:
    """The last whole record; what a torn write left behind it is passed over. None if there is none, or no file."""
    if not exists(path):
        return None
    end = position_after(path, _ALL)
    if end <= base(path).offset:
        return record_before(path, base(path).offset)
    start, line = _line_before(path, end)
    return record_before(path, end if line.endswith(b"\n") else start)


def _line_before(path: Path, end: int) -> tuple[int, bytes]:
    """(where it begins, its bytes) of what lies between byte `end` and the end of the line before. Of the file alone."""
    with open(path, "rb", buffering=0) as file:
        first = base(path).offset
        start, line = end, b""
        if end > os.fstat(file.fileno()).st_size:
            return end, line  # a hint that is wrong: what it comes from may hold anything
        while start > first:
            step = min(start - first, _BACK)
            start -= step
            file.seek(start)
            line = file.read(step) + line
            at = line.rfind(b"\n", 0, -1)
            if at >= 0:
                return start + at + 1, line[at + 1 :]
    return start, line


def position_after(path: Path, sequence: int) -> int:
    """The byte at which the first record with a higher number than `sequence` begins, of those that are there: a binary search, since
    numbers ascend."""
    while True:
        found = segments.load(path.parent)
        if sequence < found.removed.sequence:
            return found.removed.offset
        segment = found.of(sequence + 1)
        if segment is not None:
            return segments.offset_behind(path.parent, segment, sequence)
        low = _position_after(path, sequence, found.base.offset)
        if segments.load(path.parent).base == found.base:
            return low


def _position_after(path: Path, sequence: int, first: int) -> int:
    """The same in the file, whose records begin at byte `first`."""
    low = first
    if not path.exists():
        return low
    high = max(path.stat().st_size, low)
    with open(path, "rb") as file:
        while low < high:
            middle = (low + high) // 2
            file.seek(max(middle - 1, first))
            if middle > first:
                file.readline()  # to the first line that begins at `middle` or behind it
            number = file.readline().partition(b" ")[0]
            if number.isdigit() and int(number) <= sequence:
                low = file.tell()
            else:
                high = middle
    return low


def has_records(path: Path) -> bool:
    """Whether anything was ever written to the journal."""
    found = segments.load(path.parent)
    if found.all:
        return True
    with open(path, "rb", buffering=0) as file:
        return file.read(1).strip(b"\0") != b""


def torn_bytes(path: Path, end: int) -> int:
    """How many bytes of an unfinished record stand behind the last whole one, which ends at `end`."""
    torn = position = 0
    if not path.exists():
        return 0
    with open(path, "rb", buffering=0) as file:
        file.seek(end)
        while piece := file.read(_READ):
            if used := len(piece.rstrip(b"\0")):
                torn = position + used
            position += len(piece)
    return torn
