"""Removals of records: the signed statement that each left, what it says, and whether what stays proves it.

Without such a statement, missing records are missing. With it they are known to be gone: their hashes in the tree stay, and agree with the
checkpoint that was signed of them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.utils.translation import gettext as _

from engine import clock
from engine.trail import checkpoints, log, merkle, segments, signed_note
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal_lines import GENESIS
from engine.trail.log_records import Records
from engine.trail.segments import Removal, Request, Segment
from engine.trail.signed_note import NoteError

_NOTE = "removal"  # what the statement is signed as


class RemovalNotProved(Exception):
    """Records are said to be removed, and that is not so. The message is one sentence; `first` is the first of them."""

    def __init__(self, sentence: str, first: int) -> None:
        super().__init__(sentence)
        self.first = first


def signed(first: int, last: Segment, request: Request, approved: list[str]) -> Removal:
    """The removal of records `first` to the last of a segment, with its statement, as of now."""
    mine = checkpoints.signer()
    head = log.parse(signed_note.split(last.checkpoint)[0])
    lines = [
        mine.name(_NOTE),
        head.origin,
        f"records {first} {last.last}",
        f"root {signed_note.encoded(head.root)}",
        f"chain {last.digest}",
        f"time {clock.real_now().astimezone(UTC).isoformat(timespec='seconds')}",
        f"id {request.id}",
        f"by {request.by}",
        *(f"approved {each}" for each in approved),
        f"reason {request.reason}",
    ]
    return Removal(first, last.last, signed_note.sign("\n".join(lines) + "\n", mine.name(_NOTE), mine.key))


@dataclass(frozen=True, slots=True)
class Statement:
    """What a removal's note says. `chain` is hexadecimal."""

    first: int
    last: int
    root: bytes
    chain: str
    time: datetime
    id: str
    by: str
    approved: tuple[str, ...]
    reason: str

    def sentence(self) -> str:
        said = _("records %(first)d to %(last)d were removed by the retention rule on %(date)s by %(by)s, approved by %(approved)s (%(reason)s); checkpoint %(root)s")  # fmt: skip
        return said % {
            "first": self.first,
            "last": self.last,
            "date": log.time_text(self.time),
            "by": self.by,
            "approved": ", ".join(self.approved) or "–",
            "reason": self.reason,
            "root": signed_note.encoded(self.root),
        }


def statement(removal: Removal) -> Statement:
    """Raises NoteError where this installation did not sign it, or it is of other records."""
    mine = checkpoints.signer()
    text = signed_note.open_(removal.note, mine.name(_NOTE), mine.key.public_key())
    pairs = [line.split(" ", 1) for line in text.splitlines()[2:]]
    said = dict(pairs)
    first, last = (int(each) for each in said["records"].split())
    if (first, last) != (removal.first, removal.last):
        raise NoteError("the statement of a removal is of other records")
    return Statement(
        first,
        last,
        base64.b64decode(said["root"], validate=True),
        said["chain"],
        datetime.fromisoformat(said["time"]),
        said["id"],
        said["by"],
        tuple(value for name, value in pairs if name == "approved"),
        said["reason"],
    )


@dataclass(frozen=True, slots=True)
class Gone:
    """The end of what was removed: its number, the chain's hash and the tree there."""

    sequence: int
    digest: bytes
    frontier: merkle.Frontier


def behind(trail: Path, records: Records) -> tuple[Gone, tuple[str, ...]]:
    """(where what is there begins, a sentence for each removal). Every removal is signed, and the hashes that were kept of its records agree
    with it and with every checkpoint of them. Raises RemovalNotProved, CheckpointError."""
    found, frontier, said = segments.load(trail), merkle.Frontier(), list[str]()
    hashes = records.removed_leaves(0)
    kept = {each.size: each for each in log.history(records)}
    for removal in found.removals:
        told = _told(found, removal, frontier.size)
        try:
            while frontier.size < removal.last:
                frontier.add(next(hashes))
                checkpoint = kept.get(frontier.size)
                if checkpoint is not None and frontier.root() != bytes(checkpoint.root):
                    sentence = _("the hashes that were kept of the removed records are not those that the checkpoint of %(size)d records was signed of")  # fmt: skip
                    raise RemovalNotProved(sentence % {"size": frontier.size}, removal.first)
        except (TrailUnavailable, StopIteration) as reason:
            raise RemovalNotProved(str(reason) or _("hashes of removed records are missing"), removal.first) from reason
        if frontier.root() != told.root:
            sentence = _("the hashes that were kept of the removed records %(first)d to %(last)d are not those that were signed")  # fmt: skip
            raise RemovalNotProved(sentence % {"first": removal.first, "last": removal.last}, removal.first)
        said.append(told.sentence())
    removed = records.removed()
    if removed.sequence != frontier.size:
        sentence = _("records %(first)d to %(last)d are not there, and no signed statement says that they were removed")
        raise RemovalNotProved(sentence % {"first": frontier.size + 1, "last": removed.sequence}, frontier.size + 1)
    return Gone(removed.sequence, removed.digest if removed.sequence else GENESIS, frontier), tuple(said)


def _told(found: segments.Segments, removal: Removal, before: int) -> Statement:
    """What the statement of a removal says, if it is this installation's and of those records."""
    try:
        told = statement(removal)
    except (NoteError, ValueError, KeyError) as reason:
        sentence = _("records %(first)d to %(last)d are not there, and the statement of their removal is not genuine")
        raise RemovalNotProved(sentence % {"first": removal.first, "last": removal.last}, removal.first) from reason
    last = found.of(removal.last)
    if removal.first != before + 1 or last is None or (last.last, last.digest) != (removal.last, told.chain):
        sentence = _("the statement of the removal of records %(first)d to %(last)d is not of these segments")
        raise RemovalNotProved(sentence % {"first": removal.first, "last": removal.last}, removal.first)
    return told
