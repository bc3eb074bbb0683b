"""The trail as a transparency log: a Merkle tree over its records, and signed checkpoints of it that are kept for good.

The tree follows the journal, never a request (engine.trail.checkpoint_timer); it is hashes only, kept in a file that can be thrown away.
A checkpoint is C2SP's (c2sp.org/tlog-checkpoint): origin, size, root, and as extension lines the time and the chain's hash there, signed
by the installation's Ed25519 key. A checkpoint that does not continue the one before is never signed.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from engine import clock
from engine.store import transaction
from engine.trail import checkpoints, log_records, merkle, signed_note
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal_lines import GENESIS
from engine.trail.log_records import Records
from engine.trail.models import LogCheckpoint
from engine.trail.signed_note import encoded
from engine.trail.tree_file import TreeDamaged, TreeFile

logger = logging.getLogger(__name__)

_NOTE = "log"  # what its checkpoints are signed as
_AT_ONCE = 4_096  # records whose hashes are written together


class LogRewritten(Exception):
    """The records are not those that an earlier checkpoint was signed of. The message is one sentence; `first` and `last` are the
    records between which it begins, `size` how many the checkpoint names."""

    def __init__(self, sentence: str, first: int, last: int) -> None:
        super().__init__(sentence)
        self.first, self.last = first, last


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says. `chain`: the hash of the hash chain behind the last record."""

    origin: str
    size: int
    root: bytes
    time: datetime | None = None
    chain: bytes = b""

    def text(self) -> str:
        lines = [self.origin, str(self.size), encoded(self.root)]
        if self.time is not None:
            lines.append(f"time {self.time.astimezone(UTC).isoformat(timespec='seconds')}")
        if self.chain:
            lines.append(f"chain {encoded(self.chain)}")
        return "\n".join(lines) + "\n"


def parse(text: str) -> TreeHead:
    """The checkpoint of a note's text; extension lines of others are passed over. Raises ValueError."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise ValueError("it has no origin, size and root")
    origin, size, root, *extensions = lines
    if not (size.isascii() and size.isdigit()) or (size[0] == "0" and size != "0"):
        raise ValueError("its size is not a number")
    digest = base64.b64decode(root, validate=True)
    if len(digest) != merkle.HASH_BYTES:
        raise ValueError("its root is not a SHA-256 hash")
    named = dict(line.split(" ", 1) for line in extensions if " " in line)
    time = datetime.fromisoformat(named["time"]) if "time" in named else None
    return TreeHead(origin, int(size), digest, time, base64.b64decode(named.get("chain", ""), validate=True))


# --- the tree


@contextmanager
def tree(records: Records) -> Iterator[TreeFile]:
    """The file of a log's hashes."""
    with TreeFile(Path(settings.DATA) / "trail" / (f"tree-{records.account}" if records.account else "tree")) as file:
        yield file


def follow(records: Records, most: int | None = None) -> tuple[int, bytes]:
    """Let the tree reach what is durable, `most` records at once: (its size, the chain's hash there).

    Raises TrailUnavailable where a record does not follow the chain.
    """
    end = records.end()
    with tree(records) as file, file.growing():
        size, digest = _known(records, file)
        if size < records.removed().sequence:
            size, digest = _take_over_removed(records, file, size)
        frontier = merkle.frontier(size, file.read)
        wanted = end - size if most is None else min(end - size, most)
        hashes: list[bytes] = []
        for record in islice(records.after(size), max(wanted, 0)):
            if record.sequence != frontier.size + 1 or record.digest != sha256(digest + record.text).digest():
                raise TrailUnavailable(f"audit trail: record {frontier.size + 1} does not follow the chain")
            digest = record.digest
            hashes += frontier.add(merkle.leaf_hash(record.text))
            if frontier.size % _AT_ONCE == 0:
                file.append(hashes)
                hashes = []
        file.append(hashes)
        return frontier.size, digest


