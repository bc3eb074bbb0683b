"""Room for the frames of a thread that works for long, asked of the system once."""

from __future__ import annotations

from engine.data_stack import run

__all__ = ["run"]
