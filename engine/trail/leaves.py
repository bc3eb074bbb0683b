"""The tree's hashes of removed records, which stay: 32 bytes each, in a file beside each removed segment. They prove what is not removed,
and that earlier checkpoints are of the same log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engine import durable_files
from engine.trail import segments
from engine.trail.merkle import HASH_BYTES
from engine.trail.segment_archive import SegmentLost
from engine.trail.segments import Segment


def file_of(trail: Path, segment: Segment) -> Path:
    return segments.folder(trail) / f"{segment.name}.leaves"


def keep(trail: Path, segment: Segment, found: Iterable[bytes]) -> None:
    """Durable when it returns."""
    path = file_of(trail, segment)
    durable_files.replace_file(path, b"".join(found))
    durable_files.sync_folder(path.parent)


def of_segment(trail: Path, segment: Segment) -> Iterator[bytes]:
    """Raises SegmentLost where they are not there."""
    path = file_of(trail, segment)
    try:
        kept = path.read_bytes()
    except FileNotFoundError as reason:
        raise SegmentLost(f"the hashes that were kept of removed records are gone: {path}") from reason
    if len(kept) != segment.records * HASH_BYTES:
        raise SegmentLost(f"the hashes that were kept of removed records are cut off: {path}")
    for at in range(0, len(kept), HASH_BYTES):
        yield kept[at : at + HASH_BYTES]


def of_removed(trail: Path, number: int) -> Iterator[bytes]:
    """Those of all removed records behind record `number`."""
    for segment in segments.load(trail).gone:
        if segment.last > number:
            for sequence, leaf in enumerate(of_segment(trail, segment), segment.first):
                if sequence > number:
                    yield leaf
