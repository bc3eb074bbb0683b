"""Wildcards of IAM policies, matched in time linear in pattern × text, whatever a caller writes.

`*` is any run of characters, `?` any one. There is no backtracking: between two stars the leftmost place is always right, so each
segment of a pattern is looked for once, from where the last one ended. A segment with `?` in it is looked for with the text's
characters as bits of integers (bit 5 of `places["a"]` is set if text[5] is "a"), so that one `&` compares a character with the whole text.
Source: IAM User Guide, "Policy elements: Resource" and "Condition operators".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.remembered import Remembered

Piece = tuple[str, bool]  # a part of a pattern, and whether its * and ? are wildcards
Runs = tuple[tuple[int, str], ...]  # the plain characters of a segment, by their offset; what is between them is ?

_WILD = re.compile(r"[*?]+")


class Segment(NamedTuple):
    """What stands between two stars. `gap`: how many characters must come before it at least (the ? of `*??abc`)."""

    gap: int
    length: int
    runs: Runs


_NOTHING = Segment(0, 0, ())


class Glob(NamedTuple):
    """A compiled pattern. `last` is None if there is no star: then `first` is all there is; `gap` is that of `last`."""

    least: int  # characters that a text has at least
    first: Segment
    middle: tuple[Segment, ...]
    last: Segment | None

    def match(self, text: str) -> bool:
        """Whether the whole of `text` matches."""
        length = len(text)
        if length < self.least or not _stands(self.first.runs, text, 0):
            return False
        if self.last is None:
            return length == self.least
        end = length - self.last.length
        if not _stands(self.last.runs, text, end):
            return False
        at = self.first.length
        for segment in self.middle:
            at += segment.gap
            found = _find(segment, text, at, end)
            if found < 0:
                return False
            at = found + segment.length
        return at + self.last.gap <= end


def glob(pattern: str) -> Glob:
    if "?" in pattern:
        return glob_of(((pattern, True),))
    parts = pattern.split("*")
    first = _plain(parts[0])
    if len(parts) == 1:
        return Glob(len(pattern), first, (), None)
    middle = tuple([_plain(part) for part in parts[1:-1] if part])
    return Glob(len(pattern) - len(parts) + 1, first, middle, _plain(parts[-1]))


def _plain(text: str) -> Segment:
    return Segment(0, len(text), ((0, text),)) if text else _NOTHING


def glob_of(pieces: Iterable[Piece]) -> Glob:
    """The pattern that `pieces` are in a row. None of them is copied, so long ones that come again and again cost nothing."""
    segments: list[Segment] = []
    gap = length = least = 0
    runs: list[tuple[int, str]] = []
    for text, wild in pieces:
        at = 0
        for found in _WILD.finditer(text) if wild else ():
            start, end = found.span()
            if start > at:
                runs.append((length, text[at:start]))
                length += start - at
            at = end
            questions = text.count("?", start, end)
            if questions == end - start:
                if length or not segments:
                    length += questions
                else:
                    gap += questions
                continue
            least += length + gap
            segments.append(Segment(gap, length, tuple(runs)) if length or gap else _NOTHING)
            gap, length, runs = questions, 0, []
        if at < len(text):
            runs.append((length, text[at:] if at else text))
            length += len(text) - at
    last = Segment(gap, length, tuple(runs)) if length or gap else _NOTHING
    least += length + gap
    if not segments:
        return Glob(least, last, (), None)
    return Glob(least, segments[0], tuple(_joined(segments[1:])) if len(segments) > 1 else (), last)


def _joined(segments: Iterable[Segment]) -> Iterable[Segment]:
    """Without the empty ones: `*?*?*a` is `*??a`."""
    gap = 0
    for segment in segments:
        gap += segment.gap
        if segment.length:
            yield Segment(gap, segment.length, segment.runs) if gap != segment.gap else segment
            gap = 0
    if gap:
        yield Segment(gap, 0, ())


def _stands(runs: Runs, text: str, at: int) -> bool:
    """Whether a segment stands at a place."""
    for offset, run in runs:  # noqa: SIM110 - a generator would cost more than what it does
        if not text.startswith(run, at + offset):
            return False
    return True


def _find(segment: Segment, text: str, start: int, end: int) -> int:
    """The leftmost place of a segment within text[start:end], or -1."""
    if start + segment.length > end:
        return -1
    runs = segment.runs
    if len(runs) == 1 and len(runs[0][1]) == segment.length:
        return text.find(runs[0][1], start, end)
    if not runs:
        return start
    if (end - start) * len(runs) <= _SHORT:
        for at in range(start, end - segment.length + 1):
            if _stands(runs, text, at):
                return at
        return -1
    places = _places[text]
    candidates = (1 << (end - segment.length - start + 1)) - 1
    for offset, run in runs:
        for number, character in enumerate(run, start + offset):
            candidates &= places[character] >> number
            if not candidates:
                return -1
    return start + (candidates & -candidates).bit_length() - 1


class _Places(dict[str, int]):
    """Where each character stands in a text, as the bits of a number, made when asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __missing__(self, character: str) -> int:
        text = self._text
        bits = bytearray(len(text) // 8 + 1)
        at = text.find(character)
        while at >= 0:
            bits[at >> 3] |= 1 << (at & 7)
            at = text.find(character, at + 1)
        found = int.from_bytes(bits, "little")
        if len(self) < _MOST_CHARACTERS:
            self[character] = found
        return found


def places_of(text: str) -> Mapping[str, int]:
    """Where each character stands in a text, as the bits of a number; 0 for one that is not in it."""
    return _Places(text)


_SHORT = 64  # below this trying every place costs less than making the bits
_MOST_CHARACTERS = 256  # kept of a text: what is remembered stays below 32 bytes a character


# Many patterns are tried on the same text, one after the other.
_places: Remembered[str, _Places] = Remembered(_Places, entries=8, longest=16 << 10)


@dataclass(frozen=True, slots=True)
class Wildcards:
    """Patterns with `*` and `?`, the plain ones apart so that most texts are decided by a set look-up."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]
    others: tuple[Glob, ...]

    def globs(self) -> Iterator[Glob]:
        """All of them as patterns, for engine.iam.many_texts."""
        yield from self.others
        yield from (Glob(len(text), _plain(text), (), _NOTHING) for text in self.prefixes)
        yield from (Glob(len(text), _plain(text), (), None) for text in self.exact)

    def match(self, text: str) -> bool:
        if text in self.exact or (self.prefixes and text.startswith(self.prefixes)):
            return True
        for pattern in self.others:  # noqa: SIM110 - see _stands
            if pattern.match(text):
                return True
        return False


def wildcards(written: Iterable[str]) -> Wildcards:
    exact, prefixes, others = set(), set(), set()
    for pattern in written:
        head = pattern[:-1]
        if "*" not in head and "?" not in pattern:
            if pattern.endswith("*"):
                prefixes.add(head)
            else:
                exact.add(pattern)
        else:
            others.add(pattern)
    return Wildcards(frozenset(exact), tuple(prefixes), tuple(glob(pattern) for pattern in others))
