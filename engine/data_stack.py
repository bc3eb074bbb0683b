"""Room for the frames of a thread's Python functions, asked of the system once.

CPython 3.11 and later keeps them in chunks of 16 KiB, and gives a chunk back as soon as its first frame returns (Python/pystate.c,
_PyThreadState_PushFrame and push_chunk). Where code calls and returns across the end of a chunk, as the loop of a template does, each call
asks the system for memory and gives it back: 1,600 times for one page of twenty keys, up to a third of its processor time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Of a frame, in pointers: just over the half of 512 KiB. A frame that is larger than a chunk gets one of its own, of the next power of two, and what
# it calls stands in the other half: 260 KiB, more than the recursion limit lets our calls take. Only what is used becomes memory.
_SLOTS = 32_768


def run(function: Callable[Given, Result], *arguments: Given.args, **named: Given.kwargs) -> Result:
    """`function(*arguments, **named)`, and all that it calls in this thread, in one chunk."""
    return function(*arguments, **named)


run.__code__ = run.__code__.replace(co_stacksize=_SLOTS)
