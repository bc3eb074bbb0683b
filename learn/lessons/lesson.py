"""What a lesson is made of. Pure, but for the language that its words are said in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.utils import translation

from learn.lessons.checks import OTHER, Check, Evidence, ExpectedEvent, Found, Record, find
from learn.lessons.event_patterns import Pattern

T = TypeVar("T")
FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class StepWords:
    """A step in one language. `body`, `why`, `choices` and `hints` are HTML that learn.lessons.words made; `page` is the page of the
    console that the step's button leads to, `commands` are as they were written."""

    title: str
    body: str = ""
    why: str = ""
    page: str = ""
    page_words: str = ""
    commands: tuple[tuple[str, str], ...] = ()  # (language, text)
    choices: tuple[str, ...] = ()
    right: tuple[bool, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LessonWords:
    title: str
    lead: str
    introduction: str = ""
    steps: Mapping[str, StepWords] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hint:
    """A usual mistake: what the record shows of it."""

    name: str
    check: Check


@dataclass(frozen=True, slots=True)
class Step:
    """`check`: the events that tick it. `key`: what DescribeKey has to answer of their key now, beside them. `looked_for`: the operation
    or error as the page names it."""

    name: str
    check: Check
    key: Pattern
    hints: tuple[Hint, ...]
    looked_for: str
    by_language: Mapping[str, StepWords]

    @property
    def words(self) -> StepWords:
        return spoken(self.by_language)

    @property
    def title(self) -> str:
        return self.words.title

    def events(self) -> tuple[ExpectedEvent, ...]:
        return (*self.check, *(event for hint in self.hints for event in hint.check))

    def find(self, evidence: Evidence) -> Found:
        return find(self.check, evidence)


@dataclass(frozen=True, slots=True)
class Lesson:
    """`own`: of the data folder. A lesson that is not `for_students` is the teacher's own."""

    slug: str
    order: int
    steps: tuple[Step, ...]
    by_language: Mapping[str, LessonWords]
    for_students: bool = True
    own: bool = False

    @property
    def words(self) -> LessonWords:
        return spoken(self.by_language)

    @property
    def title(self) -> str:
        return self.words.title

    @property
    def lead(self) -> str:
        return self.words.lead

    @property
    def operations(self) -> tuple[str, ...]:
        """Those whose records its checks and hints read."""
        return tuple(dict.fromkeys(name for step in self.steps for event in step.events() for name in event.all_names))

    @property
    def others_operations(self) -> tuple[str, ...]:
        """Those of other principals that it reads: of exercises of two people."""
        events = [event for step in self.steps for event in step.events() if event.who == OTHER]
        return tuple(dict.fromkeys(name for event in events for name in event.names))

    def proofs(self, records: Sequence[Record], arn: str | None = None) -> list[Record | None]:
        """For each step the record that proves it. `records`: one person's, in the order they happened; or everybody's, and its ARN."""
        evidence = Evidence(records, arn)
        return [step.find(evidence).proof for step in self.steps]


def spoken(by_language: Mapping[str, T]) -> T:
    """In the language of the page, else in English, else in the one there is."""
    language = (translation.get_language() or FALLBACK).partition("-")[0]
    return by_language.get(language) or by_language.get(FALLBACK) or next(iter(by_language.values()))
