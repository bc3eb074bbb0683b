"""What this process counts: requests by operation and outcome, time they took, trail commits. Read by kmsconsole.server.metrics.

Each thread writes numbers of its own, without a lock, in about a microsecond a request; whoever asks adds them up. Times are
seconds; a histogram is the count of values at most as large as each bound, kept per bucket and summed up when it is shown.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Any

# Bounds in seconds: a hot Encrypt is about a millisecond, an RSA key pair can take seconds.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECORDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

# A histogram is a list: one count for each bucket and one beyond the last bound, then the sum of all values.
Histogram = list[float]
Numbers = dict[
    str, Any
]  # "requests": {"service operation outcome": histogram}, "sync": histogram, "batch": histogram, …


class _Sheet:
    """One thread's numbers. What it holds is added to `_past` when the thread is gone."""

    __slots__ = ("__weakref__", "batch", "begun", "ended", "requests", "sync")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], Histogram] = {}
        self.sync: Histogram = [0.0] * (len(SECONDS) + 2)
        self.batch: Histogram = [0.0] * (len(RECORDS) + 2)
        self.begun = self.ended = 0

    def numbers(self) -> Numbers:
        return {
            "requests": {" ".join(key): histogram for key, histogram in list(self.requests.items())},
            "sync": self.sync,
            "batch": self.batch,
            "waiting": self.begun - self.ended,
        }


class _Mine(threading.local):
    def __init__(self) -> None:
        self.sheet = _Sheet()
        with _lock:
            _sheets[id(self.sheet)] = self.sheet
        self.guard = _Guard(self.sheet)


class _Guard:
    """Goes with its thread, and then puts the thread's numbers away."""

    def __init__(self, sheet: _Sheet) -> None:
        self._sheet = sheet

    def __del__(self) -> None:
        if _lock is None:  # the interpreter ends, and takes the module with it
            return
        with _lock:
            merge(_past, _sheets.pop(id(self._sheet)).numbers())


_lock = threading.RLock()
_sheets: dict[int, _Sheet] = {}


def begin() -> None:
    """A request has come; `count` ends it."""
    _mine.sheet.begun += 1


def put_back() -> None:
    """The request that has come is begun anew elsewhere."""
    _mine.sheet.begun -= 1


def count(service: str, operation: str, outcome: str, seconds: float) -> None:
    """One answered request. `outcome` is "OK" or AWS's error code."""
    sheet = _mine.sheet
    key = (service, operation, outcome)
    found = sheet.requests.get(key)
    if found is None:
        found = sheet.requests[key] = [0.0] * (len(SECONDS) + 2)
    found[bisect_left(SECONDS, seconds)] += 1
    found[-1] += seconds
    sheet.ended += 1


def commit(records: int, seconds: float) -> None:
    """One durable commit of the trail: how many records it made durable, and how long that took."""
    sheet = _mine.sheet
    sheet.sync[bisect_left(SECONDS, seconds)] += 1
    sheet.sync[-1] += seconds
    sheet.batch[bisect_left(RECORDS, records)] += 1
    sheet.batch[-1] += records


def numbers() -> Numbers:
    """The sums over all threads of this process, living and gone, as JSON can carry them."""
    total = empty()
    with _lock:
        merge(total, _past)
        for sheet in list(_sheets.values()):
            merge(total, sheet.numbers())
    return total


def empty() -> Numbers:
    return {"requests": {}, "sync": [], "batch": [], "waiting": 0}


def merge(total: Numbers, other: Numbers) -> None:
    """Add the numbers of a thread or process to a sum."""
    for key, histogram in other["requests"].items():
        _add(total["requests"].setdefault(key, []), histogram)
    _add(total["sync"], other["sync"])
    _add(total["batch"], other["batch"])
    total["waiting"] += other["waiting"]


def _add(total: Histogram, more: Histogram) -> None:
    if not total:
        total.extend(more)
    else:
        for place, value in enumerate(more):
            total[place] += value


_past = empty()
_mine = _Mine()
