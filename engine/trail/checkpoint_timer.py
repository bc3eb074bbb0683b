"""Moves the checkpoint of the audit trail each second in which something was recorded. One worker of a server runs it."""

from __future__ import annotations

import logging
import threading

from django.db import connection

from engine.store import transaction
from engine.trail import checkpoints, recorder
from engine.trail.journal import Journal
from engine.trail.models import Head

logger = logging.getLogger(__name__)

SECONDS = 1.0


def move(known: bytes = b"") -> bytes:
    """Move the stored checkpoint to the trail's durable end; the hash there. Nothing is written if that is `known`.

    Raises TrailUnavailable if the journal that is written is not the one in its place any more.
    """
    journal = recorder.journal()
    if isinstance(journal, Journal):
        journal.check_place()
        records, digest = journal.durable_end()
        if records and digest != known:
            checkpoints.advance(records, digest)
        return digest
    rows = Head.objects.values_list("account", "sequence", "digest")
    digest = checkpoints.total({account: (sequence, bytes(end)) for account, sequence, end in rows})
    if digest != known:
        checkpoints.advance_in_file()
    return digest


class CheckpointTimer:
    """A thread that moves the checkpoint each second, until `stop`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        known = b""
        while not self._stopping.wait(SECONDS):
            try:
                known = move(known)
            except Exception:  # a later second tries again; calls fail by themselves where the trail cannot be written
                logger.exception("the checkpoint of the audit trail was not moved")
                transaction.renew_connection()
        connection.close()
