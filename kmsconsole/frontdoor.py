"""The front door of a worker: connections, HTTP, and AWS calls that caches answer, all in one event loop.

What has arrived on any connection since the loop last looked is carried out at once, one call after the other; their audit records
then become durable together, by one write and one sync, and only then are the answers sent. No call waits for a thread, and the
busier a worker is the fewer syncs it needs. Whatever needs the database, time or a page goes on to a thread (kmsconsole.bridge):
Django refuses the database to code in an event loop (SynchronousOnlyOperation), so the loop cannot be held up by it unseen.

Requests must be whole within a time, so that slow and dead clients cost a connection for a while and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from engine import service
from engine.wire.http import MAX_BODY, HttpRequest
from kmsconsole.bridge import header_map

SECONDS = 10.0  # a client gets to send a request in, and a second more for each
SLOWEST = 64 << 10  # bytes of a body
CONNECTIONS = 2_048  # that a worker holds
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


_owed: list[tuple[FrontDoor, service.Held, bool]] = []  # carried out and not yet durable; is the connection kept?


class FrontDoor(HttpToolsProtocol):
    """One connection. uvicorn's protocol, but for the calls that are answered without leaving the loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._quick: dict[str, str] | None = None  # headers of a call for the loop itself, while its body comes
        self._body = b""
        self._owing = 0
        self._begun = (
            True  # a request has begun that is not whole: so has, for the clock, a connection that says nothing
        )
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._due = self.loop.call_later(SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._begun and self._due is None:
            self._due = self.loop.call_later(SECONDS + self._announced() / SLOWEST, self._end)

    def _announced(self) -> int:
        """Bytes of body that the request says it has."""
        length = next((value for name, value in self.headers or () if name == b"content-length"), b"0")
        return int(length) if length.isdigit() and len(length) < 19 else 0

    def _end(self) -> None:
        """The request was not whole in time."""
        self._due = None
        if not self.transport.is_closing():
            if self.headers and (self.cycle is None or self.cycle.response_complete or not self.cycle.response_started):
                self.transport.write(_TOO_SLOW)
            self.transport.close()

    def _arrived(self) -> None:
        self._begun = False
        if self._due is not None:
            self._due.cancel()
            self._due = None

    # httptools calls these as it reads; an answer that is owed on this connection goes out before a later one is worked on elsewhere
    def on_message_begin(self) -> None:
        self._begun = True
        self.url, self.headers, self.expect_100_continue = b"", [], False  # no more: a quick call needs no ASGI scope

    def on_headers_complete(self) -> None:
        self._quick = self._headers_of_a_quick_call()
        if self._quick is None:
            self._hand_over()
        else:
            self._body = b""

    def _headers_of_a_quick_call(self) -> dict[str, str] | None:
        if (
            self.url != b"/"
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.expect_100_continue
        ):
            return None
        headers = header_map(self.headers)
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 7 or int(length) > MAX_BODY or "transfer-encoding" in headers:
            return None
        if not service.is_quick(headers.get("x-amz-target", "")) or self.parser.get_method() != b"POST":
            return None
        return headers

    def on_body(self, body: bytes) -> None:
        if self._quick is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        self._arrived()
        if self._quick is None:
            super().on_message_complete()
            return
        headers, self._quick = self._quick, None
        request = HttpRequest("POST", "/", "", headers, self._body, self.client[0] if self.client else "")
        try:
            held = service.begin(request)
        except SynchronousOnlyOperation:
            self._hand_over()
            super().on_body(self._body)
            super().on_message_complete()
            return
        if not _owed:
            self.loop.call_soon(answer_all)
        self._owing += 1
        _owed.append((self, held, self.parser.should_keep_alive()))

    def _hand_over(self) -> None:
        """To a thread, as uvicorn hands a request to its application."""
        if self._owing:
            answer_all()
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()

    def release(self, held: service.Held, keep: bool) -> None:
        """Send the answer of a call whose records are durable."""
        self._owing -= 1
        self.server_state.total_requests += 1
        response = service.finish(held)
        if self.transport.is_closing():
            return
        lines = [b"%s: %s\r\n" % header for header in self.server_state.default_headers]
        named = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        end = b"\r\n" if keep else b"connection: close\r\n\r\n"
        self.transport.write(
            b"".join([STATUS_LINE[response.status], *lines, named.encode("latin-1"), end, response.body])
        )
        if not keep:
            self.transport.close()
        elif not self._owing and not self._begun:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        """A client that does not read its answers is not listened to either."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        if self._owing:
            answer_all()
        super().shutdown()


def answer_all() -> None:
    """Make durable what has been carried out since this was last done, and answer it."""
    calls, _owed[:] = _owed.copy(), []
    service.make_durable([held for _, held, _ in calls])
    for connection, held, keep in calls:
        connection.release(held, keep)
