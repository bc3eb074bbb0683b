"""Reading many events of the record at once, which AWS has no API for. keys/record/events.py alone imports this, and reads it by the
console's own action kmsconsole:ReadRecord."""

from __future__ import annotations

from engine.trail.indexed_fields import user_name
from engine.trail.query import Lookup, Page, first_event_time, in_order, latest_sequence, lookup

__all__ = [
    "Lookup",
    "Page",
    "first_event_time",
    "in_order",
    "latest_sequence",
    "lookup",
    "user_name",
]
