"""Numbers of statuses, and the chart of them over time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from audit.compliance.results import EXCEPTED, FAILED, PASSED, STATUSES, UNKNOWN
from audit.compliance.runs import PastStatuses
from console import moments
from console.charts import Bars, bars

# From below: what is well first. What is not applicable has no part in it.
STACK = ((PASSED, "good"), (EXCEPTED, "quiet"), (UNKNOWN, "notice"), (FAILED, "bad"))
_LABELS = 8


def numbers(statuses: Iterable[str]) -> list[tuple[str, Any, int]]:
    """(status, its words, how many) of all statuses, the worst first."""
    counted = Counter(statuses)
    return [(status, words, counted[status]) for status, words in STATUSES.items()]


def over_time(history: Sequence[PastStatuses]) -> Bars:
    columns = [
        (
            moments.day(each.run.time)[5:],
            ", ".join([moments.to_minute(each.run.time), *(f"{STATUSES[s]}: {each.numbers[s]}" for s, _kind in STACK)]),
            [(kind, each.numbers[status]) for status, kind in STACK],
        )
        for each in history
    ]
    return bars(columns, every=-(-len(columns) // _LABELS) or 1)
