"""The proof of the record, which AWS offers as digest files only: the chain walked, and compared with its checkpoints; and the signature of
reports by the key that signs those."""

from __future__ import annotations

from engine.trail.checkpoints import CheckpointError
from engine.trail.report_signature import SignedReport, sign
from engine.trail.verify import verify

__all__ = ["CheckpointError", "SignedReport", "sign", "verify"]
