"""What the audit trail takes up on this machine and elsewhere, and how fast it grows: for `/metrics` and the page. Only the file journal's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine import clock
from engine.trail import journal_reader, segments
from engine.trail.models import LogCheckpoint
from engine.trail.segments import Request, Segment

_PARTS = {  # part → files of the trail's folder
    "journal": ("journal",),
    "segments": ("segments/*.gz", "segments/*.blocks"),
    "hashes": ("tree", "segments/*.leaves"),
    "indexes": ("index.sqlite3*", "search.sqlite3*"),
}
_BLOCK = 512  # what st_blocks counts
_OVER = timedelta(days=30)  # over which growth is taken
_LEAST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Storage:
    """`disk`: bytes taken up here by part of the trail. `recorded`: bytes of all records that are there, before compression; `moved` bytes of
    segments elsewhere. `growth`: bytes of records a day, None where it is not known yet."""

    disk: dict[str, int]
    records: int
    recorded: int
    segments: tuple[Segment, ...]
    moved: int
    removed: int
    growth: int | None
    request: Request | None

    @property
    def total(self) -> int:
        return sum(self.disk.values())


def disk(trail: Path) -> dict[str, int]:
    """Bytes on the disk by part."""
    return {part: sum(_size(path) for name in names for path in trail.glob(name)) for part, names in _PARTS.items()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * _BLOCK
    except FileNotFoundError:
        return 0  # it was moved meanwhile


@dataclass(frozen=True, slots=True)
class Held:
    """`recorded` bytes and `last` number of all records that were ever written; those up to number `removed` are gone. `segments` are kept, of
    which `moved` compressed bytes lie elsewhere."""

    recorded: int
    last: int
    removed: int
    segments: int
    moved: int


def held(trail: Path) -> Held:
    found, last = segments.load(trail), journal_reader.last_record(trail / "journal")
    end, number = (last.end, last.sequence) if last is not None else (found.base.offset, found.base.sequence)
    moved = sum(each.size for each in found.kept if each.place)
    return Held(end, number, found.removed.sequence, len(found.kept), moved)


def measured(trail: Path) -> Storage:
    found, now = segments.load(trail), held(trail)
    return Storage(
        disk=disk(trail),
        records=now.last - now.removed,
        recorded=now.recorded - found.removed.offset,
        segments=found.kept,
        moved=now.moved,
        removed=now.removed,
        growth=_growth(found, now.recorded),
        request=found.request,
    )


def _growth(found: segments.Segments, end: int) -> int | None:
    now = clock.real_now()
    begin = next(
        ((each.start, _moment(each.begins)) for each in found.all if _moment(each.begins) > now - _OVER),
        None,
    )
    if begin is None:
        first = LogCheckpoint.objects.filter(account="", size__gt=found.base.sequence).order_by("time").first()
        if first is None:
            return None
        begin = found.base.offset, first.time
    start, since = begin
    passed = now - since
    return int((end - start) / (passed / timedelta(days=1))) if passed >= _LEAST else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
