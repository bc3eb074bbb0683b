"""An earlier checkpoint that somebody kept, compared with the trail as it is now: what auditors hold against the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.utils.translation import gettext as _

from engine.trail import checkpoints, log, merkle, signed_note
from engine.trail.log_proofs import NoProof, consistency
from engine.trail.log_records import Records
from engine.trail.models import LogCheckpoint
from engine.trail.signed_note import NoteError

SAME, EXTENDED, REWRITTEN, NEWER, REMOVED = "same", "extended", "rewritten", "newer than this trail", "removed"
FOREIGN, FORGED, UNREADABLE = "from another installation", "not genuine", "not a checkpoint"

_MEMBERS = ("checkpoint", "to")  # of a document, which is taken for the checkpoint in it


@dataclass(frozen=True, slots=True)
class Comparison:
    """`kind` is one of the words above. `first` and `last`: the records among which a rewritten trail begins to be another.
    `proof`: that `now`, the latest checkpoint, continues the given one."""

    kind: str
    sentence: str
    size: int = 0
    time: datetime | None = None
    first: int = 0
    last: int = 0
    proof: list[bytes] = field(default_factory=list)
    now: LogCheckpoint | None = None
    records: Records | None = None

    @property
    def continued(self) -> bool:
        return self.kind in (SAME, EXTENDED)


def note_in(text: str) -> str:
    """The checkpoint in what was pasted or uploaded: a note, or a document with one (an event's proof, say). Raises ValueError."""
    text = text.replace("\r\n", "\n").lstrip("\ufeff\n ")
    if not text.startswith("{"):
        return text.rstrip() + "\n"
    document = orjson.loads(text.partition("\n")[0] if "\n{" in text else text)
    for name in _MEMBERS:
        if isinstance(document.get(name), str):
            return str(document[name])
    raise ValueError("the document holds no checkpoint")


def compare(logs: Sequence[Records], text: str) -> Comparison:
    """What the trail is to the checkpoint in `text`, which may be of any of these logs. Raises TrailUnavailable, CheckpointError."""
    try:
        note = note_in(text)
        head = log.parse(signed_note.split(note)[0])
    except ValueError as reason:
        return Comparison(UNREADABLE, _("this is not a checkpoint: %(reason)s") % {"reason": reason})
    given: dict[str, Any] = {"size": head.size, "time": head.time}
    if head.origin == checkpoints.signer().origin:
        return _compare_with_chain(logs, note)
    try:
        log.open_checkpoint(note)
    except signed_note.UnknownKeyError:
        said = _("it was signed by another installation's key, for the log %(origin)s") % {"origin": head.origin}
        return Comparison(FOREIGN, said, **given)
    except NoteError as reason:
        said = _("it names this installation's log, but %(reason)s") % {"reason": reason}
        return Comparison(FORGED, said, **given)
    for records in logs:
        name = log.origin(records)
        if f"{head.origin}/".startswith(f"{name}/"):
            return _compare_with(records, head)
    return Comparison(FOREIGN, _("it is of another account's log: %(origin)s") % {"origin": head.origin}, **given)


def _compare_with(records: Records, head: log.TreeHead) -> Comparison:
    try:
        now = log.sign(records)
    except log.LogRewritten:
        now = None  # the latest stored one does not hold either: what is there is compared
    with log.tree(records) as file:
        size = file.size
        root = file.root(head.size) if head.size <= size else b""
    given: dict[str, Any] = {"size": head.size, "time": head.time, "now": now, "records": records}
    if head.size > size:
        values = {"first": size + 1, "last": head.size, "size": size}
        said = _("the trail ends at record %(size)d: it is an older one, put back from a backup, or cut off; records %(first)d to %(last)d are missing")  # fmt: skip
        return Comparison(NEWER, said % values, first=size + 1, last=head.size, **given)
    if root == head.root and _chain_at(records, head.size) in (head.chain, None):
        if now is None:
            said = _("up to record %(size)d the trail is the same; behind it, it is not what was signed later")
            return Comparison(EXTENDED, said % {"size": head.size}, **given)
        if now.size == head.size:
            return Comparison(
                SAME, _("nothing was recorded since; the trail has %(size)d records") % {"size": size}, **given
            )
        said = _("the trail has the same first %(old)d records and %(more)d more")
        try:
            proof = consistency(records, head, now)
        except NoProof as reason:
            return Comparison(REWRITTEN, str(reason), first=1, last=head.size, **given)
        return Comparison(EXTENDED, said % {"old": head.size, "more": now.size - head.size}, proof=proof, **given)
    first, last = _bounds(records, head)
    if first == last:
        said = _("the trail is rewritten from record %(first)d on")
    elif first > 1:
        said = _("the trail is rewritten: it differs from some record of %(first)d to %(last)d on; up to record %(agrees)d it is as the last stored checkpoint before says")  # fmt: skip
    else:
        said = _("the trail is rewritten: it differs from some record of %(first)d to %(last)d on")
    return Comparison(
        REWRITTEN, said % {"first": first, "last": last, "agrees": first - 1}, first=first, last=last, **given
    )


def _chain_at(records: Records, size: int) -> bytes | None:
    """The chain's hash behind a record; None where the tree alone says what was signed."""
    last = next(records.after(size - 1), None) if size else None
    return last.digest if last is not None and last.sequence == size else None


def _bounds(records: Records, head: log.TreeHead) -> tuple[int, int]:
    """Between which records the trail begins to be another than the checkpoint's: behind the last stored checkpoint that was signed no
    later and holds still, and exactly where the tree still has the hashes that were signed."""
    kept = LogCheckpoint.objects.filter(account=records.account, size__lt=head.size).order_by("-size")
    before = 0
    for each in kept.iterator(chunk_size=200):
        if head.time is not None and each.time > head.time:
            continue
        if log.holds(records, each):
            before = each.size
            break
    with log.tree(records) as file:
        if (
            file.size >= head.size and file.root(head.size) == head.root
        ):  # the tree is as it was signed, the records are not
            for record in records.after(before):
                if record.sequence > head.size:
                    break
                if merkle.leaf_hash(record.text) != file.read(0, record.sequence - 1):
                    return record.sequence, record.sequence
    return before + 1, head.size


def _compare_with_chain(logs: Sequence[Records], note: str) -> Comparison:
    """A checkpoint from before there were trees, or the one of what the trail must reach: it names the chain's hash."""
    try:
        mark = checkpoints.open_note(note)
    except checkpoints.CheckpointError as reason:
        return Comparison(FORGED, str(reason))
    given: dict[str, Any] = {"size": mark.records, "time": mark.time}
    wanted = [(each, *mark.accounts.get(each.account, (mark.records, mark.digest))) for each in logs]
    if mark.accounts:
        wanted = [each for each in wanted if each[0].account in mark.accounts]
    for records, size, digest in wanted:
        if 0 < size <= records.removed().sequence:
            said = _("the records up to %(removed)d were removed by the retention rule: whether the trail goes on from a hash of the chain among them cannot be told")  # fmt: skip
            return Comparison(REMOVED, said % {"removed": records.removed().sequence}, **given)
        last = next(records.after(size - 1), None) if size else None
        if size and (last is None or last.sequence != size):
            said = _("the trail ends before record %(size)d: it is an older one, put back from a backup, or cut off")
            return Comparison(NEWER, said % {"size": size}, first=1, last=size, **given)
        if last is not None and last.digest != digest:
            said = _("the trail is rewritten: it differs from some record of %(first)d to %(last)d on")
            return Comparison(REWRITTEN, said % {"first": 1, "last": size}, first=1, last=size, **given)
    said = _(
        "the trail goes on from its %(size)d records; the checkpoint names the chain, which is compared without a proof"
    )
    return Comparison(EXTENDED, said % {"size": mark.records}, **given)
