"""The front door: one WSGI callable for one port. AWS requests go to the engine, all else to Django's pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")

pages = get_wsgi_application()

from engine import service  # noqa: E402  (models need Django's registry)
from engine.wire.http import HttpRequest  # noqa: E402
from engine.wire.protocol import MAX_BODY  # noqa: E402
from engine.wire.recognise import is_aws_request  # noqa: E402
from kmsconsole import bodies, health, metrics, worker  # noqa: E402

worker.begin()

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class _HeaderNames(dict[str, str]):
    """The header name of a WSGI variable, empty for one that is no header; remembered, since clients send the same few."""

    def __missing__(self, variable: str) -> str:
        if variable.startswith("HTTP_"):
            name = variable[5:].replace("_", "-").lower()
        else:
            name = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}.get(variable, "")
        if len(self) < _MOST_NAMES:
            self[variable] = name
        return name


_MOST_NAMES = 2_000
_header_names = _HeaderNames()
# The server puts the process's own environment into each request's; looking at all of it costs as much as looking at the headers.
_ours = frozenset(os.environ) - {"CONTENT_TYPE", "CONTENT_LENGTH"}

_TOO_MUCH = bytes(MAX_BODY + 1)
_REASONS = {200: "200 OK", 400: "400 Bad Request", 403: "403 Forbidden", 404: "404 Not Found"}


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """WSGI entry. Every AWS request is answered in the caller's protocol, whatever is wrong with it."""
    if environ["REQUEST_METHOD"] == "POST" or environ["PATH_INFO"] == "/":
        try:
            request = _aws_request(environ)
        except bodies.BodyTooSlow:
            start_response("408 Request Timeout", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        if request is not None:
            response = service.handle(request)
            start_response(_REASONS.get(response.status) or f"{response.status} Error", response.headers)
            return [response.body]
    elif environ["PATH_INFO"] == "/healthz":
        return health.answer(start_response)
    elif environ["PATH_INFO"] == "/metrics":
        return metrics.answer(environ, start_response)
    if bodies.announced(environ) > bodies.MOST:
        start_response("413 Content Too Large", [("Content-Length", "0"), ("Connection", "close")])
        return [b""]
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"] = bodies.Timed(environ)
    return pages(environ, start_response)


def _aws_request(environ: Environ) -> HttpRequest | None:
    """The engine's view of the request, or None if it is a page's. The body is read only when it is the engine's."""
    headers = {name: environ[key] for key in environ.keys() - _ours if (name := _header_names[key])}
    if not headers.get("content-type", "-"):
        del headers["content-type"]
    if not headers.get("content-length", "-"):
        del headers["content-length"]
    method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    if not is_aws_request(method, path, headers, query):
        return None
    # One byte over the limit is enough for the engine to refuse the request; what is announced to be longer is not read at all.
    body = bodies.read(environ, MAX_BODY + 1) if bodies.announced(environ) <= MAX_BODY else _TOO_MUCH
    return HttpRequest(
        method=method,
        path=path,
        query_string=query,
        headers=headers,
        body=body,
        source_ip=environ.get("REMOTE_ADDR", ""),
        secure=environ.get("wsgi.url_scheme") == "https",
    )
