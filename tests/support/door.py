"""The HTTP protocol in this process: real sockets and the real engine, pages and limits that a test chooses, and each write noted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from kmsconsole.server import http_protocol
from kmsconsole.server.asgi import Application
from kmsconsole.server.connection_table import ConnectionTable, Limits

Pages = Callable[..., Iterable[bytes]]


class _Noted:
    """A transport that remembers what is written to it."""

    def __init__(self, transport: Any, writes: list[bytes]) -> None:
        self._transport, self._writes = transport, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data:
            self._writes.append(data)
        self._transport.write(data)


class Door:
    def __init__(self, port: int, writes: list[bytes], table: ConnectionTable) -> None:
        self.port, self.writes, self.table = port, writes, table


@contextmanager
def door(pages: Pages, limits: Limits | None = None, *, threads: int = 2) -> Iterator[Door]:
    writes: list[bytes] = []

    class Noting(http_protocol.HttpProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Noted(transport, writes))  # type: ignore[arg-type]

    before = http_protocol.table
    http_protocol.configure(limits or Limits())
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(
        Application(pages, threads),
        http=Noting,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), name="door", daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield Door(listening.getsockname()[1], writes, http_protocol.table)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        http_protocol.table = before
        assert not thread.is_alive()


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The simplest pages: each says its path."""
    environ["wsgi.input"].read()
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
