"""A line of the journal, wherever it is kept: `<sequence> <sha256 hex> <record JSON>\\n`. Pure.

`start` and `end` count bytes from the journal's first record on, and stay what they are when lines are sealed away from the file.
"""

from __future__ import annotations

from binascii import unhexlify
from hashlib import sha256
from pathlib import Path

from engine.trail.groupcommit import TrailUnavailable

GENESIS = bytes(32)


class Entry:
    """One line of the journal: where it lies, its place in the chain, and the record's JSON."""

    __slots__ = ("digest", "end", "record", "sequence", "start")

    def __init__(self, start: int, end: int, sequence: int, digest: bytes, record: bytes) -> None:
        self.start, self.end, self.sequence, self.digest, self.record = start, end, sequence, digest, record

    def follows(self, sequence: int, digest: bytes) -> bool:
        """Whether it is the next of the chain behind record `sequence`, whose hash is `digest`."""
        return self.sequence == sequence + 1 and self.digest == sha256(digest + self.record).digest()


class Line:
    """A line of the journal: where it lies and what it says."""

    __slots__ = ("end", "start", "text")

    def __init__(self, start: int, text: bytes) -> None:
        self.start, self.end, self.text = start, start + len(text), text

    def entry(self, path: Path) -> Entry:
        """Raises TrailUnavailable if it is not a journal line."""
        try:
            number, digest, record = self.text[:-1].split(b" ", 2)
            return Entry(self.start, self.end, int(number), unhexlify(digest), record)
        except ValueError as reason:
            raise TrailUnavailable(f"audit journal {path}: byte {self.start} does not begin a record") from reason
