"""Worker processes of one server: forked from it with everything loaded, replaced when they die, ended when it ends."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

logger = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds between two starts of a worker that cannot live


def run(places: int, work: Callable[[int], None], *, stop_seconds: float) -> None:
    """`work(place)` in each of `places` processes, until SIGINT or SIGTERM. They get `stop_seconds` to end in."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for process in living.values():
            if process.pid is not None and process.is_alive():
                process.terminate()

    def start(place: int) -> BaseProcess:
        process = forking.Process(target=_work, args=(work, place), name=f"worker {place}")
        process.start()
        began[place] = time.monotonic()
        return process

    forking = multiprocessing.get_context("fork")
    living: dict[int, BaseProcess] = {}
    began: dict[int, float] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    for place in range(places):
        living[place] = start(place)
    while not stopping:
        wait([process.sentinel for process in living.values()], timeout=1)
        for place, process in list(living.items()):
            if not stopping and not process.is_alive():
                logger.warning("worker %d ended (exit code %s); it is replaced", process.pid, process.exitcode)
                if time.monotonic() - began[place] < _PAUSE:
                    time.sleep(_PAUSE)
                process.join()
                living[place] = start(place)
    deadline = time.monotonic() + stop_seconds
    for process in living.values():
        process.terminate()  # again: one may have been started while the signal came
    for process in living.values():
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _work(work: Callable[[int], None], place: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    work(place)
