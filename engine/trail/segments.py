"""Sealed segments: the older records of the journal, taken out of its file, compressed; and which of them were removed.

`trail/segments.json` names them in their order, from the journal's first record on without a gap; where the last one ends, the journal's
file goes on (engine.trail.journal_reader reads both as one). It is replaced as a whole and durably, so it is what makes a segment sealed,
moved or removed: what a process that died left undone is done by the next one (engine.trail.segment_work).

A segment is a file of gzip members, a quarter of a mebibyte of lines each, which `zcat` reads; where each begins is in a file beside it
that can be thrown away. Positions are bytes of the journal, as if nothing was ever taken out of it.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import orjson

from engine import durable_files
from engine.trail import segment_archive
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal_lines import GENESIS, Line
from engine.trail.segment_archive import SegmentLost

_FORMAT = "kmsconsole-trail-segments/1"
BLOCK_BYTES = 1 << 18  # of lines that are compressed together
_BLOCK = struct.Struct("<QQQ")
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Segment:
    """Records `first` to `last`, bytes `start` to `end` of the journal; `before` and `digest` are the chain's hashes around them.

    `begins` and `ends` are times of the machine's clock, as checkpoints have them; `size` and `sha256` are of the compressed file. `checkpoint`
    is the log's signed checkpoint of `last` records. `place` is where it was moved to, "" in the trail's folder.
    """

    first: int
    last: int
    start: int
    end: int
    before: str
    digest: str
    begins: str
    ends: str
    sealed: str
    size: int
    sha256: str
    checkpoint: str
    place: str = ""

    @property
    def name(self) -> str:
        return f"{self.first:012d}-{self.last:012d}"

    @property
    def records(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Request:
    """That the records up to `last` are to be removed, as the operator of the machine asked (`by`, at `time`, with a `reason`)."""

    id: str
    last: int
    by: str
    time: str
    reason: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Records `first` to `last` were removed, or are about to be. `note` is the signed statement of it (engine.trail.removal)."""

    first: int
    last: int
    note: str


class Boundary(NamedTuple):
    """The end of record `sequence` at byte `offset`, and the chain's hash there."""

    offset: int
    sequence: int
    digest: bytes


BEGINNING = Boundary(0, 0, GENESIS)


@dataclass(frozen=True)
class Segments:
    """All that were ever sealed, removed ones too, and the removals in their order. `request` waits for approval; `pending` is a removal
    that was begun."""

    all: tuple[Segment, ...] = ()
    removals: tuple[Removal, ...] = ()
    request: Request | None = None
    pending: Removal | None = None

    @cached_property
    def base(self) -> Boundary:
        """Where the journal's file begins to hold records."""
        return self._end_of(self.all[-1]) if self.all else BEGINNING

    @cached_property
    def removed(self) -> Boundary:
        """The end of what was removed: what is there begins behind it."""
        last = self.removals[-1].last if self.removals else 0
        return next((self._end_of(each) for each in reversed(self.all) if each.last <= last), BEGINNING)

    @cached_property
    def kept(self) -> tuple[Segment, ...]:
        last = self.removed.sequence
        return tuple(each for each in self.all if each.first > last)

    @property
    def gone(self) -> tuple[Segment, ...]:
        last = self.removed.sequence
        return tuple(each for each in self.all if each.last <= last)

    def _end_of(self, segment: Segment) -> Boundary:
        return Boundary(segment.end, segment.last, bytes.fromhex(segment.digest))

    def boundary(self, offset: int) -> Boundary | None:
        """What is known of the end of a segment at byte `offset`."""
        if offset == 0:
            return BEGINNING
        return next((self._end_of(each) for each in self.all if each.end == offset), None)

    def at(self, offset: int) -> Segment | None:
        """The segment that holds the byte, if it was not removed."""
        found = self._before(offset, lambda each: each.start)
        return found if found is not None and self.removed.offset <= offset < found.end else None

    def of(self, sequence: int) -> Segment | None:
        """The segment that holds the record, removed or not."""
        found = self._before(sequence, lambda each: each.first)
        return found if found is not None and sequence <= found.last else None

    def _before(self, number: int, begin: Callable[[Segment], int]) -> Segment | None:
        """The last segment that begins at a number or before it."""
        place = bisect_right(self.all, number, key=begin)
        return self.all[place - 1] if place else None

    def moved(self, segment: Segment, place: str) -> Segments:
        return replace(self, all=tuple(replace(each, place=place) if each == segment else each for each in self.all))

    def extended(self, segment: Segment) -> Segments:
        return replace(self, all=(*self.all, segment))


