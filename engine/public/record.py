"""Reading many events of the record at once, by who may look events up: keys/record/events.py asks LookupEvents first."""

from __future__ import annotations

from engine.trail.indexed_fields import user_name
from engine.trail.query import Lookup, first_event_time, lookup, uses_since

__all__ = [
    "Lookup",
    "first_event_time",
    "lookup",
    "user_name",
    "uses_since",
]
