"""Answers as bytes: head and body in one piece, so that whatever happens between two writes, no client sees a head alone.

Names of headers are spelled as whoever answers spells them, which is AWS's way for AWS's calls and Django's for pages: HTTP does not
tell upper from lower case, but there are clients that do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kmsconsole.server.uvicorn_internals import STATUS_LINE

Headers = Iterable[tuple[bytes, bytes]]

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
WITHOUT_BODY = frozenset((204, 304))
_WRONG_LENGTH = "the body is not as long as its head says"


class _Date:
    """uvicorn's Date header, made anew once a second, as a line."""

    def __init__(self) -> None:
        self._made_of: Headers = ()
        self._line = b""

    def line(self, defaults: list[tuple[bytes, bytes]]) -> bytes:
        if defaults is not self._made_of:
            self._made_of = defaults
            self._line = b"".join([b"%s: %s\r\n" % (name.title(), value) for name, value in defaults])
        return self._line


date_line = _Date().line


def refusal(status: int, date: bytes = b"") -> bytes:
    """The answer to what is no request that can be answered. The connection ends with it."""
    retry = b"Retry-After: 1\r\n" if status == 503 else b""
    return b"".join([STATUS_LINE[status], date, retry, b"Content-Length: 0\r\nConnection: close\r\n\r\n"])


class Head:
    """The head of an answer to `method`, checked, and how its body is framed. Raises ValueError for a header that cannot be sent."""

    def __init__(self, status: int, headers: Headers, method: str, version: str) -> None:
        self._status = status
        self._lines: list[bytes] = []
        self._sends_body = method != "HEAD" and status not in WITHOUT_BODY
        self._length: int | None = None
        self._left = 0
        self._chunked = False
        self._one_zero = version == "1.0"
        self.closes = False
        for name, value in headers:
            if not _NAME.fullmatch(name) or _NOT_IN_A_VALUE.search(value):
                raise ValueError("a header cannot be sent as it is")
            match name.lower():
                case b"content-length":
                    self._length = int(value)
                case b"connection":
                    self.closes = self.closes or b"close" in value.lower()
                case _:
                    self._lines.append(b"%s: %s\r\n" % (name, value))

    def begin(self, body: bytes, *, more: bool, keep: bool, date: bytes) -> bytes:
        """The head and the first bytes of the body. Raises ValueError if a whole body is not as long as its head says."""
        if not more:
            if self._sends_body and self._length not in (None, len(body)):
                raise ValueError(_WRONG_LENGTH)
            if self._length is None:
                self._length = len(body)
        lines = [STATUS_LINE[self._status], date, *self._lines]
        if self._status in WITHOUT_BODY:
            pass
        elif self._length is not None:
            lines.append(b"Content-Length: %d\r\n" % self._length)
        elif self._one_zero:  # knows no chunks: its body ends with the connection
            self.closes = True
        elif self._sends_body:
            self._chunked = True
            lines.append(b"Transfer-Encoding: chunked\r\n")
        self.closes = self.closes or not keep
        if self.closes:
            lines.append(b"Connection: close\r\n")
        self._left = self._length or 0
        return b"".join([*lines, b"\r\n", self.go_on(body, more=more)])

    def go_on(self, body: bytes, *, more: bool) -> bytes:
        """The next bytes of the body as they are sent."""
        if not self._sends_body:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._length is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise ValueError(_WRONG_LENGTH)
        return body
