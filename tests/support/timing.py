"""Processor time, for tests of how work grows with its input."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(run: Callable[[], object], tries: int = 3) -> float:
    """The least processor time of some tries, since other work shares the machine."""
    best = float("inf")
    for _ in range(tries):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best
