"""Reading many events of the record at once, which AWS has no API for. keys/record/events.py alone imports this, and reads it by the
console's own action kmsconsole:ReadRecord."""

from __future__ import annotations

from engine.trail.event_search import FACETS, Answer, Clause, Interval, Search, matches
from engine.trail.event_terms import ANY_ERROR, DENIED, DENIED_KIND, contexts, is_read_by_console, keys, kind, values
from engine.trail.indexed_fields import user_name
from engine.trail.query import (
    Lookup,
    Page,
    event_id_at,
    event_store,
    first_event_time,
    in_order,
    latest_sequence,
    lookup,
    missing,
    removed_through,
    unreadable,
)
from engine.trail.search import count, every, search

__all__ = [
    "ANY_ERROR",
    "DENIED",
    "DENIED_KIND",
    "FACETS",
    "Answer",
    "Clause",
    "Interval",
    "Lookup",
    "Page",
    "Search",
    "contexts",
    "count",
    "event_id_at",
    "event_store",
    "every",
    "first_event_time",
    "in_order",
    "is_read_by_console",
    "keys",
    "kind",
    "latest_sequence",
    "lookup",
    "matches",
    "missing",
    "removed_through",
    "search",
    "unreadable",
    "user_name",
    "values",
]
