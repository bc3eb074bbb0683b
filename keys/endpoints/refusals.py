"""What another endpoint has refused a moment ago, so that somebody who looks around there asks for it once.

The embedded engine is asked for its decision before a call is made; another endpoint decides, and records, each call that reaches it. A
refusal holds for a minute for looking at pages, until the page is reloaded or the console changes something there.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpRequest

from console.aws_calls import is_denial

_SECONDS = 60.0
_CLIENTS, _OF_A_CLIENT = 128, 256
_LONGEST = 2_000  # characters of a message that is kept
# Whose (a client's endpoint, Region and credentials) → what was asked → (until when, code, message).
_refused: dict[tuple[str, ...], dict[bytes, tuple[float, str, str]]] = {}


LOOK, RELOAD, CHANGE = "look", "reload", "change"


def purpose(request: HttpRequest) -> str:
    """What a request's calls are for. A page that is reloaded asks anew, as browsers say by a header."""
    if request.method not in ("GET", "HEAD"):
        return CHANGE
    return RELOAD if request.headers.get("Cache-Control", "") in ("no-cache", "max-age=0") else LOOK


def hold(client: Any, whose: tuple[str, ...], used_for: str) -> None:
    """Have a client ask nothing again that was refused, if it is for looking; or end what is remembered, if it changes something."""

    def before(model: Any, params: dict[str, Any], context: dict[str, Any], **_rest: Any) -> None:
        body = params["body"]
        text = body if isinstance(body, bytes) else repr(body).encode()
        context["asked"] = asked = sha256(f"{model.name} {params['url_path']} ".encode() + text).digest()
        until, code, message = _refused.get(whose, {}).get(asked, (0.0, "", ""))
        if used_for == LOOK and until > time.monotonic():
            raise ClientError({"Error": {"Code": code, "Message": message}}, model.name)

    def after(parsed: dict[str, Any], context: dict[str, Any], **_rest: Any) -> None:
        if used_for == CHANGE:
            _refused.pop(whose, None)  # it may be allowed now
            return
        error = parsed.get("Error", {})
        code, message = str(error.get("Code", "")), str(error.get("Message", ""))
        if is_denial(code) and len(code) + len(message) <= _LONGEST:
            _keep(whose, context["asked"], (time.monotonic() + _SECONDS, code, message))
        else:
            _refused.get(whose, {}).pop(context["asked"], None)

    client.meta.events.register("before-call", before)
    client.meta.events.register("after-call", after)


def _keep(whose: tuple[str, ...], asked: bytes, refusal: tuple[float, str, str]) -> None:
    if whose not in _refused and len(_refused) >= _CLIENTS:
        _refused.clear()
    own = _refused.setdefault(whose, {})
    if len(own) >= _OF_A_CLIENT:
        own.clear()
    own[asked] = refusal
