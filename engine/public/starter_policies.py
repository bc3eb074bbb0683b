"""The policies that a new account begins with."""

from __future__ import annotations

from engine.iam.practice import POLICIES, STUDENTS

__all__ = [
    "POLICIES",
    "STUDENTS",
]
