"""The proof of the embedded record for pages, as the signed-in principal: verification, checkpoints, proofs, comparison and proved exports.

Each is a reading by the console's own action kmsconsole:ReadRecord, decided and recorded; keeping a witness's cosignature is
kmsconsole:AddCosignature, deciding on a removal of records kmsconsole:ApproveTrailRemoval or RejectTrailRemoval. Raises ClientError, and FAILURES where something cannot be proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from console.request import ConsoleRequest
from engine.public import proof
from engine.public.proof import FAILURES as FAILURES
from engine.public.proof import Comparison, LogCheckpoint, Verification
from engine.public.proof import NoProof as NoProof
from engine.public.proof import RemovalRefused as RemovalRefused
from keys import service

READ_RECORD, ADD_COSIGNATURE = "kmsconsole:ReadRecord", "kmsconsole:AddCosignature"
APPROVE_REMOVAL, REJECT_REMOVAL = "kmsconsole:ApproveTrailRemoval", "kmsconsole:RejectTrailRemoval"
_RECENT = 10


def _read(request: ConsoleRequest, **asked: Any) -> None:
    service.console_action(request, READ_RECORD, lambda: None, parameters=asked)


def may_read(request: ConsoleRequest) -> bool:
    """Whether the caller may verify the record; nothing is recorded."""
    return service.refusal(request, READ_RECORD) is None


def verify(request: ConsoleRequest, *, read_all: bool) -> Verification:
    _read(request, purpose="verification")
    return proof.verify(read_all=read_all)


def last_verification(request: ConsoleRequest) -> tuple[Verification | None, bool]:
    """The last verification, whoever asked for it, and whether it is still at it. Only for who `may_read`."""
    found = proof.last_verification() if may_read(request) else None
    return found, found is not None and proof.is_running(found)


def recent(request: ConsoleRequest) -> list[LogCheckpoint]:
    return proof.recent(request.signed_in.account_id, _RECENT) if may_read(request) else []


def verifier_key(checkpoints: list[LogCheckpoint]) -> str:
    """That the newest of these was signed with, as C2SP's signed notes write it. Empty where there is none."""
    return str(proof.checkpoint_document(checkpoints[0])["publicKey"]) if checkpoints else ""


def witnesses(request: ConsoleRequest) -> list[Any]:
    return proof.witnesses_of(request.signed_in.account_id) if may_read(request) else []


def storage(request: ConsoleRequest) -> Any:
    """What the record takes up; None where that cannot be told, and for who may not read the record."""
    return proof.storage() if may_read(request) else None


def removed_through() -> int:
    """The number of the last record that was removed; 0 where none was."""
    return proof.removed_through()


def removal_asked(request: ConsoleRequest) -> Any:
    """(what is asked to be removed, what the account has said to it), or None."""
    return proof.removal_asked(request.signed_in.account_id) if may_read(request) else None


def decide_removal(request: ConsoleRequest, removal_id: str, *, approve: bool) -> None:
    """Approve or reject what the operator of the machine asks to remove: the event of it is what counts. Raises RemovalRefused."""
    asked = proof.removal_parameters(removal_id)
    action = APPROVE_REMOVAL if approve else REJECT_REMOVAL
    service.console_action(request, action, lambda: None, parameters=asked)


def checkpoint(request: ConsoleRequest, before: datetime | None) -> LogCheckpoint:
    """The checkpoint as of now, or the last one signed `before`."""
    _read(request, purpose="checkpoint")
    found = proof.checkpoint(request.signed_in.account_id, before)
    if found is None:
        raise NoProof("there is no checkpoint of that time")
    return found


def checkpoint_document(found: LogCheckpoint) -> dict[str, Any]:
    return proof.checkpoint_document(found)


def note_of(found: LogCheckpoint) -> str:
    return proof.note_of(found)


def event(request: ConsoleRequest, event_id: str) -> dict[str, Any] | None:
    """The proof of an event of the account; None if there is none."""
    _read(request, purpose="proof", eventId=event_id)
    return proof.event(request.signed_in.account_id, event_id)


def consistency(request: ConsoleRequest, old: int, new: int) -> dict[str, Any] | None:
    _read(request, purpose="proof")
    return proof.consistency(request.signed_in.account_id, old, new)


def compare(request: ConsoleRequest, text: str) -> tuple[Comparison, int]:
    """What the trail is to an earlier checkpoint; cosignatures of witnesses in it are kept, and counted."""
    _read(request, purpose="verification")
    found = proof.compare(request.signed_in.account_id, text)
    names = proof.new_cosignatures(text) if found.continued else []
    kept = 0
    if names:
        kept = service.console_action(
            request, ADD_COSIGNATURE, lambda: proof.keep_cosignatures(text), parameters={"witnesses": names}
        )
    return found, kept


def export(request: ConsoleRequest, event_ids: Iterable[str]) -> Iterator[str]:
    """These events of the account, the oldest first, with their proofs."""
    _read(request, purpose="proof")
    return proof.export(request.signed_in.account_id, event_ids)
