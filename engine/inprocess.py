"""The in-process transport: a botocore client whose requests are answered by the engine in this process, as over a socket.

The request is the one botocore signed, byte for byte; it is authenticated, authorized and recorded like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from engine import service
from engine.wire.http import HttpRequest

BY_ITSELF = "kmsconsole-by-itself"  # in the user agent of what a page reads for its own sake
_marked: ContextVar[bool] = ContextVar("marked", default=False)


@contextmanager
def by_itself() -> Iterator[None]:
    """What is called within is no act of whoever looks at a page: the record says so behind their browser."""
    before = _marked.set(True)
    try:
        yield
    finally:
        _marked.reset(before)


def attach(client: Any, *, source_ip: str, user_agent: str = "", asks_first: bool = False) -> None:
    """Answer all requests of `client` here. `user_agent` replaces botocore's in the audit record (a browser's, say). With `asks_first`
    a reading that the principal may not do is refused in the same words before it is attempted, and not recorded."""

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return answer(request, source_ip, user_agent, asks_first=asks_first)

    client.meta.events.register("before-send", send)


def answer(request: AWSPreparedRequest, source_ip: str, user_agent: str, *, asks_first: bool = False) -> AWSResponse:
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    headers.setdefault("host", url.netloc)
    if user_agent:
        headers["user-agent"] = user_agent
    if _marked.get():
        headers["user-agent"] = f"{headers.get('user-agent', '')} {BY_ITSELF}"
    body = request.body or b""
    response = service.handle(
        HttpRequest(
            method=request.method,
            path=url.path or "/",
            query_string=url.query,
            headers=headers,
            body=body.encode() if isinstance(body, str) else bytes(body),
            source_ip=source_ip,
            in_process=True,
            asks_first=asks_first,
        )
    )
    return AWSResponse(request.url, response.status, dict(response.headers), _Raw(response.body))


class _Raw:
    """What botocore reads an answer's body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, amt: int = 0, decode_content: bool | None = None) -> Any:
        yield self._body

    def read(self, amt: int | None = None) -> bytes:
        body, self._body = self._body, b""
        return body
