"""Request bodies: bounded before they are read, and read within a time, so that slow or dead clients hold no thread for long.

A thread that waits for a body stands in a table; once a second a watcher looks for the connections of those that have waited too
long and shuts them down, which ends the wait. The server tells a request's address but not its port: a connection is known by the
moment the kernel last received something on it, which for a stalled client is when the wait began. A client that goes on dripping
bytes is not found; waiting threads are cheap and many (`serve`), and a proxy that buffers bodies belongs before hostile networks.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from typing import Any

logger = logging.getLogger(__name__)

SECONDS = 10.0  # a client gets to send a body in
MOST = 32 << 20  # bytes of a page's form; the engine's own limit is far lower
_NEAR = 0.5  # seconds between a connection's last byte and the beginning of the wait for the next
_TCP_INFO = struct.Struct("=8x12I")  # the last of these is tcpi_last_data_recv, in milliseconds (linux/tcp.h)
_waiting: dict[int, tuple[float, str]] = {}  # by thread: since when, for what address


class BodyTooSlow(OSError):
    """The client did not send what it announced; its connection is gone."""


def read(environ: dict[str, Any], most: int) -> bytes:
    """The body, at most `most` bytes of it. Raises BodyTooSlow."""
    thread = threading.get_ident()
    _waiting[thread] = (time.monotonic(), environ.get("REMOTE_ADDR", ""))
    try:
        body: bytes = environ["wsgi.input"].read(most)
    except OSError as reason:
        raise BodyTooSlow("the client did not send the body it announced") from reason
    finally:
        del _waiting[thread]
    return body


def announced(environ: dict[str, Any]) -> int:
    """The length a request announces, 0 if it announces none that is a number."""
    length = environ.get("CONTENT_LENGTH") or ""
    return int(length.lstrip("0")[:18] or "0") if length.isdecimal() else 0


class Timed:
    """`wsgi.input` for pages: the same limits for whatever reads it piece by piece."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = dict(environ)
        self._left = announced(environ)

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        body = read(self._environ, wanted) if wanted else b""
        self._left -= len(body)
        return body

    def readline(self, size: int = -1) -> bytes:
        line = b""
        while (size < 0 or len(line) < size) and not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return line


def watch_always() -> None:
    """Start this worker's watcher."""
    threading.Thread(target=_watch_for_ever, name="bodies", daemon=True).start()


def _watch_for_ever() -> None:
    while True:
        time.sleep(1.0)
        now = time.monotonic()
        late = [(address, now - since) for since, address in list(_waiting.values()) if now - since > SECONDS]
        if late:
            logger.warning("%d requests wait for their bodies; %d connections ended", len(late), _shut_down(late))


def _shut_down(late: list[tuple[str, float]]) -> int:
    """Shut down the connections on which nothing came for as long as one of the waits lasts. Returns how many."""
    ended = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            connection = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # no socket, or closed meanwhile
            continue
        with connection:
            try:
                address = connection.getpeername()
                silent = _TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))[
                    -1
                ]
                if any(address[0] == each and abs(waited - silent / 1000) < _NEAR for each, waited in late):
                    connection.shutdown(socket.SHUT_RDWR)
                    ended += 1
            except OSError:  # not a TCP connection, or gone
                continue
    return ended
