"""A function called through `data_stack.run` has room for what it calls: Python asks the system for no more memory, however deep it calls."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable

import pytest

from engine import data_stack

_CALLS = 100


def _call(depth: int) -> int:
    return _call(depth - 1) if depth else 0


def _most_faults() -> int:
    """Of pages of memory, in so many calls to the same depth: the depth at which there were most."""
    most = 0
    for depth in range(1, 600, 5):  # a chunk holds fewer than two hundred of these frames
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(_CALLS):
            _call(depth)
        most = max(most, resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
    return most


def _in_thread(measure: Callable[[], int]) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(measure()))
    thread.start()
    thread.join()
    return found[0]


def _measured_again() -> int:
    """The second time: what is used for the first time becomes memory."""
    _most_faults()
    return _most_faults()


def test_calls_to_any_depth_ask_the_system_for_no_memory() -> None:
    assert _in_thread(lambda: data_stack.run(_measured_again)) < _CALLS / 2


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the reason for data_stack, in the Pythons that have it")
def test_without_it_calls_across_the_end_of_a_chunk_do_at_each_call() -> None:
    assert _in_thread(_measured_again) >= _CALLS


def test_what_the_function_returns_and_raises_comes_through() -> None:
    assert data_stack.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        data_stack.run(divmod, 7, 0)
