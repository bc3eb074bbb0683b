"""The one exception that becomes an answer: an AWS error code with its message.

Any layer raises it; only engine.wire.protocol turns it into bytes, in the caller's protocol and with the status AWS gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AWSError(Exception):
    """An error as an AWS client sees it.

    `code` is the short code ("NotFoundException"); a code that JSON and Query services spell differently may be raised in either
    spelling (engine.wire.protocol has the table). `status` is given only where the service model and that table do not know it.
    `members` are further members of the error's shape. `declared`: it is the error that the service's model declares, not the one that
    every service gives under the same name (an ExpiredTokenException about a token in the request, not about the caller's session).
    """

    __slots__ = ("code", "declared", "members", "message", "status")

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
        declared: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.declared = declared
        self.members: Mapping[str, Any] = members or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
