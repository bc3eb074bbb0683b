"""How far each sink is: a small file in the data folder, written by the process that sends and read by whoever shows it.

It is replaced and not synced: after a power failure it may be an older one, and records are sent once more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from engine.sinks.configuration import Sink
from engine.trail import journal


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
        raise PositionError(f"what is kept of the position of {name} cannot be read") from reason


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
    last = journal.record_before(path, end)
    if last is None or last.sequence != position.sequence:
        end = journal.position_after(path, position.sequence)
        last = journal.record_before(path, end)
    if last is None or last.sequence < position.sequence:
        raise PositionError(f"record {position.sequence:,} was delivered, and the journal ends before it")
    if last.digest.hex() != position.digest:
        raise PositionError(f"record {position.sequence:,} is another one than was delivered")
    return replace(position, offset=end)


@dataclass(frozen=True, slots=True)
class Shown:
    """A sink as pages, metrics and commands show it. `behind`: how many records of the journal it does not have yet."""

    sink: Sink
    position: Position
    behind: int
    problem: str


def all_of(data: Path, sinks: tuple[Sink, ...]) -> list[Shown]:
    """The sinks of this installation with how far they are. A journal that is not there has no records."""
    last = journal.last_record(data / "trail" / "journal")
    end = last.sequence if last is not None else 0
    found = []
    for sink in sinks:
        try:
            position = load(data, sink.name)
            found.append(Shown(sink, position, max(end - position.sequence, 0), position.problem))
        except PositionError as reason:
            found.append(Shown(sink, Position(), end, str(reason)))
    return found
