"""Exports that prove themselves: records with their proofs, line by line (docs/proofs.md), for the stand-alone verifier.

The first line names the checkpoint and its public key, each line behind it is a record, and the last is a note, signed by the
installation, of how many records there are and of the hash over all lines before it: what is missing or in another order is found. An
export of the whole log has no audit paths, since the root is computed of the records themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import takewhile
from typing import Any

import orjson

from engine import clock
from engine.trail import checkpoints, log, log_proofs, removals, segments, signed_note
from engine.trail.log_proofs import NoProof
from engine.trail.log_records import JournalRecords, Records
from engine.trail.models import LogCheckpoint
from engine.trail.removals import RemovalNotProved

FORMAT = "kmsconsole-proved-export/1"
_NOTE = "export"  # what the last line is signed as


def selected(records: Records, sequences: Iterable[int]) -> Iterator[str]:
    """The records of these numbers, which ascend, each with its audit path: looked up as they are asked for, however many. Raises NoProof,
    LogRewritten and others; behind the first line what cannot be proved ends the export without its last line."""
    checkpoint = _checkpoint(records)
    covered = takewhile(lambda sequence: sequence <= checkpoint.size, sequences)
    members = (log_proofs.inclusion(records, sequence, checkpoint).members() for sequence in covered)
    lines = ({name: value for name, value in each.items() if name != "leafHash"} for each in members)
    return _lines(checkpoint, "selected", lines)


def whole(records: Records) -> Iterator[str]:
    """Every record that is there, of all accounts of the log: for whoever runs the machine. What the retention rule removed is told by its signed
    statements, and by what the root needs of it. Raises NoProof, LogRewritten and others."""
    checkpoint = _checkpoint(records)
    removed = _removed(records)
    lines = (
        {"index": each.sequence - 1, "record": each.text.decode()}
        for each in records.after(records.removed().sequence)
        if each.sequence <= checkpoint.size
    )
    return _lines(checkpoint, "whole", lines, {"removed": removed} if removed else {})


def _removed(records: Records) -> dict[str, Any] | None:
    """`statements` of the removals, the `checkpoint` that was signed of all records that are gone, and the `subtrees` of its tree."""
    if not isinstance(records, JournalRecords) or not records.removed().sequence:
        return None
    trail = records.path.parent
    try:
        gone, _said = removals.behind(trail, records)
    except RemovalNotProved as reason:
        raise NoProof(str(reason)) from reason
    found = segments.load(trail)
    return {
        "statements": [each.note for each in found.removals],
        "checkpoint": found.gone[-1].checkpoint,
        "subtrees": [signed_note.encoded(each) for each in gone.frontier.hashes],
    }


def _checkpoint(records: Records) -> LogCheckpoint:
    found = log.sign(records)
    if found is None:
        raise NoProof("nothing was recorded yet")
    return found


def _lines(
    checkpoint: LogCheckpoint, kind: str, members: Iterable[dict[str, Any]], more: dict[str, Any] | None = None
) -> Iterator[str]:
    digest, number = sha256(), -1  # the first line is no record
    head = {
        "format": FORMAT,
        "kind": kind,
        "publicKey": log.public_key(checkpoint.origin),
        "checkpoint": log_proofs.note_of(checkpoint),
        **(more or {}),
    }
    for each in _and_then(head, members):
        line = orjson.dumps(each) + b"\n"
        digest.update(line)
        number += 1
        yield line.decode()
    mine = checkpoints.signer()
    name = mine.name(_NOTE)
    moment = clock.real_now().isoformat(timespec="seconds")
    note = signed_note.sign(
        f"{name}\n{number}\n{signed_note.encoded(digest.digest())}\ntime {moment}\n", name, mine.key
    )
    key = signed_note.verifier_key(name, mine.key.public_key())
    yield (orjson.dumps({"end": note, "publicKey": key}) + b"\n").decode()


def _and_then(head: dict[str, Any], members: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield head
    yield from members