def _take_over_removed(records: Records, file: TreeFile, size: int) -> tuple[int, bytes]:
    """Of removed records the tree has what was kept of them."""
    frontier = merkle.frontier(size, file.read)
    hashes: list[bytes] = []
    for leaf in records.removed_leaves(size):
        hashes += frontier.add(leaf)
        if frontier.size % _AT_ONCE == 0:
            file.append(hashes)
            hashes = []
    file.append(hashes)
    return frontier.size, records.removed().digest


def _known(records: Records, file: TreeFile) -> tuple[int, bytes]:
    """(size, chain's hash there) that the tree can go on from: its own, if its last record is the journal's; else it begins anew."""
    size, removed = file.size, records.removed()
    if not size:
        return 0, GENESIS
    if size <= removed.sequence:
        if file.read(0, size - 1) == next(records.removed_leaves(size - 1), None):
            return size, removed.digest
        last = None
    else:
        last = next(records.after(size - 1), None)
    if last is not None and last.sequence == size and merkle.leaf_hash(last.text) == file.read(0, size - 1):
        return size, last.digest
    logger.warning("the tree of the audit trail does not fit it: it is made anew")
    file.cut(0)
    return 0, GENESIS


# --- checkpoints


def origin(records: Records, generation: int = 1) -> str:
    """The name of a log. A later generation begins where lost records were accepted: it does not continue the one before."""
    name = checkpoints.signer().name(_NOTE)
    if records.account:
        name += f"/{records.account}"
    return name if generation == 1 else f"{name}/{generation}"


def public_key(name: str) -> str:
    """The verifier key of the checkpoints of this origin, as C2SP writes it."""
    return signed_note.verifier_key(name, checkpoints.signer().key.public_key())


def latest(records: Records) -> LogCheckpoint | None:
    return LogCheckpoint.objects.filter(account=records.account).order_by("-generation", "-size").first()


def history(records: Records, generation: int | None = None) -> list[LogCheckpoint]:
    """The checkpoints of a log's generation, now's by default, in order."""
    if generation is None:
        last = latest(records)
        generation = last.generation if last is not None else 1
    return list(LogCheckpoint.objects.filter(account=records.account, generation=generation).order_by("size"))


def sign(records: Records) -> LogCheckpoint | None:
    """The checkpoint of all that is durable now: a new one, or the latest if nothing was recorded since. None for an empty trail.

    Raises LogRewritten if the records are not those of the latest checkpoint; TrailUnavailable, CheckpointError.
    """
    size, chain = follow(records)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(checkpoints.FLUSH)  # records are visible before they are on the database's disk
    last = latest(records)
    if last is not None:
        require_continued(records, last)
        if last.size == size:
            return last
    return _keep(records, size, chain, last.generation if last is not None else 1) if size else None


def _keep(records: Records, size: int, chain: bytes, generation: int) -> LogCheckpoint:
    with tree(records) as file:
        head = TreeHead(
            origin(records, generation), size, file.root(size), clock.real_now().replace(microsecond=0), chain
        )
        file.sync()
    note = signed_note.sign(head.text(), head.origin, checkpoints.signer().key)
    values = {"origin": head.origin, "root": head.root, "note": note, "time": head.time}
    with transaction.write():
        found, _made = LogCheckpoint.objects.get_or_create(
            account=records.account, generation=generation, size=size, defaults=values
        )
    return found


def require_continued(records: Records, checkpoint: LogCheckpoint) -> None:
    """Raises LogRewritten unless tree and chain hold what the checkpoint names. A tree that does not is made anew once before."""
    if not _in_tree(records, checkpoint):
        make_anew(records)
    elif _in_chain(records, checkpoint):
        return
    if holds(records, checkpoint):
        return
    with tree(records) as file:
        size = file.size
    if size < checkpoint.size:
        raise missing_behind(size, checkpoint)
    raise _located(records, history(records, checkpoint.generation))


def make_anew(records: Records) -> None:
    """The tree, of the records as they are. It takes as long as there are records."""
    with tree(records) as file, file.growing():
        file.cut(0)
    follow(records)


def holds(records: Records, checkpoint: LogCheckpoint) -> bool:
    """Whether tree and chain hold what the checkpoint names."""
    return _in_tree(records, checkpoint) and _in_chain(records, checkpoint)


