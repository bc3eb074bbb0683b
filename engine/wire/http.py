"""A request and an answer, free of any server: what the HTTP protocol and the in-process transport hand to the engine.

Header names are lower case; a header that was sent several times is one value, joined by commas (RFC 9110, section 5.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_BODY = (
    1024 * 1024
)  # bytes; a longer body is refused with RequestEntityTooLargeException before anything looks at it


@dataclass(slots=True)
class HttpRequest:
    """`path` and `query_string` as sent, the latter without its question mark. `secure`: it came over TLS.

    `in_process`: it was made in this very process and crossed no wire. `asks_first`: a page that is looked at made it, and reads only what
    the decision allows: what it may not read is not attempted, so there is nothing to record of it.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str = ""
    secure: bool = False
    in_process: bool = False
    asks_first: bool = False

    def header(self, name: str) -> str:
        """The value of a header by its lower-case name; an absent header is the empty string."""
        return self.headers.get(name, "")


@dataclass(slots=True)
class HttpResponse:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
