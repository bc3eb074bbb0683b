"""How often the machine itself stands still while the bench runs: a virtual machine gets less processor time whenever its host says so.

A watcher on each core, ahead of everything else there (so that what is measured cannot hold it up), does the same small piece of work
again and again. A piece that takes four times as long as usual was done on a machine that was slow, whatever ran on it.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any

_EVERY = 0.004  # seconds; a piece of work is under a hundredth of it
_SLOW = 4  # times the usual
_WORK = range(600)


@contextmanager
def watched() -> Iterator[list[float]]:
    """The share of time in which each core was slow, filled in when the block ends; empty where no process may go ahead of others."""
    found: list[float] = []
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except (PermissionError, AttributeError):  # not root, or not Linux
        yield found
        return
    end = multiprocessing.Event()
    figures: multiprocessing.SimpleQueue[float] = multiprocessing.SimpleQueue()
    watchers = [
        multiprocessing.Process(target=_watch, args=(core, end, figures), daemon=True)
        for core in sorted(os.sched_getaffinity(0))
    ]
    for watcher in watchers:
        watcher.start()
    try:
        yield found
    finally:
        end.set()
        found += [figures.get() for _ in watchers]


def _watch(core: int, end: Event, figures: Any) -> None:
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    times: list[float] = []
    while not end.is_set():
        time.sleep(_EVERY)
        began = time.perf_counter()
        for _ in _WORK:
            pass
        times.append(time.perf_counter() - began)
    usual = statistics.median(times)
    figures.put(sum(each > _SLOW * usual for each in times) / len(times))