def _in_tree(records: Records, checkpoint: LogCheckpoint) -> bool:
    with tree(records) as file:
        try:
            return file.size >= checkpoint.size and file.root(checkpoint.size) == bytes(checkpoint.root)
        except TreeDamaged:
            return False


def _in_chain(records: Records, checkpoint: LogCheckpoint) -> bool:
    removed = records.removed()
    if checkpoint.size < removed.sequence:
        return True  # the tree alone tells of them
    if checkpoint.size == removed.sequence:
        return removed.digest == head_of(checkpoint).chain
    last = next(records.after(checkpoint.size - 1), None)
    return last is not None and (last.sequence, last.digest) == (checkpoint.size, head_of(checkpoint).chain)


def open_checkpoint(note: str) -> TreeHead:
    """The checkpoint of a note that this installation signed as one of its log's. Raises NoteError, ValueError."""
    head = parse(signed_note.split(note)[0])
    mine = checkpoints.signer()
    if not f"{head.origin}/".startswith(f"{mine.name(_NOTE)}/"):
        raise signed_note.UnknownKeyError("it is not of this installation's log")
    signed_note.open_(note, head.origin, mine.key.public_key())
    return head


def head_of(checkpoint: LogCheckpoint) -> TreeHead:
    return parse(signed_note.split(checkpoint.note)[0])


def _located(records: Records, kept: list[LogCheckpoint]) -> LogRewritten:
    """Between which kept checkpoints the records begin to be others: found by halving, since what follows a change differs too.

    The tree may still have the hash of each record as it was: then the first that differs is told.
    """
    low, high = 0, len(kept) - 1  # the last one differs
    while low < high:
        middle = (low + high) // 2
        if holds(records, kept[middle]):
            low = middle + 1
        else:
            high = middle
    return located_between(records, kept[low], kept[low - 1].size if low else 0)


def located_between(records: Records, checkpoint: LogCheckpoint, before: int) -> LogRewritten:
    """The first record behind number `before` that is not the one of the checkpoint, as closely as the tree can tell."""
    if _in_tree(records, checkpoint):
        with tree(records) as file:
            for record in records.after(before):
                if record.sequence > checkpoint.size:
                    break
                if merkle.leaf_hash(record.text) != file.read(0, record.sequence - 1):
                    sentence = _("record %(first)d is not what it was when the checkpoint of %(time)s was signed")
                    values = {"first": record.sequence, "time": time_text(checkpoint.time)}
                    return LogRewritten(sentence % values, record.sequence, record.sequence)
    return rewritten_between(before + 1, checkpoint.size, checkpoint.time)


def missing_behind(size: int, checkpoint: LogCheckpoint) -> LogRewritten:
    """The records that a checkpoint names behind record `size`, where the trail ends."""
    sentence = _("%(missing)d records are missing that the checkpoint of %(time)s names: numbers %(first)d to %(last)d")
    values = {"missing": checkpoint.size - size, "time": time_text(checkpoint.time)}
    return LogRewritten(sentence % {**values, "first": size + 1, "last": checkpoint.size}, size + 1, checkpoint.size)


def rewritten_between(first: int, last: int, signed: datetime) -> LogRewritten:
    sentence = _(
        "of the records %(first)d to %(last)d at least one is not what it was when the checkpoint of %(time)s was signed"
    )
    return LogRewritten(sentence % {"first": first, "last": last, "time": time_text(signed)}, first, last)


def time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- at a start, and after a loss


def recover() -> None:
    """At a server's start: what the tree holds beyond the latest checkpoint may not have reached the disk, and is made again."""
    for records in log_records.every():
        last = latest(records)
        with tree(records) as file, file.growing():
            file.cut(last.size if last is not None else 0)


def begin_anew_where_lost() -> None:
    """After a loss was recorded: a log that does not continue its latest checkpoint begins another generation, under another origin."""
    for records in log_records.every():
        size, chain = follow(records)
        last = latest(records)
        if last is None or not size:
            continue
        try:
            require_continued(records, last)
        except LogRewritten:
            _keep(records, size, chain, last.generation + 1)
