"""Witnesses: others who saw the log grow, and signed that they did (c2sp.org/tlog-cosignature). Their keys are a setting; their
cosignatures are handed in by a person and kept with the checkpoint that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from engine.store import transaction
from engine.trail import log, log_comparison, signed_note
from engine.trail.log_records import Records
from engine.trail.models import Cosignature, LogCheckpoint
from engine.trail.signed_note import NoteError, VerifierKey


@dataclass(frozen=True, slots=True)
class Found:
    witness: VerifierKey
    checkpoint: LogCheckpoint
    line: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A witness, and the latest checkpoint that it cosigned (None: none that was handed in)."""

    name: str
    key: str
    size: int | None
    time: datetime | None


def configured() -> list[VerifierKey]:
    return [signed_note.parse_verifier_key(each) for each in settings.WITNESSES]


def new(text: str) -> list[Found]:
    """The genuine cosignatures of configured witnesses in `text` that are not kept yet; none where it is not a checkpoint of ours."""
    try:
        note = log_comparison.note_in(text)
        head = log.open_checkpoint(note)
        wanted = [(witness, signed_note.cosigned_at(note, witness)) for witness in configured()]
        body, lines = signed_note.split(note)
    except ValueError:  # NoteError too
        return []
    row = LogCheckpoint.objects.filter(origin=head.origin, size=head.size).first()
    if row is None or signed_note.split(row.note)[0] != body:
        return []
    known = set(row.cosignatures.values_list("witness", flat=True))
    return [
        Found(witness, row, _line_of(lines, body, witness), moment)
        for witness, moment in wanted
        if moment is not None and witness.name not in known
    ]


def _line_of(lines: list[str], body: str, witness: VerifierKey) -> str:
    for line in lines:
        note = f"{body}\n{line}\n"
        if signed_note.cosigned_at(note, witness) is not None:
            return line + "\n"
    raise NoteError("it is not cosigned")


def keep(text: str) -> int:
    """Keep what `new` finds; how many there were."""
    found = new(text)
    with transaction.write():
        for each in found:
            Cosignature.objects.get_or_create(
                checkpoint=each.checkpoint,
                witness=each.witness.name,
                defaults={"line": each.line, "time": each.time},
            )
    return len(found)


def seen(records: Records) -> list[Seen]:
    shown = []
    for witness in configured():
        kept = Cosignature.objects.filter(checkpoint__account=records.account, witness=witness.name)
        last = kept.select_related("checkpoint").order_by("-checkpoint__generation", "-checkpoint__size").first()
        size, moment = (last.checkpoint.size, last.time) if last is not None else (None, None)
        shown.append(Seen(witness.name, str(witness), size, moment))
    return shown
