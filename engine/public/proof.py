"""The proof of the record, which AWS offers as digest files only: the chain walked, and compared with its checkpoints."""

from __future__ import annotations

from engine.trail.checkpoints import CheckpointError
from engine.trail.verify import verify

__all__ = ["CheckpointError", "verify"]
