"""Where each part of a JSON text stands, so that what is said of it can name line and column."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]

Path = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t\r\n]*")


def places(text: str) -> tuple[dict[Path, int], dict[Path, int]]:
    """(offsets of member names, offsets of values) by path, for a text that `json.loads` takes."""
    names: dict[Path, int] = {}
    values: dict[Path, int] = {}
    _value(text, 0, (), names, values)
    return names, values


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both from 1."""
    offset = max(0, min(offset, len(text)))
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _value(text: str, at: int, path: Path, names: dict[Path, int], values: dict[Path, int]) -> int:
    """Note the value at `at`; the offset behind it."""
    at = _skip(text, at)
    values.setdefault(path, at)
    if text[at] == "{":
        return _members(text, at + 1, path, names, values)
    if text[at] == "[":
        return _items(text, at + 1, path, names, values)
    _scalar, end = json.JSONDecoder().raw_decode(text, at)
    return end


def _members(text: str, at: int, path: Path, names: dict[Path, int], values: dict[Path, int]) -> int:
    at = _skip(text, at)
    while text[at] != "}":
        name, end = scanstring(text, at + 1, True)
        names.setdefault((*path, name), at)
        at = _skip(text, _value(text, _skip(text, end) + 1, (*path, name), names, values))
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1


def _items(text: str, at: int, path: Path, names: dict[Path, int], values: dict[Path, int]) -> int:
    at = _skip(text, at)
    number = 0
    while text[at] != "]":
        at = _skip(text, _value(text, at, (*path, number), names, values))
        number += 1
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1
