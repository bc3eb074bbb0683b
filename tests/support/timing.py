"""Processor time, for tests of how work grows with its input."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(run: Callable[[], object], tries: int = 3) -> float:
    """The least processor time of this thread of some tries: other work shares machine and process."""
    best = float("inf")
    for _ in range(tries):
        begun = time.thread_time()
        run()
        best = min(best, time.thread_time() - begun)
    return best
