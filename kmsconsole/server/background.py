"""The process beside the workers: it sends the record to the sinks, looks at it for alerts, tells these, seals older records, and takes browser
sessions away that have expired. Not in a worker, whose requests would wait for it. Ends with SIGTERM; what is not done then is done after the next start.
"""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, connection

from audit.alerts import delivery, watch
from engine.iam.models import Account
from engine.sinks import sender
from engine.store import transaction
from engine.trail import log_records, recorder, segment_keeper, segment_work
from engine.trail.journal import Journal
from engine.trail.segment_archive import SegmentUnreachable
from kmsconsole.server import worker

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_SESSION_SECONDS = 300.0  # between two looks at what browser sessions have expired: anybody may begin one
_SEGMENT_SECONDS = 60.0  # between two looks at what is due to be sealed and moved


def run(server: int) -> None:
    """`server`: the server's process, with which this one ends."""
    worker.die_with(server)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    recorder.expect_journal()
    if settings.SINKS:
        sinks = (settings.SINKS, Path(settings.DATA), stopping)
        threading.Thread(target=sender.run, args=sinks, name="sinks", daemon=True).start()
    threading.Thread(target=_keep_segments, args=(stopping,), name="segments", daemon=True).start()
    threading.Thread(target=_forget_sessions, args=(stopping,), name="sessions", daemon=True).start()
    while not stopping.wait(_LOOK_SECONDS):
        try:
            while (watch.look() or delivery.deliver_due()) and not stopping.is_set():
                pass
        except Exception:  # the next look tries again; what it looks at is not moved on
            logger.exception("alerts were not looked for")
            transaction.renew_connection()
    connection.close()


def _forget_sessions(stopping: threading.Event) -> None:
    while not stopping.wait(_SESSION_SECONDS):
        forget_expired_sessions()
    connection.close()


def forget_expired_sessions() -> None:
    try:
        SessionStore.clear_expired()
    except DatabaseError as reason:
        logger.warning("expired browser sessions were not taken away: %s", reason)
        transaction.renew_connection()


def _keep_segments(stopping: threading.Event) -> None:
    """Each minute: what is due of the journal's older records is sealed, and what is sealed is moved."""
    while not stopping.wait(_SEGMENT_SECONDS):
        try:
            journal = recorder.journal()
            if isinstance(journal, Journal):
                accounts = Account.objects.order_by("account_id").values_list("account_id", flat=True)
                segment_keeper.step(journal, log_records.of_account(""), settings.KMSCONSOLE, accounts)
        except segment_work.Busy:
            continue  # a command is at it
        except (SegmentUnreachable, OSError) as reason:
            logger.error("older records of the audit trail were not sealed or moved: %s", reason)
        except Exception:  # the next look tries again
            logger.exception("older records of the audit trail were not sealed or moved")
            transaction.renew_connection()
    connection.close()
