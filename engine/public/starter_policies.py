"""The policies that a new account begins with."""

from __future__ import annotations

from engine.iam.starter_policies import POLICIES, STUDENTS

__all__ = [
    "POLICIES",
    "STUDENTS",
]
