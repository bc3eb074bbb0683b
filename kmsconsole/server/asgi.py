"""From a worker's event loop to its threads: pages, and AWS calls that need the database or time.

Comes in: an ASGI request. Its body is read in the loop, bounded before it is read, so that a thread is taken only when all is
there. Goes out: the engine's answer in the caller's protocol, whatever is wrong with a request, or what the WSGI application of the
pages answers, in pieces where it is large.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any

from asgiref.wsgi import WsgiToAsgiInstance

from engine import data_stack, service
from engine.remembered import Remembered
from engine.wire.http import MAX_BODY, HttpRequest
from engine.wire.recognise import is_aws_request

MOST = 32 << 20  # bytes of a page's form; the engine's own limit is far lower
_IN_MEMORY = 256 << 10  # bytes of a body that need no file
_PIECE = 1 << 20  # bytes of an answer that are sent together
_DEVICES = (
    32  # threads for calls that wait for a key store's device; one store takes eight of them (engine.kms.stores.tokens)
)
DEVICE = "kmsconsole.device"  # the extension of a scope that says so
_TOO_MUCH = bytes(MAX_BODY + 1)

Headers = Iterable[tuple[bytes, bytes]]


# Header names as text: clients send the same few.
_names: Remembered[bytes, str] = Remembered(lambda name: name.decode("latin-1"), entries=2_000, longest=64)


def header_map(headers: Headers) -> dict[str, str]:
    """Headers as the engine sees them. Comes in: names in lower case."""
    found: dict[str, str] = {}
    for raw, value in headers:
        name, text = _names[raw], value.decode("latin-1")
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


class Application:
    """An ASGI application: the engine and `pages`, a WSGI application, in at most `threads` threads."""

    def __init__(self, pages: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._pages = pages
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._devices = ThreadPoolExecutor(_DEVICES, thread_name_prefix="device")  # which may hang
        self._health = ThreadPoolExecutor(1, thread_name_prefix="health")  # asked too while every other thread is taken

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        loop = asyncio.get_running_loop()
        headers = header_map(scope["headers"])
        path, query = scope["path"].encode().decode("latin-1"), scope["query_string"].decode("latin-1")
        aws = is_aws_request(scope["method"], path, headers, query)
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            try:
                whole = await _receive(receive, body, headers, MAX_BODY if aws else MOST)
            except ConnectionResetError:
                return
            answer = _Answer(loop, send, close=not whole)
            if aws:
                request = HttpRequest(
                    method=scope["method"],
                    path=path,
                    query_string=query,
                    headers=headers,
                    body=body.read() if whole else _TOO_MUCH,
                    source_ip=scope["client"][0] if scope["client"] else "",
                    secure=scope["scheme"] == "https",
                )
                threads = self._devices if DEVICE in scope.get("extensions", ()) else self._threads
                response = await loop.run_in_executor(threads, data_stack.run, service.handle, request)
                await answer.whole(response.status, response.headers, response.body)
            elif whole:
                threads = self._health if path == "/healthz" else self._threads
                await loop.run_in_executor(threads, data_stack.run, self._run, scope, body, answer)
            else:
                await answer.whole(413, [], b"")

    def _run(self, scope: Any, body: Any, answer: _Answer) -> None:
        environ = _Environ(scope).of(body)
        output = self._pages(environ, answer.start)
        try:
            for piece in output:
                answer.write(piece)
            answer.end()
        finally:
            close = getattr(output, "close", None)
            if close is not None:
                close()


async def _receive(receive: Callable[..., Any], body: Any, headers: dict[str, str], most: int) -> bool:
    """Read a body of at most `most` bytes; False if it is longer: one that says so is not read at all.

    Raises ConnectionResetError for a client that is gone.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:19]) > most:
        return False
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body.write(message.get("body", b""))
        if body.tell() > most:
            return False
        more = message.get("more_body", False)
    body.seek(0)
    return True


class _Environ(WsgiToAsgiInstance):
    """asgiref's way from a scope to a WSGI environment."""

    def __init__(self, scope: Any) -> None:
        super().__init__(None)  # type: ignore[no-untyped-call]
        self.scope = scope

    def of(self, body: Any) -> dict[str, Any]:
        environ: dict[str, Any] = self.build_environ(self.scope, body)  # type: ignore[no-untyped-call]
        return environ


class _Answer:
    """What a thread's WSGI application says, told to the loop: a small answer in one go, a large one piece by piece."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[..., Any], *, close: bool) -> None:
        self._loop, self._send, self._close = loop, send, close
        self._start: Any = None
        self._pieces: list[bytes] = []
        self._size = 0

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """WSGI's start_response."""
        self._begin(int(status[:3]), headers)

    def _begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if self._close:
            named.append((b"Connection", b"close"))
        self._start = {"type": "http.response.start", "status": status, "headers": named}

    def write(self, piece: bytes) -> None:
        if (
            self._size >= _PIECE
        ):  # and it is not the last: an answer in one piece is sent as one, and no thread waits for its reader
            self._tell(more=True)
        self._pieces.append(piece)
        self._size += len(piece)

    def end(self) -> None:
        self._tell(more=False)

    def _tell(self, *, more: bool) -> None:
        asyncio.run_coroutine_threadsafe(self._say(b"".join(self._pieces), more), self._loop).result()
        self._pieces, self._size = [], 0

    async def _say(self, body: bytes, more: bool) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)  # which waits for the body
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def whole(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """An answer that the loop itself gives."""
        self._begin(status, headers)
        await self._say(body, False)
