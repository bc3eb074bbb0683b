"""What a lesson is made of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from learn.lessons.checks import Check, Record

KEY = "KEY"  # in a link's arguments: the learner's key, once there is one
EVENTS = "EVENTS"  # as a link: the audit page with the events of that key


@dataclass(frozen=True, slots=True)
class Step:
    """`looked_for` is the operation as the record calls it; `link` a page of the console by pattern and arguments, with its words."""

    title: Any
    words: Any
    why: Any
    looked_for: str
    check: Check
    link: tuple[str, ...] = ()
    link_words: Any = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """`operations` are those whose records its checks read. A lesson that is not `for_students` is the teacher's own."""

    slug: str
    title: Any
    lead: Any
    operations: tuple[str, ...]
    steps: tuple[Step, ...]
    for_students: bool = True

    def proofs(self, records: Sequence[Record]) -> list[Record | None]:
        """For each step the record that proves it. `records`: one person's, in the order they happened."""
        return [step.check(records) for step in self.steps]
