"""The policies that a new account begins with."""

from __future__ import annotations

from engine.iam.starter_policies import PATH, POLICIES, STUDENT, STUDENT_OF_OWN_KEYS, STUDENTS, of_arn

__all__ = [
    "PATH",
    "POLICIES",
    "STUDENT",
    "STUDENTS",
    "STUDENT_OF_OWN_KEYS",
    "of_arn",
]
