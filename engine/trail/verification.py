"""Verification of this installation's trail: each record with its chain, the tree over them with each signed checkpoint, and the end with
the stored checkpoint of what the trail must reach.

It goes on from the last checkpoint up to which everything was found whole, which a signed statement says, unless all is to be read:
what was changed since in the records before is then not read, and only reading all finds it. On PostgreSQL all is read always.
Whoever reads all also compares what events are looked up by (engine.trail.index_check).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from engine import clock
from engine.trail import (
    checkpoints,
    index_check,
    journal_reader,
    log,
    log_records,
    merkle,
    removals,
    signed_note,
    verify,
)
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal_lines import GENESIS
from engine.trail.journal_reader import last_record, position_after, torn_bytes
from engine.trail.log_records import Record, Records
from engine.trail.models import Head, LogCheckpoint, Verification
from engine.trail.segment_archive import SegmentUnreachable
from engine.trail.signed_note import NoteError
from engine.trail.tree_file import TreeDamaged
from engine.trail.verify import Verdict

_NOTE = "verified"  # what the statement is signed as
_TOLD_EVERY = 1_000  # records

Progress = Callable[[int, int, int], None]  # the first record, how many were read, the last


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where reading begins: behind `size` records, whose chain ends in `digest`."""

    size: int
    digest: bytes
    frontier: merkle.Frontier


@dataclass(frozen=True, slots=True)
class _End:
    """Where a walk over one log ended, and the last checkpoint on the way; `broken_at` is 0 where all was whole."""

    size: int
    digest: bytes
    verified: LogCheckpoint | None
    broken_at: int = 0
    reason: str = ""


def run(*, read_all: bool = False, progress: Progress = lambda first, read, last: None) -> tuple[Verdict, str]:
    """(verdict, statement to keep of what was found whole). Raises CheckpointError, and SegmentUnreachable where records lie elsewhere."""
    checkpoint = checkpoints.stored()
    if connection.vendor == "postgresql":
        verdict, statement = _verify_database(progress), ""
        gap = verify.gap_in_database(checkpoint)
    else:
        verdict, statement = _verify_journal(read_all, progress)
        gap = verify.gap_in_journal(_journal_path(), checkpoint)
    if gap is None:
        mended = index_check.mend(read_all) if verdict.whole else ()
        return replace(verdict, mended=mended), statement
    if not verdict.whole and verdict.broken_at != gap.first:
        return replace(verdict, reason=f"{verdict.reason}; {gap.sentence()}"), ""
    return replace(verdict, broken_at=gap.first, reason=gap.sentence(), missing=gap.missing), ""


def _journal_path() -> Path:
    return Path(settings.DATA) / "trail" / "journal"


def _verify_journal(read_all: bool, progress: Progress) -> tuple[Verdict, str]:
    path, records = _journal_path(), log_records.of_account("")
    if not journal_reader.exists(path):
        return Verdict(0, GENESIS.hex(), 0, "", 0), ""
    try:
        gone, removed = removals.behind(path.parent, records)
    except removals.RemovalNotProved as reason:
        return Verdict(0, GENESIS.hex(), reason.first, str(reason), 0), ""
    begin = _last_verified(records) if not read_all else _nothing()
    if begin.size < gone.sequence:
        begin = _Begin(gone.sequence, gone.digest, gone.frontier)
    last = last_record(path)
    total = last.sequence if last is not None else 0
    end = _walk(records, begin, None, lambda number: progress(begin.size + 1, number, total))
    first = begin.size + 1
    if end.broken_at:
        if records.removed().sequence != gone.sequence:
            return _verify_journal(read_all, progress)  # records were removed while they were read
        verdict = Verdict(end.size, end.digest.hex(), end.broken_at, end.reason, 0, first=first, removed=removed)
        return verdict, ""
    covered = end.verified.size if end.verified is not None else begin.size
    torn = torn_bytes(path, position_after(path, end.size))
    statement = _state(end.verified) if end.verified is not None else ""
    return Verdict(end.size, end.digest.hex(), 0, "", torn, first=first, covered=covered, removed=removed), statement


def _verify_database(progress: Progress) -> Verdict:
    """Walk the chain of every account. The hash of the verdict is over all heads, in the order of account numbers."""
    heads: dict[str, tuple[int, bytes]] = {}
    done = covered = 0
    with transaction.atomic():
        ends = {head.account: (head.sequence, bytes(head.digest)) for head in Head.objects.order_by("account")}
        total = sum(sequence for sequence, _digest in ends.values())
        for account, expected in ends.items():
            records = log_records.of_account(account)
            end = _walk(records, _nothing(), expected[0], partial(_told, progress, done, total))
            done += end.size
            reason = end.reason
            if not end.broken_at and (end.size, end.digest) != expected:
                end = replace(end, broken_at=end.size + 1)
                reason = _("it is missing: the chain ended at %(end)d") % {"end": expected[0]}
            if end.broken_at:
                return Verdict(done, end.digest.hex(), end.broken_at, verify.in_account(account, reason), 0)
            covered += end.verified.size if end.verified is not None else 0
            heads[account] = (end.size, end.digest)
    return Verdict(done, checkpoints.total(heads).hex(), 0, "", 0, covered=covered)


