"""What a feed of committed changes is: one for each kind of database, each an object of this interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Changes = list[tuple[int, str]]  # number and entity
Read = Callable[[int | None], Changes]  # the changes after a number, in order; for None the last number alone
Apply = Callable[[Read], None]


class ChangeFeed(Protocol):
    def look(self) -> None:
        """Have the changes read by what the feed was made with, an Apply, unless nothing was committed since the last look.

        What it raises is raised, and the next look reads again.
        """

    def close(self) -> None:
        """Let go of the database; of what this process has open of it, the last."""
