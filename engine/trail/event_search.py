"""What a search of the trail asks and answers, and whether one record is what is searched for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.trail import event_terms

Record = dict[str, Any]
FACETS = ("kind", "user", "key", "operation", "error", "source")


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition: a field has this value, or with `prefix` one that begins so."""

    field: str
    value: str
    prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched for, in an account's Region: all of it has to hold. `text`: words, or parts of identifiers. `hidden` takes in the
    console's own reads. `before` and `since` are sequence numbers, neither of them included; `newest` is one too, the last that is looked
    at, whatever page it is. The times are both included."""

    region: str
    clauses: tuple[Clause, ...] = ()
    text: str = ""
    hidden: bool = False
    start: datetime | None = None
    end: datetime | None = None
    newest: int | None = None
    before: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """How many events have which value, most first; `whole` is false where there are at least as many."""

    values: tuple[tuple[str, int], ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """`begin` is included, `end` is not."""

    begin: datetime
    end: datetime
    number: int


@dataclass(slots=True)
class Answer:
    """`next`: where to go on, None at the end. `looked_until`: when the part begins that was looked through, if that is not all. `behind`:
    how many of the newest events are not indexed yet, and so not searched. `newest`: the number of the last event that was. `total` and
    `hidden` are true where `whole`, and the histogram where `charted`; else there are at least as many."""

    events: list[Record] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    next: int | None = None
    looked_until: datetime | None = None
    behind: int = 0
    newest: int = 0
    total: int = 0
    hidden: int = 0
    whole: bool = True
    facets: dict[str, Facet] = field(default_factory=dict)
    histogram: tuple[Interval, ...] = ()
    charted: bool = True


def needles(text: str) -> tuple[list[str], list[str]]:
    """(words that the index has, other parts that only the records themselves tell) of a text that is searched for."""
    words: list[str] = []
    raw: list[str] = []
    for chunk in text.lower().split():
        found = event_terms.words_of(chunk)
        if found and all(event_terms.is_indexed(word) for word in found):
            words += found
        else:
            raw.append(chunk)
    return words, raw


def matches(record: Record, wanted: Search) -> bool:
    """Whether one record is what is searched for; what the index says of it is the same. The Region is not looked at."""
    terms: dict[str, set[str]] = {}
    for name, value in event_terms.of(record):
        terms.setdefault(name, set()).add(value)
    for clause in wanted.clauses:
        if not _has(record, terms, clause):
            return False
    when = event_terms.moment(record)
    if (wanted.start and when < int(wanted.start.timestamp())) or (wanted.end and when > int(wanted.end.timestamp())):
        return False
    if not wanted.hidden and event_terms.is_read_by_console(record):
        return False
    words, raw = needles(wanted.text)
    return (not words or set(words) <= event_terms.words(record)) and _contains(record, raw)


def _has(record: Record, terms: dict[str, set[str]], clause: Clause) -> bool:
    if clause.field in event_terms.IDENTIFIERS:
        return clause.value.lower() in {each.lower() for each in event_terms.IDENTIFIERS[clause.field](record)}
    of_field = terms.get(clause.field, set())
    if clause.field == "key" and not clause.value.startswith("arn:"):  # an ID, of whichever account
        return any(value.endswith(f"/{clause.value}") for value in of_field)
    if clause.prefix:
        return any(value.startswith(clause.value) for value in of_field)
    return event_terms.stored(clause.value) in of_field


def _contains(record: Record, raw: list[str]) -> bool:
    if not raw:
        return True
    whole = "\n".join(event_terms.texts(record)).lower()
    return all(each in whole for each in raw)
