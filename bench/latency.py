"""Percentiles of what wrk measured: of the requests that were made, and of those that a client asking steadily would have made.

Before wrk reports, it adds to each latency of two intervals and more (an interval is the average time between two requests of a
connection) one that is an interval shorter, and so on down: the requests that were not made while the connection waited. That is the
right question about a service at a steady rate. It also counts a pause of the machine once for each request that would have fallen
into it, so the times of the requests that were made are told as well.
"""

from __future__ import annotations

from collections.abc import Mapping


def as_made(reported: Mapping[int, int], interval: int) -> dict[int, int]:
    """Latency in microseconds → requests, without those that wrk (stats_correct in stats.c of wrk 4) added by `interval`."""
    made: dict[int, int] = {}
    added = [0] * interval  # by the remainder of a latency: what longer ones have added to it
    for latency in sorted(reported, reverse=True):
        at = latency % interval
        made[latency] = reported[latency] - (added[at] if latency > interval else 0)
        if latency >= 2 * interval:
            added[at] += made[latency]
    return {latency: count for latency, count in made.items() if count}


def percentile(counts: Mapping[int, int], share: float) -> int:
    """The latency that `share` (0 to 1) of the requests did not exceed."""
    left = share * sum(counts.values())
    for latency in sorted(counts):
        left -= counts[latency]
        if left <= 0:
            return latency
    return max(counts, default=0)
