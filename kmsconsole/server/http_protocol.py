"""The HTTP protocol of a worker: connections, HTTP, and AWS calls that caches answer, all in one event loop.

What has arrived on any connection since the loop last looked is carried out at once, one call after the other; their audit records
then become durable together, by one write and one sync, and only then are the answers sent. No call waits for a thread, and the
busier a worker is the fewer syncs it needs. Whatever needs the database, time or a page goes on to a thread (kmsconsole.server.asgi):
Django refuses the database to code in an event loop (SynchronousOnlyOperation), so the loop cannot be held up by it unseen.

Nobody has signed anything yet here, so everything is bounded: a request's head, how long its parts may take, how many requests are
sent ahead of their answers, and what connections hold all together (kmsconsole.server.connection_table).
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from django.core.exceptions import SynchronousOnlyOperation

from engine import service
from engine.kms.stores.use import DeviceCall
from engine.wire.client_address import address_of
from engine.wire.http import HttpRequest
from kmsconsole.server.asgi import DEVICE, header_map
from kmsconsole.server.connection_table import ConnectionTable, Limits
from kmsconsole.server.exchange import Exchange
from kmsconsole.server.response import date_line, refusal
from kmsconsole.server.uvicorn_internals import HIGH_WATER_LIMIT, STATUS_LINE, HttpToolsProtocol

HEAD = 64 << 10  # bytes of a request's head: its lines and their ends
LINES = 200  # header lines of it
AHEAD = 64  # requests of one connection that are not answered
QUICK_BODY = 64 << 10  # bytes of a call that the loop itself keeps; longer ones are a thread's
LINGER = 2.0  # seconds in which a client that is refused may take its answer, while what it still sends is thrown away
_PIECE = 64 << 10  # bytes that are read together

_BETWEEN, _IN_HEAD, _IN_BODY = range(3)

table = ConnectionTable()
_pending: list[
    tuple[HttpProtocol, service.PendingResponse, bool]
] = []  # carried out and not yet durable; is the connection kept?


def configure(limits: Limits) -> None:
    """In a worker, before its first connection."""
    global table
    table = ConnectionTable(limits)


class _Stop(Exception):
    """Raised while httptools reads: what comes is not to be read on."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. uvicorn's protocol, but for calls that are answered without leaving the loop, for bounds and for answers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.address = ""
        self.counted = False
        self.held = 0
        self._holds = 0  # of these, what the request holds that is not whole
        self._quick: dict[str, str] | None = None  # headers of a call for the loop itself, while its body comes
        self._body = b""
        self._owing = 0
        self._running: Exchange | None = None  # the request that a thread answers
        self._newest: Exchange  # the last that is meant for one
        self._refusal = b""  # to be sent after what comes before it
        self._deaf = False  # whatever else comes is thrown away
        self._status = 400  # of what httptools cannot read on
        self._stage = _IN_HEAD  # for the clock, a connection that says nothing has begun a request
        self._due = 0.0  # when the request has to have come on
        self._completed = False  # a request became whole with what came last
        self._head = 0  # bytes of a head that came in parts
        self._got = 0  # bytes of body since `_due` was set
        self._moved = False  # some body came
        self._still = 0  # bytes that came without any of a body: trailers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = address_of(self.client[0]) if self.client else ""
        table.watch(self.loop)
        self._due = self.loop.time() + table.limits.seconds
        if not table.admit(self):
            table.forget(self)
            self._deaf = True
            transport.write(refusal(503))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        table.forget(self)
        self._deaf = True
        if self._running is not None:
            self._running.abandon()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if len(data) > _PIECE:
            for at in range(0, len(data), _PIECE):
                self.data_received(data[at : at + _PIECE])
            return
        self._completed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # no other protocol is spoken: the request is answered, and what follows it is not HTTP
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            if self._status:
                self._refuse(self._status)
            return
        if self._stage:
            self._wait_for_more(len(data))

    def _wait_for_more(self, size: int) -> None:
        """A request is not whole with the `size` bytes that have come."""
        if self._stage == _IN_HEAD:
            self._head += self._head_known() if self._completed else size
            if (
                self._head > HEAD or len(self.headers or ()) > LINES
            ):  # none before the request line: only line ends came
                self._refuse(431)
                return
        elif self._moved:
            self._moved, self._still = False, 0
        else:
            self._still += size
            if self._still > HEAD or len(self.headers) > LINES:
                self._refuse(431)
                return
        self._holds += size
        if not table.hold(self, size):
            self._refuse(503)
            return
        if not self._due or self not in table.half_made:
            table.half_made[self] = None
            self._give_time(self.loop.time())

    def _give_time(self, now: float) -> None:
        self._due, self._got = now + table.limits.seconds, 0

    def _head_known(self) -> int:
        """Bytes of the head as far as it was read: each line with its colon, space and end."""
        return len(self.url) + 16 + sum([len(name) + len(value) + 4 for name, value in self.headers])

    def due(self) -> float:
        return self._due

    def overdue(self, now: float) -> None:
        kept_waiting = self.flow.read_paused or self._kept_busy(self._own_exchange())
        moves = self._stage == _IN_BODY and self._got >= table.limits.window
        if kept_waiting or moves:
            self._give_time(now)
        elif self.headers is None:
            table.half_made.pop(self, None)
            self.close()
        else:
            self._refuse(408)

    def _busy(self) -> bool:
        """Whether a thread has yet to answer."""
        return self._running is not None and not self._running.response_complete

    def _kept_busy(self, own: Exchange | None) -> bool:
        """Whether that is so of another request than the one that is not whole."""
        return self._busy() and self._running is not own

    def _own_exchange(self) -> Exchange | None:
        """The exchange of the request whose body is still coming, if a thread answers it."""
        return self._newest if self._stage == _IN_BODY and self._quick is None else None

    def _refuse(self, status: int) -> None:
        """End the connection with an answer to what came last, after the answers to what came before it."""
        if self._owing:
            answer_all()
        own, running = self._own_exchange(), self._running
        self._deaf, self._stage = True, _BETWEEN
        table.half_made.pop(self, None)
        self._refusal = refusal(status, date_line(self.server_state.default_headers))
        if own is not None and own is not running:
            self.pipeline.popleft()  # it never begins
        elif own is not None:
            own.abandon()
            if own.response_started:
                self.abort()  # its answer is broken off, and must look so
                return
        if not self.pipeline and (running is own or not self._busy()):
            self._end(self._refusal)

    def _end(self, last: bytes) -> None:
        """Close, when the client has taken what is written: what it still sends would otherwise reset the connection before that."""
        self._deaf = True
        table.idle.pop(self, None)
        if self.transport.is_closing():
            return
        self.transport.write(last)
        self.transport.write_eof()
        table.release(self, self.held)
        table.wait_for_end(self, self.loop.time(), min(LINGER, table.limits.seconds))
        self.flow.resume_reading()

    def close(self) -> None:
        """Close as soon as what is written is taken."""
        self._deaf = True
        table.idle.pop(self, None)
        if not self.transport.is_closing():
            self.transport.close()
            table.wait_for_end(self, self.loop.time(), table.limits.seconds)

    def abort(self) -> None:
        self._deaf = True
        self.transport.abort()

    def drop(self) -> None:
        own = self._own_exchange()
        if self.headers is None or not self._stage or self._owing or self.unsent() or self._kept_busy(own):
            self.abort()
            return
        self._deaf = True
        if own is not None:
            own.abandon()
        self.transport.write(refusal(503, date_line(self.server_state.default_headers)))
        self.transport.close()

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    # httptools calls these as it reads; an answer that is owed on this connection goes out before a later one is worked on elsewhere
    def on_message_begin(self) -> None:
        table.idle.pop(self, None)  # here and not before: line ends between requests are no request, and end no waiting
        if self._deaf or self._owing >= AHEAD:
            self._stop(0 if self._deaf else 503)
        self._stage = _IN_HEAD
        self._head = 0
        self.url, self.headers, self.expect_100_continue = b"", [], False  # no more: a quick call needs no ASGI scope

    def on_headers_complete(self) -> None:
        if len(self.headers) > LINES or (self._head and self._head_known() > HEAD):  # else it came in one piece
            self._stop(431)
        self._due = 0.0
        self._quick = self._headers_of_a_quick_call()
        if self._quick is None:
            self._hand_over()
        else:
            self._body = b""
        self._stage = _IN_BODY

    def _stop(self, status: int) -> None:
        self._status = status
        raise _Stop

    def _headers_of_a_quick_call(self) -> dict[str, str] | None:
        if self.url != b"/" or self.expect_100_continue or self._busy():
            return None
        headers = header_map(self.headers)
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 5 or int(length) > QUICK_BODY:
            return None
        if "transfer-encoding" in headers or "upgrade" in headers:
            return None
        if not service.is_quick(headers.get("x-amz-target", "")) or self.parser.get_method() != b"POST":
            return None
        return headers

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._got += len(body)
        if self._quick is not None:
            self._body = self._body + body if self._body else body
        elif not self._newest.response_complete:
            self._newest.body += body
            if len(self._newest.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self._newest.message_event.set()

    def on_message_complete(self) -> None:
        self._stage, self._completed = _BETWEEN, True
        table.half_made.pop(self, None)
        if self._quick is None:
            self._whole()
            return
        headers, self._quick = self._quick, None
        request = HttpRequest("POST", "/", "", headers, self._body, self.client[0] if self.client else "")
        try:
            held = service.begin(request)
        except SynchronousOnlyOperation as reason:
            self._hand_over(device=isinstance(reason, DeviceCall))
            self._newest.body += self._body
            self._whole()
            return
        if self._holds:
            self._let_go()
        if not _pending:
            self.loop.call_soon(answer_all)
        self._owing += 1
        keep = self.parser.should_keep_alive()
        _pending.append((self, held, keep))
        if not keep:
            self._deaf = True

    def _whole(self) -> None:
        """A thread has all of its request."""
        self._newest.more_body = False
        self._newest.message_event.set()
        self._newest.holds, self._holds = self._holds, 0
        if not self._newest.keep_alive:
            self._deaf = True

    def _let_go(self) -> None:
        table.release(self, self._holds)
        self._holds = 0

    def _hand_over(self, *, device: bool = False) -> None:
        """To a thread, as uvicorn hands a request to its application; `device`: it will wait for a key store's device."""
        if self._owing:
            answer_all()
        if len(self.pipeline) >= AHEAD:
            self._stop(503)
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        version = self.parser.get_http_version()
        headers, self.headers = self.headers, []  # whatever httptools still calls a header is a trailer
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": headers,
            "extensions": {DEVICE: {}} if device else {},
        }
        self.cycle = self._newest = Exchange(
            self._answered,
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue and version != "1.0",
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
        )
        if self._busy() or self.flow.write_paused:
            self.flow.pause_reading()
            self.pipeline.appendleft((self._newest, self.app))
        else:
            self._start(self._newest)

    def _start(self, exchange: Any) -> None:
        table.idle.pop(self, None)
        self._running = exchange
        self._start_asgi_task(exchange, self.app)

    def _answered(self, keep: bool) -> None:
        """A thread's answer is written."""
        self.server_state.total_requests += 1
        table.release(self, self._running.holds if self._running is not None else 0)
        if self.transport.is_closing():
            return
        if not keep:
            if self._own_exchange() is self._running:  # refused before its body was read
                self._end(b"")
            else:
                self.close()
            return
        if not self.flow.write_paused:
            self._go_on()

    def _go_on(self) -> None:
        """With the next request that waits for a thread, if the answers before it are taken: none is to wait for a client."""
        self.flow.resume_reading()
        if self.pipeline:
            self._start(self.pipeline.pop()[0])
        elif self._refusal:
            self._end(self._refusal)
        else:
            self._rest()

    def release(self, held: service.PendingResponse, keep: bool) -> None:
        """Send the answer of a call whose records are durable."""
        self._owing -= 1
        self.server_state.total_requests += 1
        response = service.finish(held)
        if self.transport.is_closing():
            return
        named = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        end = b"\r\n" if keep else b"Connection: close\r\n\r\n"
        date = date_line(self.server_state.default_headers)
        self.transport.write(
            b"".join([STATUS_LINE[response.status], date, named.encode("latin-1"), end, response.body])
        )
        if not keep:
            self.close()
        else:
            self._rest()

    def _rest(self) -> None:
        """Nothing is owed: between two requests, unless the next has begun."""
        if not self._stage and not self._owing:
            table.idle[self] = self.loop.time()

    def pause_writing(self) -> None:
        """A client that does not read its answers is not listened to either."""
        super().pause_writing()
        self.flow.pause_reading()
        table.wait_for_reader(self, self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        table.unread.pop(self, None)
        if self._busy():
            self.flow.resume_reading()
        elif not self._deaf or self.pipeline or self._refusal:
            self._go_on()

    def shutdown(self) -> None:
        if self._owing:
            answer_all()
        if self._running is not None and self._kept_busy(self._own_exchange()):
            self._running.keep_alive = False
        else:
            self.transport.close()  # a request that is not whole is not waited for


def answer_all() -> None:
    """Make durable what has been carried out since this was last done, and answer it."""
    calls, _pending[:] = _pending.copy(), []
    service.make_durable([held for _, held, _ in calls])
    for connection, held, keep in calls:
        connection.release(held, keep)
