"""bench/results.md: each bench replaces its own section and no other."""

from __future__ import annotations

from pathlib import Path

from bench import results


def test_a_bench_replaces_its_own_section_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    results.keep([("One", ["first", "", "| a |"]), ("Two", ["second"])], path)
    results.keep([("One", ["anew"]), ("Three", ["third"])], path)
    assert path.read_text() == ("# Measured by `make bench`\n\n## One\nanew\n\n## Two\nsecond\n\n## Three\nthird\n")


def test_the_sections_that_are_kept_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_text(results.PATH.read_text())
    results.keep([], path)
    assert path.read_text() == results.PATH.read_text()
