"""Records of a log that a test gives, in place of an installation's trail."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from engine.trail.log_records import Record, Records


class GivenRecords(Records):
    """All of `texts` is durable. Changing them is what somebody with the disk and the chain's rule does."""

    def __init__(self, texts: list[bytes], account: str) -> None:
        self.texts, self.account = texts, account

    def end(self) -> int:
        return len(self.texts)

    def after(self, number: int) -> Iterator[Record]:
        digest = bytes(32)
        for place, text in enumerate(self.texts, 1):
            digest = sha256(digest + text).digest()
            if place > number:
                yield Record(place, digest, text)
