"""bench.latency undoes what wrk adds to its latencies, and tells percentiles by nearest rank."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench import latency


def as_wrk_reports(made: dict[int, int], interval: int) -> dict[int, int]:
    """Beside each request of two intervals and more those that were not made while it waited, as wrk 4 adds them."""
    reported = dict(made)
    for waited, count in made.items():
        missed = waited - interval
        while waited >= 2 * interval and missed > interval:
            reported[missed] = reported.get(missed, 0) + count
            missed -= interval
    return reported


@given(st.dictionaries(st.integers(1, 3_000), st.integers(1, 50)), st.integers(1, 400))
def test_the_requests_that_were_made_are_found_again(made: dict[int, int], interval: int) -> None:
    assert latency.as_made(as_wrk_reports(made, interval), interval) == made


def test_percentiles_are_latencies_that_so_many_requests_did_not_exceed() -> None:
    counts = {1: 50, 2: 49, 900: 1}
    assert [latency.percentile(counts, share) for share in (0.5, 0.99, 1)] == [1, 2, 900]
    assert latency.percentile({}, 0.5) == 0
