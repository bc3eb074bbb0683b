"""bench/results.md: a section for each bench, which replaces its own and leaves the others as they are."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("results.md")
_HEAD = "# Measured by `make bench`"
_MARK = "\n## "


def keep(sections: list[tuple[str, list[str]]], path: Path = PATH) -> None:
    """Put sections (title, lines) in the place of those of the same titles; new ones at the end."""
    head, *parts = path.read_text().rstrip("\n").split(_MARK) if path.exists() else [_HEAD]
    kept = {title: text for title, _newline, text in (part.partition("\n") for part in parts)}
    kept = {title: text.strip("\n") for title, text in kept.items()}
    kept |= {title: "\n".join(lines).strip("\n") for title, lines in sections}
    text = "\n".join([head.rstrip("\n"), *(f"{_MARK}{title}\n{lines}" for title, lines in kept.items())])
    path.write_text(text + "\n")
