"""A witness: sees another installation's log grow, cosigns each checkpoint that continues the last one it saw, and no other.

What it remembers is one small file; whoever has it can show what the log was. The first checkpoint is believed (or the log's verifier key
is given); from then on a log that is rewritten, cut or put back to an older state is refused. Specifications: c2sp.org/tlog-checkpoint,
c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.durable_files import replace_file, sync_folder
from engine.trail import log, merkle, signed_note
from engine.trail.log import TreeHead


class Refused(Exception):
    """The log is not the one that was seen before. The message is one line."""


@dataclass(frozen=True, slots=True)
class State:
    """The last checkpoint that was cosigned, with the verifier key that it is signed by."""

    log_key: str
    note: str


def load(path: Path) -> State | None:
    """None where nothing was seen yet. Raises ValueError if the file is not a witness's."""
    try:
        return State(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except TypeError as reason:
        raise ValueError("it is not the file of a witness") from reason


def store(path: Path, state: State) -> None:
    """Durable before the cosignature goes anywhere: a witness must not forget what it signed."""
    replace_file(path, f"{json.dumps(asdict(state), indent=2)}\n".encode())
    sync_folder(path.parent)


def head_of(note: str, log_key: str) -> TreeHead:
    """The checkpoint of a note that the log's key signed. Raises Refused."""
    try:
        verifier = signed_note.parse_verifier_key(log_key)
        head = log.parse(signed_note.open_(note, verifier.name, verifier.key))
    except ValueError as reason:
        raise Refused(f"the checkpoint is not genuine: {reason}") from reason
    if head.origin != verifier.name:
        raise Refused(f"the checkpoint is of another log, {head.origin}")
    return head


def continued(state: State, proof: dict[str, Any]) -> State:
    """What is seen after a consistency proof (`kmsconsole-consistency-proof/1`) from the last checkpoint. Raises Refused."""
    old = head_of(state.note, state.log_key)
    note = str(proof.get("to", ""))
    new = head_of(note, state.log_key)
    if new.size < old.size:
        raise Refused(f"the log has {new.size} records and had {old.size}: it was cut, or an older state was put back")
    if new.size == old.size:
        if new.root != old.root:
            raise Refused(f"the first {old.size} records are other ones than before: the log was rewritten")
        return state
    try:
        hashes = [base64.b64decode(each, validate=True) for each in proof.get("proof", [])]
    except (binascii.Error, TypeError) as reason:
        raise Refused("the proof cannot be read") from reason
    if not merkle.verify_consistency(old.size, old.root, new.size, new.root, hashes):
        raise Refused(f"the log of {new.size} records does not continue the one of {old.size}: it was rewritten")
    return State(state.log_key, _own_part(note))


def cosigned(state: State, name: str, key: Ed25519PrivateKey, moment: datetime) -> str:
    """The checkpoint with this witness's line under it."""
    text, _lines = signed_note.split(state.note)
    return state.note + signed_note.cosign(text, name, key, moment)


def first_seen(document: dict[str, Any], log_key: str = "") -> State:
    """Of the first checkpoint (`kmsconsole-checkpoint/1`); `log_key`: the verifier key, where it is known. Raises Refused."""
    key, note = log_key or str(document.get("publicKey", "")), str(document.get("checkpoint", ""))
    head_of(note, key)
    return State(key, _own_part(note))


def _own_part(note: str) -> str:
    """The note with the log's own signature alone."""
    text, lines = signed_note.split(note)
    origin = text.split("\n", 1)[0]
    return text + "\n" + "".join(f"{line}\n" for line in lines if line.startswith(f"— {origin} "))
