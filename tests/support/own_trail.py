"""A journal of a test's own, with its log, beside the installation's."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from engine.trail.journal import Journal
from engine.trail.journal_lines import GENESIS, Entry
from engine.trail.journal_reader import read
from engine.trail.log_records import JournalRecords


class OwnTrail(JournalRecords):
    """A journal of a test's own, in place of the installation's; its log keeps its checkpoints under a name of its own."""

    def __init__(self, folder: Path, account: str) -> None:
        super().__init__(folder / "journal")
        self.account = account
        self.folder, self.journal = folder, Journal(folder)

    def end(self) -> int:
        return self.removed().sequence + sum(1 for _ in read(self.path))

    def record(self, number: int) -> None:
        for _ in range(number):
            self.journal.append(b'{"eventTime":"2026-01-01T00:00:00Z","n":%d}' % (self.end() + 1))

    def write(self, texts: list[bytes]) -> None:
        """Put other records in place of all, with numbers and a chain that fit."""
        digest, lines = GENESIS, []
        for number, text in enumerate(texts, 1):
            digest = sha256(digest + text).digest()
            lines.append(b"%d %s %s\n" % (number, digest.hex().encode(), text))
        self.path.write_bytes(b"".join(lines))

    @property
    def texts(self) -> list[bytes]:
        return [entry.record for entry in self.entries]

    @property
    def entries(self) -> list[Entry]:
        return list(read(self.path))
