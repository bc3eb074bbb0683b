"""docs/compatibility.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from kmsconsole.management.commands.compatibility import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_tables_say() -> None:
    assert (DOCS / "compatibility.md").read_text() == page()


def test_no_kms_operation_is_unlisted() -> None:
    assert page().count("| done |") == 56
