"""Charts drawn on the server as SVG: only their geometry is made here, templates/keys/charts/ draws it. Pure.

A chart never stands alone: its template has the same numbers as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 720, 160
_LEFT, _BOTTOM, _TOP = 44, 22, 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One column: its parts from below, each (kind, y, height), and what a pointer resting on it reads."""

    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]
    title: str


@dataclass(frozen=True, slots=True)
class Bars:
    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    lines: tuple[tuple[float, int], ...]
    left: int = _LEFT
    right: int = WIDTH
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def bars(columns: Sequence[tuple[str, str, Sequence[tuple[str, int]]]], every: int = 1, width: int = WIDTH) -> Bars:
    """`columns`: (label, title, (kind, number) from below). Every `every`-th label is written under its column."""
    highest = max((sum(number for _kind, number in parts) for _label, _title, parts in columns), default=0)
    top = _round_up(highest)
    room, step = HEIGHT - _BOTTOM - _TOP, (width - _LEFT) / max(len(columns), 1)
    made, labels = [], []
    for place, (label, title, parts) in enumerate(columns):
        x, y, drawn = _LEFT + place * step, float(HEIGHT - _BOTTOM), []
        for kind, number in parts:
            size = room * number / top
            y -= size
            if number:
                drawn.append((kind, round(y, 1), round(size, 1)))
        made.append(Bar(round(x + step * 0.1, 1), round(step * 0.8, 1), tuple(drawn), title))
        if place % every == 0:
            labels.append((round(x + step / 2, 1), label))
    lines = tuple((round(HEIGHT - _BOTTOM - room * share, 1), round(top * share)) for share in (0, 0.5, 1))
    return Bars(tuple(made), tuple(labels), lines, right=width, width=width)


def _round_up(number: int) -> int:
    """The next number with one digit that counts, even, so that its half can be written too."""
    if number <= 2:
        return 2
    unit = int(10 ** (len(str(number)) - 1))
    rounded = -(-number // unit) * unit
    return rounded if rounded % 2 == 0 else rounded + max(unit, 1)


@dataclass(frozen=True, slots=True)
class StateInterval:
    """A time a key was in one state."""

    state: str
    x: float
    width: float
    begin: datetime
    end: datetime


def state_intervals(
    changes: Sequence[tuple[datetime, str]], end: datetime, width: int = WIDTH
) -> tuple[StateInterval, ...]:
    """A strip of states over time; `changes` oldest first, (when, the state from then on)."""
    if not changes:
        return ()
    begin = changes[0][0]
    whole = max((end - begin).total_seconds(), 1.0)
    made: list[StateInterval] = []
    for place, (moment, state) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else end
        if made and made[-1].state == state:
            last = made.pop()
            moment, x = last.begin, last.x
        else:
            x = width * (moment - begin).total_seconds() / whole
        made.append(
            StateInterval(state, round(x, 1), round(width * (until - moment).total_seconds() / whole, 1), moment, until)
        )
    return tuple(made)
