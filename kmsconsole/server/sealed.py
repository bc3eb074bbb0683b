"""A server whose root key is in people's shares, before it is opened: it serves the page that takes shares, and nothing else.

The process that takes shares is a child of the server and lives until the last share that is needed: strangers reach it and not the
server, whose workers do not exist yet. It gives the root key to the server through a pipe and ends. The server then starts as any other,
and each of its workers, being forked from it, has the root key: all are unsealed at once, and stay so until the server ends. Connections
that come in between wait in the socket's queue.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from engine.context import new_id
from engine.vault import root_files
from engine.vault.hierarchy import RootKey, RootKeyError
from engine.vault.root_files import RootFile
from engine.wire import protocol
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest, HttpResponse
from engine.wire.recognise import is_aws_request, recognise
from kmsconsole.server import http_protocol, unseal_page, worker
from kmsconsole.server.asgi import Application, header_map
from kmsconsole.server.connection_table import Limits
from kmsconsole.server.http_protocol import HttpProtocol

_THREADS = 4
_STOP_SECONDS = 2
_LOOK_SECONDS = 0.2  # between two looks whether the server is to end

# What a page needs that knows neither the database nor who is signed in.
_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "kmsconsole.frame.cookies.CookieMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


class Stopped(Exception):
    """The server was told to end before it was unsealed."""


def unseal(file: RootFile, door: socket.socket, limits: Limits) -> RootKey:
    """Serve the page on a listening socket until enough shares were entered. Raises Stopped at SIGINT or SIGTERM, RootKeyError."""

    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        # An exception raised here could meet any line, or be late: a signal that comes just before a read waits for its end.
        nonlocal stopping
        stopping = True

    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe(duplex=False)
    process = forking.Process(target=_serve, args=(file, door, limits, there, os.getpid()), name="unseal")
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process.start()
        there.close()
        while not here.poll(_LOOK_SECONDS):
            if stopping:
                raise Stopped
        root = root_files.authenticated(file, here.recv_bytes(64))
    except EOFError as reason:
        raise RootKeyError("the process that takes shares has ended") from reason
    finally:
        process.terminate()  # gracefully: whoever entered the last share gets an answer
        process.join(_STOP_SECONDS + 1)
        process.kill()
        process.join()
        here.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopping:  # while the last share's page was answered
        raise Stopped
    return root


class _Protocol(HttpProtocol):
    """Nothing is answered in the loop: caches of the engine are for an opened one."""

    def _headers_of_a_quick_call(self) -> dict[str, str] | None:
        return None


def _serve(file: RootFile, door: socket.socket, limits: Limits, answer_to: Connection, server: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    worker.die_with(server)
    http_protocol.configure(limits)
    settings.MIDDLEWARE = _MIDDLEWARE
    settings.ROOT_URLCONF = "kmsconsole.server.unseal_page"
    settings.CSRF_FAILURE_VIEW = "kmsconsole.server.unseal_page.form_is_old"
    unseal_page.begin(file, answer_to.send_bytes)
    application = _Application(_pages(get_wsgi_application()), _THREADS)
    config = uvicorn.Config(
        application,
        http=_Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[door])


class _Application(Application):
    """AWS calls are refused by their heads; their bodies are not looked at."""

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        headers, query = header_map(scope["headers"]), scope["query_string"].decode("latin-1")
        if not is_aws_request(scope["method"], scope["path"], headers, query):
            await super().__call__(scope, receive, send)
            return
        answer = _refusal(HttpRequest(scope["method"], scope["path"], query, headers, b""))
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": named})
        await send({"type": "http.response.body", "body": answer.body})


def _refusal(request: HttpRequest) -> HttpResponse:
    """In the caller's protocol. Nobody's signature is looked at: secrets are sealed too."""
    try:
        call = recognise(request)
    except AWSError:
        call = None
    error = AWSError("ServiceUnavailableException", "The key service is sealed. Its administrators have to unseal it.")
    answer = protocol.refuse(call, error, new_id(), request)
    answer.headers.append(("Retry-After", "30"))
    return answer


def _pages(pages: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in ("/healthz", "/metrics"):
            return pages(environ, start_response)
        body = b"sealed\n"
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        start_response("503 Service Unavailable", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application
