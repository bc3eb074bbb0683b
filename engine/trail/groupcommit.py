"""Group commit: records of one worker that wait at the same time are made durable together, by one of the waiting threads.

What a batch becomes (lines of a file and one fdatasync, rows and one commit) is the journal's to say. Promise: when `append`
returns, the record survives power loss; when it raises, no caller may answer.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import perf_counter

from engine import metrics

logger = logging.getLogger(__name__)


# One entry for each call of this process that is being answered: what a commit may wait for, to serve it too.
in_flight: list[None] = []


class TrailUnavailable(Exception):
    """The journal cannot be written or is damaged: nothing may be answered until it can be."""


class Ticket:
    """One waiting record. `done` is locked until its batch is durable, has failed, or the ticket must lead the next batch."""

    __slots__ = ("digest", "done", "error", "leads", "record", "sequence")

    def __init__(self, record: bytes) -> None:
        self.record = record
        self.done = threading.Lock()
        self.done.acquire()
        self.leads = False
        self.sequence = 0
        self.digest = b""  # of the chain behind this record, where the journal has one chain
        self.error: Exception | None = None


class GroupCommit(ABC):
    """Any number of threads append; one of them at a time commits for all that wait."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._pending: list[Ticket] = []
        self._busy = False

    def append(self, record: bytes) -> int:
        """Make `record` (JSON without newlines) durable and return its sequence number. Raises TrailUnavailable."""
        return self.append_all([record]).sequence

    def append_all(self, records: Sequence[bytes]) -> Ticket:
        """Make the records (at least one) durable, in order and together; where the last stands. Raises TrailUnavailable."""
        tickets = [Ticket(record) for record in records]
        first = tickets[0]
        with self._mutex:
            self._pending += tickets
            lead = not self._busy
            self._busy = True
        if not lead:
            first.done.acquire()
            lead = first.leads
        if lead:
            self._lead()
        if first.error is not None:  # all waited in one batch: what failed one failed all
            raise TrailUnavailable(str(first.error)) from first.error
        return tickets[-1]

    @abstractmethod
    def recover(self) -> int:
        """At a server's start: mend what a crash left. Raises TrailUnavailable if the journal is damaged."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _commit(self, batch: list[Ticket]) -> None:
        """Make a batch durable, in order, and number its tickets; whatever it raises fails all of them."""

    def _lead(self) -> None:
        """Commit all that waits now, then hand the lead to the first that came meanwhile."""
        for _ in range(len(in_flight)):
            if len(self._pending) >= len(in_flight):
                break
            os.sched_yield()  # let the others come as far as this: one commit then serves all
        with self._mutex:
            batch, self._pending = self._pending, []
        began = perf_counter()
        try:
            self._commit(batch)
            metrics.commit(len(batch), perf_counter() - began)
        except Exception as error:
            for ticket in batch:
                ticket.error = error
            logger.error("audit journal cannot be written: %s", error)
        with self._mutex:
            if self._pending:
                heir = self._pending[0]
                heir.leads = True
                heir.done.release()
            else:
                self._busy = False
        for ticket in batch:
            if not ticket.leads:
                ticket.done.release()
