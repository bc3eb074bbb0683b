"""A server that never ends its answer: each 50 ms comes a byte."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def dripping(begun: bytes, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its address. `begun`: what of the answer comes at once."""
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listening, begun, tls), daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def _accept(listening: socket.socket, begun: bytes, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            there, _ = listening.accept()
            threading.Thread(target=_drop_by_drop, args=(there, begun, tls), daemon=True).start()


def _drop_by_drop(there: socket.socket, begun: bytes, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), there:
        spoken = tls.wrap_socket(there, server_side=True) if tls else there
        spoken.recv(65_536)
        spoken.sendall(begun)
        while True:
            spoken.sendall(b"1")
            time.sleep(0.05)