def _told(progress: Progress, before: int, total: int, number: int) -> None:
    progress(1, before + number, total)


def _walk(records: Records, begin: _Begin, upto: int | None, told: Callable[[int], None]) -> _End:
    """Read the records of one log behind `begin`, up to number `upto`. Compares chain, tree and kept checkpoints."""
    size, digest, frontier = begin.size, begin.digest, begin.frontier
    waiting = iter([each for each in log.history(records) if each.size > size])
    due, verified = next(waiting, None), None
    try:
        for record in records.after(size):
            if upto is not None and record.sequence > upto:
                break
            if record.sequence != size + 1:
                return _End(size, digest, verified, size + 1, verify.out_of_place(record.sequence, size + 1))
            if record.digest != sha256(digest + record.text).digest():
                return _End(size, digest, verified, record.sequence, _("its hash is not that of its content"))
            size, digest = record.sequence, record.digest
            frontier.add(merkle.leaf_hash(record.text))
            if due is not None and due.size == size:
                problem = _differs(records, due, frontier.root(), verified.size if verified else begin.size)
                if problem is not None:
                    return _End(problem.first - 1, digest, verified, problem.first, str(problem))
                due, verified = next(waiting, None), due
            if size % _TOLD_EVERY == 0:
                told(size)
    except SegmentUnreachable:
        raise  # whether it is whole cannot be told
    except TrailUnavailable as reason:
        return _End(size, digest, verified, size + 1, str(reason))
    told(size)
    if due is not None and (upto is None or due.size <= upto):
        return _End(size, digest, verified, size + 1, str(log.missing_behind(size, due)))
    return _End(size, digest, verified)


def _nothing() -> _Begin:
    return _Begin(0, GENESIS, merkle.Frontier())


def _differs(records: Records, kept: LogCheckpoint, root: bytes, before: int) -> log.LogRewritten | None:
    """What is wrong where a kept checkpoint is not of the records up to it, or is not genuine; they agreed up to record `before`."""
    try:
        head = log.open_checkpoint(kept.note)
    except (NoteError, ValueError):
        sentence = _("the stored checkpoint of %(size)d records is not genuine")
        return log.LogRewritten(sentence % {"size": kept.size}, kept.size, kept.size)
    if (head.size, head.root) == (kept.size, root):
        return None
    return log.located_between(records, kept, before)


# --- where the next verification goes on


def _state(verified: LogCheckpoint) -> str:
    """The signed statement that everything up to a checkpoint was read and found whole."""
    mine = checkpoints.signer()
    name = mine.name(_NOTE)
    head = log.head_of(verified)
    members = (name, head.origin, str(head.size), head.root, head.chain, clock.real_now().isoformat(timespec="seconds"))
    lines = [signed_note.encoded(each) if isinstance(each, bytes) else each for each in members]
    return signed_note.sign("\n".join(lines) + "\n", name, mine.key)


def _last_verified(records: Records) -> _Begin:
    """Behind the last checkpoint that was found whole, if tree and chain have it still; else the beginning."""
    done = Verification.objects.filter(account=records.account).exclude(verified="")
    statement = done.order_by("-started").values_list("verified", flat=True).first()
    if not statement:
        return _nothing()
    mine = checkpoints.signer()
    try:
        text = signed_note.open_(statement, mine.name(_NOTE), mine.key.public_key())
        _name, origin, number, root, chain, _time = text.splitlines()
    except ValueError:
        return _nothing()
    size, digest = int(number), base64.b64decode(chain)
    if size <= records.removed().sequence:
        return _nothing()  # reading begins behind what was removed
    last: Record | None = next(_readable(records, size - 1), None)
    now = log.latest(records)
    if now is None or now.origin != origin or last is None or (last.sequence, last.digest) != (size, digest):
        return _nothing()
    try:
        with log.tree(records) as file:
            frontier = merkle.frontier(size, file.read)
    except TreeDamaged:
        return _nothing()
    return _Begin(size, digest, frontier) if frontier.root() == base64.b64decode(root) else _nothing()


def _readable(records: Records, number: int) -> Iterator[Record]:
    try:
        yield from records.after(number)
    except TrailUnavailable:
        return