_NONE = Segments()
_loaded: tuple[str, tuple[int, int, int], Segments] | None = None


def folder(trail: Path) -> Path:
    return trail / "segments"


def load(trail: Path) -> Segments:
    """The segments of the trail in a folder, as they are now. Raises TrailUnavailable if what names them cannot be read."""
    global _loaded
    path = f"{trail}/segments.json"  # asked for with each record that is read: a Path costs more than the look itself
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return _NONE
    version = status.st_ino, status.st_mtime_ns, status.st_size
    known = _loaded
    if known is not None and known[:2] == (path, version):
        return known[2]
    found = _read(Path(path))
    _loaded = path, version, found
    return found


def _read(path: Path) -> Segments:
    try:
        document = orjson.loads(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"its format is {document['format']}")
        request, pending = document["request"], document["pending"]
        found = Segments(
            tuple(Segment(**each) for each in document["segments"]),
            tuple(Removal(**each) for each in document["removals"]),
            Request(**request) if request else None,
            Removal(**pending) if pending else None,
        )
    except (ValueError, LookupError, TypeError) as reason:
        raise TrailUnavailable(
            f"{path}, which names the sealed segments of the audit trail, cannot be read: {reason}"
        ) from reason
    end = BEGINNING
    for each in found.all:
        if (each.start, each.first, each.before) != (end.offset, end.sequence + 1, end.digest.hex()):
            raise TrailUnavailable(f"{path}: the segment of record {each.first} does not follow the one before")
        end = Boundary(each.end, each.last, bytes.fromhex(each.digest))
    return found


