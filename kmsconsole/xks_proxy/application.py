"""The reference proxy's HTTP: an ASGI application from request to answer. For training and tests.

Order: path, method, size, signature, rate, body, key. A request is authenticated before anything of its body is looked at.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from engine.wire import sigv4
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest
from kmsconsole.xks_proxy import requests
from kmsconsole.xks_proxy.configuration import API, Store
from kmsconsole.xks_proxy.errors import ProxyError
from kmsconsole.xks_proxy.operations import Operations

SERVICE = "kms-xks-proxy"
PING = "/ping"  # a load balancer's health check
logger = logging.getLogger("kmsconsole.xks_proxy")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_PATH = re.compile(rf"(.*){API}/(?:(health)|keys/([A-Za-z0-9._-]{{1,128}})/(metadata|encrypt|decrypt))")


class Application:
    """`stores`: the stores of the configuration as it is now, by path prefix."""

    def __init__(self, operations: Operations, stores: Callable[[], dict[str, Store]]) -> None:
        self._operations = operations
        self._stores = stores
        self._rates = Rates()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        body = await _body(receive)
        headers = _headers(scope["headers"])
        request = HttpRequest(
            scope["method"],
            scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body or b"",
        )
        status, more, answer = await asyncio.to_thread(self._answer, request, body is None)
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode()), *more]
        head.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, request: HttpRequest, too_large: bool) -> tuple[int, Headers, bytes]:
        if request.path == PING:
            return (200, [], b"{}") if request.method in ("GET", "HEAD") else (405, [(b"allow", b"GET")], b"")
        log: dict[str, Any] = {"status": 200}
        began = time.monotonic()
        try:
            return 200, [], orjson.dumps(self._perform(request, too_large, log))
        except ProxyError as error:
            log |= {"status": error.status, "errorName": error.name, "errorMessage": error.message}
            return error.status, [], orjson.dumps({"errorName": error.name, "errorMessage": error.message})
        except _MethodNotAllowed:
            log["status"] = 405
            return 405, [(b"allow", b"POST")], b""
        except Exception:
            logger.exception("an XKS request failed")
            log |= {"status": 500, "errorName": "InternalException"}
            return 500, [], orjson.dumps({"errorName": "InternalException"})
        finally:
            log["milliseconds"] = round((time.monotonic() - began) * 1000, 1)
            logger.info("%s", orjson.dumps(log).decode())

    def _perform(self, request: HttpRequest, too_large: bool, log: dict[str, Any]) -> dict[str, Any]:
        found = _PATH.fullmatch(request.path)
        store = self._stores().get(found[1]) if found else None
        if found is None or store is None:
            raise ProxyError("InvalidUriPathException", "There is no such path.")
        operation, key_id = found[2] or found[4], found[3]
        log |= {"operation": operation, "uriPathPrefix": store.uri_path_prefix}
        if key_id:
            log["keyId"] = key_id
        if request.method != "POST":
            raise _MethodNotAllowed
        if too_large:
            raise ProxyError("ValidationException", f"The body is larger than {requests.LARGEST_BODY} bytes.")
        _authenticate(request, store)
        if not self._rates.take(store):
            raise ProxyError("ThrottlingException", "Too many requests.")
        asked = requests.read(operation, request.header("content-type"), request.body)
        log["requestMetadata"] = asked.metadata
        if not store.enabled:
            raise ProxyError("InvalidStateException", "The key store is disabled.")
        if operation == "health":
            return self._operations.health()
        run = {
            "metadata": self._operations.metadata,
            "encrypt": self._operations.encrypt,
            "decrypt": self._operations.decrypt,
        }
        return run[operation](store, key_id, asked)


class _MethodNotAllowed(Exception):
    pass


class Rates:
    """How many requests each store has had in this second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[int, int]] = {}

    def take(self, store: Store) -> bool:
        second = int(time.monotonic())
        with self._lock:
            last, count = self._counted.get(store.uri_path_prefix, (second, 0))
            count = count + 1 if last == second else 1
            self._counted[store.uri_path_prefix] = (second, count)
        return count <= store.requests_per_second


def _authenticate(request: HttpRequest, store: Store) -> None:
    """SigV4 with one of the store's credentials, at most five minutes old. Raises ProxyError."""
    try:
        if request.query_string:
            raise AWSError("InvalidSignatureException", "A request has no query.")
        claim = sigv4.parse_authorization(request)
        secret = store.credentials.get(claim.access_key_id)
        if secret is None:
            raise AWSError("UnrecognizedClientException", "The access key ID is not one of this key store.")
        if "x-amz-date" not in claim.signed_headers:
            raise AWSError("InvalidSignatureException", "X-Amz-Date must be signed.")
        sigv4.verify(claim, request, secret, SERVICE)
    except AWSError as error:
        raise ProxyError("AuthenticationFailedException", error.message) from error


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name_octets, value_octets in raw:
        name, value = name_octets.decode("latin-1").lower(), value_octets.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


async def _body(receive: Receive) -> bytes | None:
    """All of it, or None if it is too large; the rest is read and dropped."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= requests.LARGEST_BODY:
            parts.append(part)
        more = bool(message.get("more_body", False))
    return b"".join(parts) if size <= requests.LARGEST_BODY else None
