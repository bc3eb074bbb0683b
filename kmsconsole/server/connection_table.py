"""The connections of a worker: how many it holds, how many of them for one address, and which are ended first.

A connection is half-made while its next request is not whole (a new one that says nothing is so too), idle between two requests, and
else busy. A full worker does not turn a newcomer away: it ends the oldest connection that is half-made, then the oldest that is
idle, then one whose client does not read its answer. Only a worker whose connections are all busy answers 503.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker allows. A request's head must be whole `seconds` after it begins; of its body at least `window` bytes, or the
    rest, must come in each `seconds`, counted from the body's own begin; so must a client read its answers."""

    connections: int = 2_048
    per_address: int = 1_024
    seconds: float = 10.0
    window: int = 16 << 10
    idle_seconds: float = 75.0
    unanswered: int = 128 << 20  # bytes of requests, all connections together, that came in parts and are not answered


class Connection(Protocol):
    """What the table has to know and do of a connection."""

    address: str
    counted: bool
    held: int  # bytes of its requests that are not answered

    def due(self) -> float:
        """When it has to have made progress."""

    def overdue(self, now: float) -> None:
        """That time has come: end it, or give it the next."""

    def unsent(self) -> int:
        """Bytes of answers that its client has not taken."""

    def drop(self) -> None:
        """End it at once, for others need the room."""

    def close(self) -> None: ...

    def abort(self) -> None: ...


class ConnectionTable:
    """Each dict is in order, the oldest first. A busy connection is in none of them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.open = 0
        self.held = 0  # bytes, the sum of all connections
        self.half_made: dict[Connection, None] = {}
        self.idle: dict[Connection, float] = {}  # since when
        self.unread: dict[Connection, tuple[float, int]] = {}  # until when some of so many bytes must be read
        self.ending: dict[Connection, tuple[float, int]] = {}  # the same, of connections that are closed after it
        self.by_address: Counter[str] = Counter()
        self._watched: asyncio.AbstractEventLoop | None = None

    def admit(self, connection: Connection) -> bool:
        """Take a new connection in; False if there is no room for it and none can be made."""
        limits, address = self.limits, connection.address
        self.open += 1
        self.by_address[address] += 1
        connection.counted = True
        if self.by_address[address] > limits.per_address and not self._drop_oldest(address):
            return False
        if self.open > limits.connections and not self._drop_oldest(None):
            return False
        self.half_made[connection] = None
        return True

    def _drop_oldest(self, address: str | None) -> bool:
        for group in (self.ending, self.half_made, self.idle, self.unread):
            for connection in group:
                if address is None or connection.address == address:
                    self.forget(connection)
                    connection.drop()
                    return True
        return False

    def hold(self, connection: Connection, size: int) -> bool:
        """Count bytes of a request that came in parts. Beyond what a worker holds the oldest half-made requests go; False if there
        is none but this connection's own."""
        connection.held += size
        self.held += size
        while self.held > self.limits.unanswered:
            oldest = next((each for each in self.half_made if each is not connection and each.held), None)
            if oldest is None:
                return False
            self.forget(oldest)
            oldest.drop()
        return True

    def release(self, connection: Connection, size: int) -> None:
        """So many of these bytes are answered, or thrown away."""
        size = min(size, connection.held)  # none, of a connection that is forgotten
        self.held -= size
        connection.held -= size

    def forget(self, connection: Connection) -> None:
        """The connection is gone, or about to be."""
        for group in (self.half_made, self.idle, self.unread, self.ending):
            group.pop(connection, None)
        if connection.counted:
            connection.counted = False
            self.open -= 1
            self.by_address[connection.address] -= 1
            if not self.by_address[connection.address]:
                del self.by_address[connection.address]
        self.release(connection, connection.held)

    def wait_for_reader(self, connection: Connection, now: float) -> None:
        self.unread[connection] = (now + self.limits.seconds, connection.unsent())

    def wait_for_end(self, connection: Connection, now: float, seconds: float) -> None:
        """The connection is closed as soon as its client has taken what is left for it, and by force if it does not."""
        self.ending[connection] = (now + seconds, connection.unsent())

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look after the connections of this loop from now on."""
        if self._watched is not loop:
            self._watched = loop
            self._look_again(loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sweep(loop.time())
        loop.call_later(min(1.0, self.limits.seconds / 10), self._look_again, loop)

    def sweep(self, now: float) -> None:
        """End what has had its time."""
        for connection in [each for each in self.half_made if each.due() <= now]:
            connection.overdue(now)
        for connection, since in list(self.idle.items()):
            if since + self.limits.idle_seconds > now:
                break
            del self.idle[connection]
            connection.close()
        for group, closed in ((self.unread, False), (self.ending, True)):
            for connection, (until, before) in list(group.items()):
                if until > now:
                    continue
                left = connection.unsent()
                if before - left >= self.limits.window or (not left and not closed):
                    group[connection] = (now + self.limits.seconds, left)
                else:
                    connection.abort()
