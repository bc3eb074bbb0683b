"""The sinks that this installation's record is streamed to, and how far each of them is."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from engine.sinks import receivers, state
from engine.sinks.receivers import ANSWERED, NO_TLS, TOO_LATE
from engine.sinks.state import Shown

__all__ = [
    "ANSWERED",
    "NO_TLS",
    "PROBLEMS",
    "TOO_LATE",
    "Shown",
    "of_installation",
]

# What `Shown.problem` may be, but for the words of an operating system.
PROBLEMS = (*receivers.PROBLEMS, *state.PROBLEMS)


def of_installation() -> list[Shown]:
    return state.all_of(Path(settings.DATA), settings.SINKS)
