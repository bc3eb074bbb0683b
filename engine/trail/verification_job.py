"""One verification at a time, with its progress and its verdict kept where every worker sees them."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connections
from django.utils import translation

from engine import clock, data_stack
from engine.store import transaction
from engine.trail import verification
from engine.trail.checkpoints import CheckpointError
from engine.trail.models import Verification
from engine.trail.segment_archive import SegmentUnreachable
from engine.trail.verify import Verdict
from engine.vault.hierarchy import RootKeyError

logger = logging.getLogger(__name__)

_TOLD_SECONDS = 0.5
_AT_ONCE = 1.0  # how long the one who starts it waits for a short one
_LOST = timedelta(minutes=1)  # without news its worker is gone
_KEPT = 100  # finished ones


def latest() -> Verification | None:
    return Verification.objects.order_by("-started", "-id").first()


def is_running(job: Verification) -> bool:
    return job.finished is None and clock.real_now() - job.updated < _LOST


def start(*, read_all: bool) -> Verification:
    """Begin one in a thread, unless one is at it; a short one is finished when this returns."""
    with transaction.write():
        job = latest()
        if job is not None and is_running(job):
            return job
        job = _begin()
    thread = threading.Thread(
        target=data_stack.run,
        args=(_in_thread, job, read_all, translation.get_language()),
        daemon=True,
        name="verification",
    )
    thread.start()
    thread.join(_AT_ONCE)
    job.refresh_from_db()
    return job


def run_now(*, read_all: bool, progress: verification.Progress) -> Verdict:
    """As the command does: the verdict is kept as well. Raises CheckpointError, RootKeyError, SegmentUnreachable, OSError or DatabaseError."""
    job = _begin()
    try:
        verdict, statement = verification.run(read_all=read_all, progress=progress)
    except BaseException as reason:
        _finish(job, {"unknown": str(reason)})
        raise
    _finish(job, asdict(verdict), statement)
    return verdict


def _begin() -> Verification:
    now = clock.real_now()
    with transaction.write():
        old = Verification.objects.order_by("-started", "-id").values_list("id", flat=True)[_KEPT:]
        Verification.objects.filter(id__in=list(old), verified="").delete()
        return Verification.objects.create(started=now, updated=now)


def _in_thread(job: Verification, read_all: bool, language: str | None) -> None:
    told = [time.monotonic()]

    def progress(first: int, read: int, last: int) -> None:
        time.sleep(0.001)  # calls come first
        if time.monotonic() - told[0] >= _TOLD_SECONDS:
            told[0] = time.monotonic()
            _note(job, first=first, read=read, last=last)

    try:
        with translation.override(language):
            verdict, statement = verification.run(read_all=read_all, progress=progress)
        _finish(job, asdict(verdict), statement)
    except (CheckpointError, RootKeyError, SegmentUnreachable, OSError) as reason:
        _finish(job, {"unknown": str(reason)})
    except DatabaseError:
        logger.exception("the verification of the audit trail stopped")  # the page says so once there is no news
    finally:
        connections.close_all()


def _note(job: Verification, **values: Any) -> None:
    with transaction.write():
        Verification.objects.filter(id=job.id).update(updated=clock.real_now(), **values)


def _finish(job: Verification, verdict: dict[str, Any], statement: str = "") -> None:
    _note(job, finished=clock.real_now(), verdict=verdict, verified=statement)
