"""Is the record complete and unchanged? Walks the whole chain; at a server's start also tells which changes never took place."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from engine.trail import changes, recorder
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import GENESIS, Journal, read, torn_bytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken_at` is the sequence number at which the chain first breaks (0: nowhere); `torn` the bytes of an unfinished last line."""

    records: int
    last_hash: str
    broken_at: int
    reason: str
    torn: int

    @property
    def whole(self) -> bool:
        return not self.broken_at


def verify(path: Path | None = None) -> Verdict:
    """Read every record and compare every hash: of the file at `path`, else of this installation's trail."""
    if path is None and connection.vendor == "postgresql":
        return _verify_database()
    path = path or Path(settings.DATA) / "trail" / "journal"
    if not path.exists():
        return Verdict(0, GENESIS.hex(), 0, "", 0)
    sequence, digest, end = 0, GENESIS, 0
    try:
        for entry in read(path):
            if entry.sequence != sequence + 1:
                reason = _out_of_place(entry.sequence, sequence + 1)
                return Verdict(sequence, digest.hex(), sequence + 1, reason, 0)
            if entry.digest != sha256(digest + entry.record).digest():
                return Verdict(sequence, digest.hex(), entry.sequence, _("its hash is not that of its content"), 0)
            sequence, digest, end = entry.sequence, entry.digest, entry.end
    except TrailUnavailable as reason_:
        return Verdict(sequence, digest.hex(), sequence + 1, str(reason_), 0)
    return Verdict(sequence, digest.hex(), 0, "", torn_bytes(path, end))


def _verify_database() -> Verdict:
    """Walk the chain of every account. The hash of the verdict is over all heads, in the order of account numbers."""
    from engine.trail.models import Event, Head

    heads: dict[str, tuple[int, bytes]] = {}
    records = 0
    broken: Verdict | None = None
    with transaction.atomic():  # a server-side cursor, and heads as they were when the walk began
        ends = {head.account: (head.sequence, bytes(head.digest)) for head in Head.objects.all()}
        rows = Event.objects.order_by("account", "sequence").values_list("account", "sequence", "digest", "record")
        for account, sequence, digest, record in rows.iterator(chunk_size=2000):
            last, previous = heads.get(account, (0, GENESIS))
            if sequence > ends.get(account, (0, GENESIS))[0]:
                continue  # appended meanwhile
            records += 1
            if sequence != last + 1:
                broken = _broken(records, previous, last + 1, account, _out_of_place(sequence, last + 1))
            elif bytes(digest) != sha256(previous + record.encode()).digest():
                broken = _broken(records, previous, sequence, account, _("its hash is not that of its content"))
            if broken is not None:
                return broken
            heads[account] = (sequence, bytes(digest))
    for account, end in ends.items():
        last, previous = heads.get(account, (0, GENESIS))
        if (last, previous) != end:
            return _broken(
                records, previous, last + 1, account, _("it is missing: the chain ended at %(end)d") % {"end": end[0]}
            )
    total = sha256(b"".join(account.encode() + heads[account][1] for account in sorted(heads)))
    return Verdict(records, total.hexdigest(), 0, "", 0)


def _broken(records: int, digest: bytes, sequence: int, account: str, reason: str) -> Verdict:
    said = _("account %(account)s: %(problem)s") % {"account": account, "problem": reason}
    return Verdict(records, digest.hex(), sequence, said, 0)


def _out_of_place(sequence: int, expected: int) -> str:
    return _("record %(sequence)d stands where %(expected)d should") % {"sequence": sequence, "expected": expected}


def recover() -> int:
    """At a server's start: cut off a torn tail, and void the records of changes whose transaction never committed.

    Returns how many records were voided. Raises TrailUnavailable if the chain is broken.
    """
    journal = recorder.journal()
    last = journal.recover()
    if not isinstance(journal, Journal):
        return 0  # in a database a record stands or falls with its change
    mark = changes.committed()
    if last < mark:
        logger.error(
            "audit journal: it ends at record %d, and record %d was acknowledged: records are lost", last, mark
        )
    if last <= mark:
        return 0
    return changes.void_uncommitted(journal, mark, recorder.void, "the server stopped before the change was committed")
