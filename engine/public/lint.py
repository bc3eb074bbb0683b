"""What is wrong with a policy's text, or unwise in it. Pure."""

from __future__ import annotations

from engine.iam.lint import lint
from engine.iam.lint_findings import ERROR, WARNING, About, Finding
from engine.iam.policy import is_unicode

__all__ = [
    "ERROR",
    "WARNING",
    "About",
    "Finding",
    "is_unicode",
    "lint",
]
