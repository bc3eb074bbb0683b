"""Sends the record to the sinks: a process beside the workers, with a thread for each sink, so that none waits for another.

Each follows the journal up to where it is durable and sends what lies behind its position, in order, until the receiver took it. A sink
that is `required` keeps moving the moment from which the journal takes no more records: it stands `max_lag_seconds` behind the last look
at which all that was recorded had been delivered. If the sink, this process or its machine's time stands still, the moment passes, and
calls fail as they do when the journal cannot be written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.sinks import receivers, state
from engine.sinks.configuration import Sink
from engine.sinks.receivers import Receiver, SinkError
from engine.sinks.state import Position, PositionError
from engine.trail import journal_reader
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.journal_lines import Entry

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1  # between two looks whether something was recorded
_MOST_RECORDS = 500
_MOST_BYTES = 512 * 1024
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # after the first failure, the second …; the last for all further ones


class Deadlines:
    """The earliest of the required sinks' moments, written where the journal's writers look (`hold_after`)."""

    def __init__(self, trail: Journal, sinks: Sequence[Sink]) -> None:
        self._trail = trail
        self._lock = threading.Lock()
        now = time.monotonic()
        self._of = {sink.name: now + sink.max_lag_seconds for sink in sinks if sink.required}
        self._write()

    def move(self, sink: Sink, seen: float) -> None:
        """All that was recorded at `seen` (monotonic) is delivered, or nothing is known to wait since before it."""
        if sink.required:
            with self._lock:
                self._of[sink.name] = seen + sink.max_lag_seconds
                self._write()

    def _write(self) -> None:
        self._trail.hold_after(min(self._of.values(), default=0.0))


class Sender:
    """One sink's thread: begins at its stored position, ends with `stopping`."""

    def __init__(
        self,
        sink: Sink,
        receiver: Receiver,
        trail: Journal,
        data: Path,
        deadlines: Deadlines,
        stopping: threading.Event,
    ) -> None:
        self._sink, self._receiver, self._trail, self._data = sink, receiver, trail, data
        self._deadlines, self._stopping = deadlines, stopping
        self._position = Position()
        self._failures = 0

    def run(self) -> None:
        if not self._begin():
            return
        while not self._stopping.is_set():
            seen, end = time.monotonic(), self._trail.durable_offset()
            if self._position.offset < end and not self._send_up_to(end):
                continue
            self._deadlines.move(self._sink, seen)
            self._stopping.wait(_LOOK_SECONDS)
        self._receiver.close()

    def _begin(self) -> bool:
        try:
            self._position = state.found_again(self._trail.path, state.load(self._data, self._sink.name))
            return True
        except PositionError as reason:  # a person has to say where to go on: `manage.py sinks --restart`
            logger.error("sink %s: %s; nothing is sent to it", self._sink.name, reason)
            self._tell(str(reason))
            return False

    def _send_up_to(self, end: int) -> bool:
        """Whether all of it was sent."""
        try:
            for batch in _batches(self._trail.path, self._position.offset, end):
                self._receiver.send(batch)
                last = batch[-1]
                self._position = Position(last.sequence, last.digest.hex(), last.end, delivered=time.time())
                state.store(self._data, self._sink.name, self._position)
                if self._failures:
                    logger.warning("sink %s takes records again", self._sink.name)
                    self._failures = 0
                if self._stopping.is_set():
                    return False
            return True
        except (SinkError, TrailUnavailable, OSError) as reason:
            if not self._failures:
                logger.error("sink %s: %s", self._sink.name, reason)
            self._tell(str(reason))
            self._stopping.wait(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
            self._failures += 1
            return False

    def _tell(self, problem: str) -> None:
        since = self._position.failing_since or time.time()
        self._position = replace(self._position, failing_since=since, problem=problem)
        try:
            state.store(self._data, self._sink.name, self._position)
        except OSError as reason:  # a full disk is told by the trail; the log has the problem
            logger.error("sink %s: its state cannot be written: %s", self._sink.name, reason.strerror)


def _batches(path: Path, start: int, end: int) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in journal_reader.read(path, start):
        if entry.end > end:
            break
        batch.append(entry)
        size += entry.end - entry.start
        if len(batch) == _MOST_RECORDS or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def run(sinks: Sequence[Sink], data: Path, stopping: threading.Event) -> None:
    """Until `stopping`. What is recorded up to then and not sent yet is sent at the next start."""
    trail = Journal(data / "trail", create=False)
    deadlines = Deadlines(trail, sinks)
    senders = [Sender(sink, receivers.receiver(sink), trail, data, deadlines, stopping) for sink in sinks]
    threads = [threading.Thread(target=each.run, name="sink", daemon=True) for each in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stopping.wait()
