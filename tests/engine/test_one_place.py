"""One fact stands in one place: what AWS defines once is written once in the source, and all others ask that module."""

from __future__ import annotations

import re
from functools import cache

import pytest

from engine.iam import condition_keys
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
GLOBAL = [row for row in condition_keys.ALL if row.name.startswith("aws:")]
OF_KMS = [row for row in condition_keys.ALL if row.name.startswith("kms:")]


@cache
def source() -> dict[str, str]:
    """The text of each source file."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in SUFFIXES
    }


def files_with(pattern: str) -> list[str]:
    """The source files in which the pattern occurs."""
    return [file for file, text in source().items() if re.search(pattern, text)]


@pytest.mark.parametrize("literal", ["Enable IAM User Permissions", "key-default-1"])
def test_the_default_key_policy_is_written_once(literal: str) -> None:
    assert files_with(re.escape(literal)) == ["engine/kms/default_key_policy.py"]


def test_only_one_module_lists_the_condition_keys_of_kms() -> None:
    """A policy that a module writes may name one or two."""
    listed = {file: sum(f'"{row.lower}' in text.lower() for row in OF_KMS) for file, text in source().items()}
    assert [file for file, count in listed.items() if count > 2 and file != "bench/decide.py"] == [
        "engine/iam/condition_keys.py"
    ]


@pytest.mark.parametrize("row", OF_KMS, ids=lambda row: row.name)
def test_no_module_spells_a_condition_key_of_kms_as_requests_carry_it(row: condition_keys.ConditionKey) -> None:
    assert [file for file in files_with(re.escape(f'"{row.lower}')) if not file.startswith("bench/")] == []


def test_no_module_of_the_pages_lists_the_global_condition_keys() -> None:
    """One that supposes a request may give it a few."""
    rooms = ("access/", "audit/", "console/", "keys/", "learn/", "playground/", "principals/")
    listed = {file: sum(f'"{row.lower}' in text for row in GLOBAL) for file, text in source().items()}
    assert [file for file, count in listed.items() if count > 4 and file.startswith(rooms)] == []


def test_every_global_condition_key_that_a_request_carries_has_its_row() -> None:
    text = (ROOT / "engine/iam/authorize.py").read_text()
    carried = re.findall(r'"(aws:[a-z]+/?)', text)
    assert len(carried) > 20
    assert [name for name in carried if condition_keys.find(name if name[-1] != "/" else f"{name}x") is None] == []
