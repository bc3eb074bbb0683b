"""The record of calls: its proof, which AWS offers as digest files only, and reading many events at once by who may look
events up (audit/record.py asks LookupEvents first)."""

from __future__ import annotations

from engine.trail.checkpoints import CheckpointError
from engine.trail.facts import user_name
from engine.trail.query import first_event_time, lookup, uses_since
from engine.trail.verify import verify

__all__ = [
    "CheckpointError",
    "first_event_time",
    "lookup",
    "user_name",
    "uses_since",
    "verify",
]
