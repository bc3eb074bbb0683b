"""Proofs of the log as documents that anyone can verify without this program: of an event, and that one checkpoint continues another.

What is answered was verified here first; a tree whose file is damaged is made anew of the records before. Formats: docs/proofs.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.trail import log, merkle
from engine.trail.checkpoints import CheckpointError
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.log import LogRewritten
from engine.trail.log_records import Records
from engine.trail.models import LogCheckpoint
from engine.trail.signed_note import encoded
from engine.trail.tree_file import TreeDamaged, TreeFile

EVENT_FORMAT = "kmsconsole-event-proof/1"
CONSISTENCY_FORMAT = "kmsconsole-consistency-proof/1"
CHECKPOINT_FORMAT = "kmsconsole-checkpoint/1"


class NoProof(Exception):
    """What is asked for cannot be proved. The message is one sentence."""


FAILURES = (NoProof, LogRewritten, TrailUnavailable, CheckpointError)  # each says in a sentence what is wrong


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a record is in the log: `index` counts from 0."""

    index: int
    record: bytes
    leaf: bytes
    path: list[bytes]

    def members(self) -> dict[str, Any]:
        """As documents have it."""
        return {
            "index": self.index,
            "record": self.record.decode(),
            "leafHash": encoded(self.leaf),
            "auditPath": [encoded(each) for each in self.path],
        }


def note_of(checkpoint: LogCheckpoint) -> str:
    """The checkpoint with the signatures of all witnesses that are known."""
    return checkpoint.note + "".join(each.line for each in checkpoint.cosignatures.order_by("witness"))


def checkpoint_for(records: Records, sequence: int) -> LogCheckpoint:
    """The oldest checkpoint that covers the record `sequence`; one is signed if there is none yet.

    Raises NoProof; LogRewritten, TrailUnavailable, CheckpointError.
    """
    last = log.latest(records)
    if last is None or last.size < sequence:
        last = log.sign(records)
    if last is None or last.size < sequence:
        raise NoProof(f"record {sequence} is not durable yet")
    covering = LogCheckpoint.objects.filter(account=records.account, generation=last.generation, size__gte=sequence)
    return covering.order_by("size").first() or last


def inclusion(records: Records, sequence: int, checkpoint: LogCheckpoint) -> Inclusion:
    """Raises NoProof if the record as it is now is not the one that was signed."""
    if sequence <= records.removed().sequence:
        raise NoProof(f"record {sequence} was removed by the retention rule")
    record = records.one(sequence)
    if record is None:
        raise NoProof(f"there is no record {sequence}")
    place = sequence - 1, checkpoint.size
    root, leaf = bytes(checkpoint.root), merkle.leaf_hash(record.text)

    def proved(file: TreeFile) -> list[bytes]:
        path = merkle.inclusion(*place, file.read)
        if not merkle.verify_inclusion(leaf, *place, path, root):
            if merkle.verify_inclusion(file.read(0, place[0]), *place, path, root):
                raise NoProof(f"record {sequence} is not the one that was signed")
            raise TreeDamaged
        return path

    return Inclusion(place[0], record.text, leaf, _from_tree(records, proved))


def consistency(records: Records, old: LogCheckpoint | log.TreeHead, new: LogCheckpoint) -> list[bytes]:
    """That `new` continues `old`. Raises NoProof if it does not."""
    if old.size > new.size:
        raise NoProof(f"a checkpoint of {new.size} records does not continue one of {old.size}")
    before, behind = bytes(old.root), bytes(new.root)

    def proved(file: TreeFile) -> list[bytes]:
        proof = merkle.consistency(old.size, new.size, file.read)
        if not merkle.verify_consistency(old.size, before, new.size, behind, proof):
            if merkle.verify_consistency(old.size, file.root(old.size), new.size, behind, proof):
                raise NoProof(f"the checkpoint of {new.size} records does not continue the one of {old.size}")
            raise TreeDamaged
        return proof

    return _from_tree(records, proved)


def _from_tree(records: Records, proved: Callable[[TreeFile], list[bytes]]) -> list[bytes]:
    """What the tree proves; where its file is damaged it is made anew, once. Raises NoProof."""
    try:
        with log.tree(records) as file:
            return proved(file)
    except TreeDamaged:
        log.make_anew(records)
    try:
        with log.tree(records) as file:
            return proved(file)
    except TreeDamaged as reason:
        raise NoProof("the records are not those that the checkpoint was signed of") from reason


def event_document(records: Records, sequence: int) -> dict[str, Any]:
    """The proof of one event. Raises as checkpoint_for and inclusion do."""
    checkpoint = checkpoint_for(records, sequence)
    return {
        "format": EVENT_FORMAT,
        "publicKey": log.public_key(checkpoint.origin),
        "checkpoint": note_of(checkpoint),
        **inclusion(records, sequence, checkpoint).members(),
    }


def consistency_document(records: Records, old: LogCheckpoint, new: LogCheckpoint) -> dict[str, Any]:
    """Raises NoProof."""
    return {
        "format": CONSISTENCY_FORMAT,
        "publicKey": log.public_key(new.origin),
        "from": note_of(old),
        "to": note_of(new),
        "proof": [encoded(each) for each in consistency(records, old, new)],
    }


def checkpoint_document(checkpoint: LogCheckpoint) -> dict[str, Any]:
    return {
        "format": CHECKPOINT_FORMAT,
        "publicKey": log.public_key(checkpoint.origin),
        "size": checkpoint.size,
        "rootHash": encoded(bytes(checkpoint.root)),
        "time": checkpoint.time.isoformat(),
        "checkpoint": note_of(checkpoint),
    }
