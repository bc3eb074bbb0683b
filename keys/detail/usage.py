"""What a key's events say: calls over time, by whom, for what and through which service; what hangs on it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.public.vocabulary import MAKES_CIPHERTEXT
from keys.record.key_events import Event

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Column:
    """A piece of time with the calls in it: `done` were answered, `refused` got an error."""

    begin: datetime
    done: int
    refused: int


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    done: int
    refused: int
    last: datetime

    @property
    def calls(self) -> int:
        return self.done + self.refused


def columns(events: Iterable[Event], begin: datetime, end: datetime, step: timedelta) -> list[Column]:
    """Uses by pieces of time from `begin` on, empty ones included."""
    counts: Counter[tuple[int, bool]] = Counter()
    number = max(1, -int((begin - end) // step))
    for event in events:
        place = int((event.time - begin) // step)
        if event.is_use and 0 <= place < number:
            counts[place, bool(event.error)] += 1
    return [Column(begin + place * step, counts[place, False], counts[place, True]) for place in range(number)]


def shares(events: Iterable[Event], name: Any) -> list[Share]:
    """Uses grouped by what `name` makes of an event, the most frequent first."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    for event in events:
        if event.is_use:
            group = name(event)
            (refused if event.error else done)[group] += 1
            last[group] = max(last.get(group, event.time), event.time)
    found = [Share(group, done[group], refused[group], last[group]) for group in last]
    return sorted(found, key=lambda share: (-share.calls, share.name))


@dataclass(slots=True)
class Data:
    """Data that the key protects, as far as encryption contexts tell: one pair, how often it was used to encrypt and decrypt."""

    name: str
    value: str
    made: int = 0
    opened: int = 0
    last: datetime | None = None
    principals: set[str] = field(default_factory=set)


def data_by_context(events: Iterable[Event]) -> list[Data]:
    """One entry for each pair of an encryption context that a successful call had, the last used first."""
    found: dict[tuple[str, str], Data] = defaultdict(lambda: Data("", ""))
    for event in events:
        if event.error or not event.is_use:
            continue
        for pairs in event.contexts:
            for name, value in pairs.items():
                data = found[name, value]
                data.name, data.value = name, value
                data.made += event.name in MAKES_CIPHERTEXT
                data.opened += event.name in ("Decrypt", "ReEncrypt")
                data.last = max(data.last or event.time, event.time)
                data.principals.add(event.principal)
    return sorted(found.values(), key=lambda data: (data.last is None, data.last), reverse=True)


def ciphertexts_made(events: Iterable[Event]) -> int:
    return sum(not event.error and event.name in MAKES_CIPHERTEXT for event in events)
