"""What every CSV export needs: a file to write to that is streamed, and cells that no spreadsheet takes for formulas."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Echo:
    """A file that hands back what is written, for csv.writer."""

    def write(self, text: str) -> str:
        return text


def cell(value: Any) -> str:
    """A spreadsheet must not take a description for a formula."""
    if isinstance(value, dict):
        value = " ".join(f"{name}={text}" for name, text in value.items())
    elif isinstance(value, list):
        value = " ".join(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
