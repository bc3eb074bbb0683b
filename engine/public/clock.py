"""An account's time, and moving it: AWS's clock cannot be moved, so there is no API."""

from __future__ import annotations

from engine.clock import now
from engine.timetravel import FARTHEST, LONGEST_MOVE, MOVE, Event, Forecast, ending, forecast, move, offset

__all__ = [
    "FARTHEST",
    "LONGEST_MOVE",
    "MOVE",
    "Event",
    "Forecast",
    "ending",
    "forecast",
    "move",
    "now",
    "offset",
]
