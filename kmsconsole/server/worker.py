"""What a worker process does once, before its first request: it follows its server, takes a core, and stops looking at what stays."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal

from django.conf import settings

from engine import throttling
from engine.trail import recorder
from engine.trail.checkpoint_timer import CheckpointTimer
from kmsconsole.server import metrics

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def freeze_heap() -> None:
    """In the server, before its workers are forked: what is loaded now stays, so no collection needs to walk through it while requests
    wait, nor to write into memory that the workers share."""
    gc.collect()
    gc.freeze()


def begin(place: int, workers: int, server: int) -> None:
    """`place`: which of the server's workers this is, from 0; `server`: the server's process."""
    throttling.configure(settings.QUOTAS, workers)
    if server != os.getpid():
        die_with(server)
        _take_a_core(place, workers)
        metrics.publish_always()
    gc.freeze()
    recorder.expect_journal()
    if place == 0:
        CheckpointTimer()


def die_with(server: int) -> None:
    """A worker whose server was killed must not go on answering beside the next one."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def _take_a_core(place: int, workers: int) -> None:
    """With a worker for each core, each keeps to one of its own.

    The threads of a worker take turns (Python lets one run at a time); on two cores each turn would find its memory in the other
    core's cache. Measured here: a third less processor time for an Encrypt.
    """
    if not hasattr(os, "sched_setaffinity"):  # only Linux lets a process choose
        return
    try:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1 and workers >= len(cores):
            os.sched_setaffinity(0, {cores[place % len(cores)]})
    except OSError as reason:  # a container's filter of system calls refuses it
        logger.warning("this worker keeps to no core of its own: %s", reason.strerror)