def store(trail: Path, found: Segments) -> None:
    """Durable when it returns. Whoever calls it holds `lock`."""
    document = {
        "format": _FORMAT,
        "segments": [asdict(each) for each in found.all],
        "removals": [asdict(each) for each in found.removals],
        "request": asdict(found.request) if found.request is not None else None,
        "pending": asdict(found.pending) if found.pending is not None else None,
    }
    durable_files.replace_file(trail / "segments.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
    durable_files.sync_folder(trail)


def place_of(trail: Path, segment: Segment) -> str:
    return segment.place or str(local_file(trail, segment))


def local_file(trail: Path, segment: Segment) -> Path:
    return folder(trail) / f"{segment.name}.gz"


# --- reading


class Block(NamedTuple):
    """A gzip member at byte `place` of a segment's file: the lines from record `first`, byte `start` of the journal, on."""

    first: int
    start: int
    place: int


def lines(trail: Path, segment: Segment, start: int) -> Iterator[Line]:
    """The segment's lines from byte `start` of the journal on, as they are where it lies now. Raises SegmentLost, SegmentUnreachable."""
    found = blocks(trail, segment)
    for number in range(_before(found, start), len(found)):
        text, at = _content(trail, segment, number), found[number].start
        for line in text.splitlines(keepends=True):
            if at >= start:
                yield Line(at, line)
            at += len(line)


def bytes_at(trail: Path, segment: Segment, start: int, length: int) -> bytes:
    """What lies at byte `start` of the journal, in one block. Raises SegmentLost, SegmentUnreachable."""
    found = blocks(trail, segment)
    number = _before(found, start)
    at = start - found[number].start
    return content(trail, segment, number)[at : at + length]


def block_start(trail: Path, segment: Segment, place: int) -> int:
    """Where the block begins that holds a byte of the journal."""
    found = blocks(trail, segment)
    return found[_before(found, place)].start


def offset_behind(trail: Path, segment: Segment, sequence: int) -> int:
    """The byte of the journal at which the first record of the segment behind record `sequence` begins."""
    if sequence < segment.first:
        return segment.start
    found = line_of(trail, segment, sequence)
    return found.end if found is not None else segment.end


def line_of(trail: Path, segment: Segment, sequence: int) -> Line | None:
    """The line of a record of the segment. Raises SegmentLost, SegmentUnreachable."""
    found = blocks(trail, segment)
    number = bisect_right(found, sequence, key=lambda each: each.first) - 1
    at = found[number].start
    for line in content(trail, segment, number).splitlines(keepends=True):
        if line.startswith(b"%d " % sequence):
            return Line(at, line)
        at += len(line)
    return None


def _before(found: tuple[Block, ...], start: int) -> int:
    return max(bisect_right(found, start, key=lambda each: each.start) - 1, 0)


@lru_cache(maxsize=32)
def blocks(trail: Path, segment: Segment) -> tuple[Block, ...]:
    """The blocks of a segment. Where the file that names them is gone, they are found in the segment itself."""
    path = folder(trail) / f"{segment.name}.blocks"
    try:
        found = tuple(Block(*each) for each in _BLOCK.iter_unpack(path.read_bytes()))
    except (FileNotFoundError, struct.error):
        found = ()
    if found and found[0] == Block(segment.first, segment.start, 0) and found[-1].place < segment.size:
        return found
    return tuple(_found_blocks(trail, segment))


def write_blocks(path: Path, found: list[Block]) -> None:
    durable_files.replace_file(path, b"".join(_BLOCK.pack(*each) for each in found))


def _found_blocks(trail: Path, segment: Segment) -> Iterator[Block]:
    first, start = segment.first, segment.start
    read = segment_archive.pieces(place_of(trail, segment), segment.size)
    for place, text in members(read, segment.name, segment.end - segment.start):
        yield Block(first, start, place)
        first, start = first + text.count(b"\n"), start + len(text)


def members(pieces: Iterator[bytes], name: str, most: int) -> Iterator[tuple[int, bytes]]:
    """(where it begins, what it holds) of each gzip member of a file that is read in pieces, which hold `most` bytes in all.

    Raises SegmentLost, before more is unpacked.
    """
    place = read = 0
    member, parts = zlib.decompressobj(_GZIP), list[bytes]()
    for piece in pieces:
        read += len(piece)
        rest = piece
        while rest:
            parts.append(_unpacked(member, rest, most, name))
            most -= len(parts[-1])
            rest = member.unused_data
            if member.eof:
                yield place, b"".join(parts)
                place, member, parts = read - len(rest), zlib.decompressobj(_GZIP), []
    if parts:
        raise SegmentLost(f"segment {name} of the audit trail is cut off")


def _unpacked(member: zlib._Decompress, packed: bytes, most: int, name: str) -> bytes:
    """What a part of a gzip member holds, which is no more than `most` bytes. Raises SegmentLost."""
    try:
        found = member.decompress(packed, most + 1)
    except zlib.error as reason:
        raise SegmentLost(f"segment {name} of the audit trail is damaged: {reason}") from reason
    if len(found) > most:
        raise SegmentLost(f"segment {name} of the audit trail is damaged: it holds more than was sealed")
    return found


@lru_cache(maxsize=16)
def content(trail: Path, segment: Segment, number: int) -> bytes:
    """The lines of a block, which may be remembered. Raises SegmentLost, SegmentUnreachable."""
    return _content(trail, segment, number)


def _content(trail: Path, segment: Segment, number: int) -> bytes:
    found = [*blocks(trail, segment), Block(segment.last + 1, segment.end, segment.size)]
    here, behind = found[number : number + 2]
    packed = _compressed(trail, segment, here.place, behind.place - here.place)
    member = zlib.decompressobj(_GZIP)
    text = _unpacked(member, packed, behind.start - here.start, segment.name)
    if not member.eof or len(text) != behind.start - here.start:
        raise SegmentLost(f"segment {segment.name} of the audit trail is damaged: it is cut off")
    return text


def _compressed(trail: Path, segment: Segment, place: int, length: int) -> bytes:
    try:
        return segment_archive.read(place_of(trail, segment), place, length)
    except SegmentLost:
        now = load(trail).of(segment.first)  # it may have been moved since the caller looked
        if now is None or now.place == segment.place:
            raise
        return segment_archive.read(place_of(trail, now), place, length)
