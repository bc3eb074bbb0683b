"""One fact stands in one place: what AWS defines once is written once in the source, and all others ask that module."""

from __future__ import annotations

import re

import pytest

from tests.support.server import ROOT

ROOMS = (
    "access",
    "audit",
    "bench",
    "console",
    "engine",
    "keys",
    "kmsconsole",
    "learn",
    "playground",
    "principals",
    "static",
    "templates",
)
SUFFIXES = (".py", ".html", ".js")


def files_with(pattern: str) -> list[str]:
    """The source files in which the pattern occurs."""
    wanted = re.compile(pattern)
    found = [
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in SUFFIXES and wanted.search(path.read_text())
    ]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


@pytest.mark.parametrize("literal", ["Enable IAM User Permissions", "key-default-1"])
def test_the_default_key_policy_is_written_once(literal: str) -> None:
    assert files_with(re.escape(literal)) == ["engine/kms/default_key_policy.py"]
