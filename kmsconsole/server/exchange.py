"""One request that went on to a thread, and its answer: uvicorn's cycle, but for how the answer is written.

The head of an answer waits for its body. An answer that is there in one piece leaves in one write; one in pieces is framed so that a
client can tell a broken one. What fails before anything was written is answered 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kmsconsole.server.response import Head, date_line
from kmsconsole.server.uvicorn_internals import RequestResponseCycle

_FAULT = b"Internal Server Error"


class Exchange(RequestResponseCycle):
    """`on_end(keep)` is called when the answer is written; `keep`: the connection goes on."""

    def __init__(self, on_end: Callable[[bool], None], **options: Any) -> None:
        super().__init__(on_response=lambda: None, **options)
        self.holds = 0  # bytes of the request that its connection has counted
        self._on_end = on_end
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: Head | None = None

    def abandon(self) -> None:
        """The request will never be whole, or its connection is gone: nothing more is written."""
        self.disconnected = True
        self.message_event.set()

    async def send_500_response(self) -> None:
        self._head = None
        headers = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Connection", b"close")]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAULT, "more_body": False})

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_complete:
            raise RuntimeError("the answer was complete")
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._head is None:
            head = Head(self._status, self._headers, self.scope["method"], self.scope["http_version"])
            written = head.begin(body, more=more, keep=self.keep_alive, date=date_line(self.default_headers))
            self._head, self.response_started, self.waiting_for_100_continue = head, True, False
        else:
            written = self._head.go_on(body, more=more)
        if written:
            self.transport.write(written)
        if not more:
            self.response_complete = True
            self.message_event.set()
            self._on_end(not self._head.closes)
