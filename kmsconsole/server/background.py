"""The process beside the workers: it sends the record to the sinks, looks at it for alerts, and tells these. Not in a worker, whose requests
would wait for it. Ends with SIGTERM; what is not done then is done after the next start.
"""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from django.conf import settings
from django.db import connection

from audit.alerts import delivery, watch
from engine.sinks import sender
from engine.store import transaction
from engine.trail import recorder
from kmsconsole.server import worker

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0


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
    while not stopping.wait(_LOOK_SECONDS):
        try:
            while (watch.look() or delivery.deliver_due()) and not stopping.is_set():
                pass
        except Exception:  # the next look tries again; what it looks at is not moved on
            logger.exception("alerts were not looked for")
            transaction.renew_connection()
    connection.close()
