"""The proof of the record, which AWS offers as digest files only: its verification, signed checkpoints of its log, proofs from it, and the
comparison with a checkpoint that was kept elsewhere; and the signature of reports by the key that signs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from engine.iam import member_accounts
from engine.trail import (
    log,
    log_comparison,
    log_export,
    log_proofs,
    log_records,
    query,
    removal,
    segments,
    verification_job,
    witnesses,
)
from engine.trail.checkpoints import CheckpointError
from engine.trail.log_comparison import Comparison
from engine.trail.log_proofs import FAILURES, NoProof, note_of
from engine.trail.models import LogCheckpoint, Verification
from engine.trail.removal import RemovalRefused
from engine.trail.report_signature import SignedReport, sign
from engine.trail.segments import Request
from engine.trail.storage import Storage, measured
from engine.trail.verification_job import is_running

__all__ = [
    "FAILURES",
    "CheckpointError",
    "Comparison",
    "LogCheckpoint",
    "NoProof",
    "RemovalRefused",
    "SignedReport",
    "Verification",
    "checkpoint",
    "checkpoint_document",
    "compare",
    "consistency",
    "event",
    "export",
    "is_running",
    "keep_cosignatures",
    "last_verification",
    "new_cosignatures",
    "note_of",
    "recent",
    "removal_asked",
    "removal_parameters",
    "removed_through",
    "sign",
    "storage",
    "verify",
    "witnesses_of",
]


def verify(*, read_all: bool) -> Verification:
    """Begin a verification, unless one is at it; a short one is finished."""
    return verification_job.start(read_all=read_all)


def last_verification() -> Verification | None:
    return verification_job.latest()


def checkpoint(account_id: str, before: datetime | None = None) -> LogCheckpoint | None:
    """The checkpoint of all that is durable now, signed if there is none yet; or the last one that was signed `before`. Raises FAILURES."""
    records = log_records.of_account(account_id)
    if before is None:
        return log.sign(records)
    found = LogCheckpoint.objects.filter(account=records.account, time__lte=before.astimezone(UTC))
    return found.order_by("-generation", "-size").first()


def recent(account_id: str, most: int) -> list[LogCheckpoint]:
    """The latest stored checkpoints, the newest first."""
    kept = LogCheckpoint.objects.filter(account=log_records.of_account(account_id).account)
    return list(kept.prefetch_related("cosignatures").order_by("-generation", "-size")[:most])


def checkpoint_document(found: LogCheckpoint) -> dict[str, Any]:
    return log_proofs.checkpoint_document(found)


def event(account_id: str, event_id: str) -> dict[str, Any] | None:
    """The proof of an event of the account; None if it has no such event. Raises FAILURES."""
    page = query.lookup(account_id, query.Lookup(event_id=event_id, limit=1))
    if not page.sequences:
        return None
    return log_proofs.event_document(log_records.of_account(account_id), page.sequences[0])


def consistency(account_id: str, old: int, new: int) -> dict[str, Any] | None:
    """The proof that the checkpoint of `new` records continues the one of `old`; None if there are no such two. Raises FAILURES."""
    records = log_records.of_account(account_id)
    last = log.latest(records)
    generation = last.generation if last is not None else 1
    kept = LogCheckpoint.objects.filter(account=records.account, generation=generation, size__in=(old, new))
    found = {each.size: each for each in kept}
    if old not in found or new not in found:
        return None
    return log_proofs.consistency_document(records, found[old], found[new])


def compare(account_id: str, text: str) -> Comparison:
    """What the trail is to an earlier checkpoint. Raises FAILURES."""
    return log_comparison.compare([log_records.of_account(account_id)], text)


def export(account_id: str, event_ids: Iterable[str]) -> Iterator[str]:
    """The account's events of these IDs, the oldest first, with their proofs, line by line and as they are asked for (docs/proofs.md).
    Raises FAILURES."""
    pages = (query.lookup(account_id, query.Lookup(event_id=each, limit=1)) for each in event_ids)
    return log_export.selected(
        log_records.of_account(account_id), (page.sequences[0] for page in pages if page.sequences)
    )


def storage() -> Storage | None:
    """What the trail takes up; None where it is in a database."""
    return None if connection.vendor == "postgresql" else measured(_trail())


def removed_through() -> int:
    """The number of the last record that was removed; 0 where none was."""
    return query.removed_through()


def removal_asked(account_id: str) -> tuple[Request, removal.Decision] | None:
    """What the operator of the machine asks to remove of the account's records, and what the account has said to it. None for an account
    that another one manages: it does not decide."""
    if connection.vendor == "postgresql" or member_accounts.is_member(account_id):
        return None
    request = segments.load(_trail()).request
    said = removal.decisions(request, [account_id]) if request is not None else []
    return (request, said[0]) if request is not None and said else None


def removal_parameters(request_id: str) -> dict[str, Any]:
    """What a decision on it is recorded with. Raises RemovalRefused where it is not asked for any more."""
    return removal.parameters(removal.require_open(_trail(), request_id))


def _trail() -> Path:
    return Path(settings.DATA) / "trail"


def new_cosignatures(text: str) -> list[str]:
    """The names of configured witnesses that cosigned a checkpoint of this installation and whose cosignature is not kept yet."""
    return [each.witness.name for each in witnesses.new(text)]


def keep_cosignatures(text: str) -> int:
    """Keep them; how many there were."""
    return witnesses.keep(text)


def witnesses_of(account_id: str) -> list[witnesses.Seen]:
    """Each configured witness, with the latest checkpoint that it cosigned."""
    return witnesses.seen(log_records.of_account(account_id))
