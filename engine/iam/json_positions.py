"""Where each part of a JSON text stands, so that what is said of it can name line and column."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from json.decoder import scanstring  # type: ignore[attr-defined]

Path = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t\r\n]*")
_DEEPEST = 8  # levels; nothing is said of what is deeper than a policy goes, however deep a text does
_DECODER = json.JSONDecoder()


def places(text: str) -> tuple[dict[Path, int], dict[Path, int]]:
    """(offsets of member names, offsets of values) by path, for a text that `json.loads` takes."""
    names: dict[Path, int] = {}
    values: dict[Path, int] = {}
    _value(text, 0, (), names, values)
    return names, values


class Lines:
    """Lines and columns of a text's offsets. The text is read once, however many are asked for."""

    def __init__(self, text: str) -> None:
        self._length = len(text)
        self._starts = [0]
        while at := text.find("\n", self._starts[-1]) + 1:
            self._starts.append(at)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both from 1."""
        offset = max(0, min(offset, self._length))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _value(text: str, at: int, path: Path, names: dict[Path, int], values: dict[Path, int]) -> int:
    """Note the value at `at`; the offset behind it."""
    at = _skip(text, at)
    values.setdefault(path, at)
    if len(path) >= _DEEPEST:
        return _DECODER.raw_decode(text, at)[1]
    if text[at] == "{":
        return _members(text, at + 1, path, names, values)
    if text[at] == "[":
        return _items(text, at + 1, path, names, values)
    return _DECODER.raw_decode(text, at)[1]


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
