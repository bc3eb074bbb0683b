"""Each second in which something was recorded moves the checkpoint of the audit trail; some thousand records further the log's tree follows,
and each minute signs the log. One worker of a server runs it.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import connection

from engine.store import transaction
from engine.trail import checkpoints, log, log_records, recorder
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.models import Head

logger = logging.getLogger(__name__)

SECONDS = 1.0
SIGN_SECONDS = 60.0
WAITING = 1_000  # records that the tree follows together: to find where it stands takes as long as twenty of them
_FOLLOWED = 20_000  # records a second at most: a trail from before there were trees is caught up with beside the calls


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


class LogTimer:
    """Lets the tree of each log follow its records, and signs it once a minute while something is recorded."""

    def __init__(self) -> None:
        self._followed: dict[str, int] = {}
        self._signed: dict[str, tuple[int, float]] = {}

    def step(self) -> None:
        """Raises TrailUnavailable, LogRewritten or CheckpointError; other logs are followed all the same."""
        failed: Exception | None = None
        for records, end in log_records.ends():
            try:
                self._follow(records, end)
            except Exception as reason:
                failed = reason
        if failed is not None:
            raise failed

    def _follow(self, records: log_records.Records, end: int) -> None:
        account = records.account
        size, moment = self._signed.get(account, (0, -SIGN_SECONDS))
        now = time.monotonic()
        due, followed = now - moment >= SIGN_SECONDS, self._followed.get(account)
        if followed is None or end - followed >= WAITING or end < followed or (due and followed != end):
            self._followed[account], _ = log.follow(records, _FOLLOWED)
        if due and self._followed[account] >= end > size:
            self._signed[account] = end, now
            log.sign(records)


def sign_at_the_end() -> None:
    """When a server stops: a checkpoint of what was recorded since the last one. What is in its way does not keep it from stopping."""
    try:
        LogTimer().step()
    except (TrailUnavailable, checkpoints.CheckpointError, log.LogRewritten) as reason:
        logger.error("the log of the audit trail was not signed: %s", reason)


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
        known, logs = b"", LogTimer()
        while not self._stopping.wait(SECONDS):
            try:
                known = move(known)
            except TrailUnavailable as reason:
                logger.error("the checkpoint of the audit trail was not moved: %s", reason)
            except Exception:  # a later second tries again; calls fail by themselves where the trail cannot be written
                logger.exception("the checkpoint of the audit trail was not moved")
                transaction.renew_connection()
            try:
                logs.step()
            except log.LogRewritten as reason:
                logger.error("the audit trail was rewritten: no checkpoint of it is signed: %s", reason)
            except Exception:
                logger.exception("the log of the audit trail was not signed")
                transaction.renew_connection()
        connection.close()
