"""How far each sink is: a small file in the data folder, written by the process that sends and read by whoever shows it.

It is replaced and not synced: after a power failure it may be an older one, and records are sent once more.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import orjson
from django.utils.translation import gettext_noop

from engine import clock
from engine.sinks.configuration import Sink
from engine.trail import journal_reader
from engine.trail.groupcommit import TrailUnavailable

# Why nothing is sent, kept in English and shown in the reader's language.
_UNREADABLE = gettext_noop("what is kept of the position of %(name)s cannot be read")
_ENDS_BEFORE = gettext_noop("record %(number)s was delivered, and the journal ends before it")
_ANOTHER = gettext_noop("record %(number)s is another one than was delivered")
PROBLEMS = (_UNREADABLE, _ENDS_BEFORE, _ANOTHER)


@dataclass(frozen=True, slots=True)
class Position:
    """The last record that was delivered, the chain's hash there, and where it ends in the journal. Times are seconds since 1970."""

    sequence: int = 0
    digest: str = ""
    offset: int = 0
    delivered: float = 0.0  # when that was, 0 if nothing was yet
    failing_since: float = 0.0  # 0 while it takes what it is sent
    problem: str = ""


class PositionError(Exception):
    """The journal does not hold what was delivered. The message is one line."""


def folder(data: Path) -> Path:
    return data / "sinks"


def load(data: Path, name: str) -> Position:
    try:
        return Position(**orjson.loads((folder(data) / f"{name}.json").read_bytes()))
    except FileNotFoundError:
        return Position()
    except (orjson.JSONDecodeError, TypeError) as reason:
        raise PositionError(_UNREADABLE % {"name": name}) from reason


def store(data: Path, name: str, position: Position) -> None:
    """Whole or not at all. Raises OSError."""
    folder(data).mkdir(mode=0o700, exist_ok=True)
    path = folder(data) / f"{name}.json"
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(asdict(position)))
    part.replace(path)


def found_again(path: Path, position: Position) -> Position:
    """The position with its place in this journal: a restored journal may be shorter, or another one. Raises PositionError."""
    if position.sequence == 0:
        return replace(position, offset=0)
    end = position.offset
    last = journal_reader.boundary(path, end)
    if last is None or last.sequence != position.sequence:
        end = journal_reader.position_after(path, position.sequence)
        last = journal_reader.boundary(path, end)
    if last is None or last.sequence < position.sequence:
        raise PositionError(_ENDS_BEFORE % {"number": f"{position.sequence:,}"})
    if last.digest.hex() != position.digest:
        raise PositionError(_ANOTHER % {"number": f"{position.sequence:,}"})
    return replace(position, offset=end)


@dataclass(frozen=True, slots=True)
class Shown:
    """A sink as pages, metrics and commands show it. `behind`: how many records of the journal it does not have yet; `lag`: for how many
    seconds the oldest of them has waited, 0 if there is none, None where it cannot be told which that is."""

    sink: Sink
    position: Position
    behind: int
    problem: str
    lag: float | None


def all_of(data: Path, sinks: tuple[Sink, ...]) -> list[Shown]:
    """The sinks of this installation with how far they are. A journal that is not there has no records."""
    path = data / "trail" / "journal"
    last = journal_reader.last_record(path)
    end = last.sequence if last is not None else 0
    found = []
    for sink in sinks:
        try:
            position = load(data, sink.name)
            behind = max(end - position.sequence, 0)
            found.append(Shown(sink, position, behind, position.problem, _lag(path, position) if behind else 0.0))
        except PositionError as reason:
            found.append(Shown(sink, Position(), end, str(reason), None))
    return found


def _lag(path: Path, position: Position) -> float | None:
    """The time since the first record behind the position, on the machine's clock. Records have their account's time: where its clock was
    moved after that one, this is as much too long."""
    try:
        waiting = next(journal_reader.read(path, position.offset), None)
    except TrailUnavailable:
        return None
    if waiting is None or waiting.sequence != position.sequence + 1:
        return None
    event = orjson.loads(waiting.record)
    recorded = datetime.fromisoformat(event["eventTime"]).timestamp() - clock.offset(event["recipientAccountId"])
    return max(time.time() - recorded, 0.0)
