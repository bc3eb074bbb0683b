"""Faults on demand for a class: AWS has no API that makes its calls fail."""

from __future__ import annotations

from engine.kms.drills import KINDS, LONGEST, MANAGE, Running, begin, end, running

__all__ = ["KINDS", "LONGEST", "MANAGE", "Running", "begin", "end", "running"]
