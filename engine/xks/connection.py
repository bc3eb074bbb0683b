"""HTTPS to external key store proxies: one exchange within one deadline, over pooled connections, with an answer of bounded size.

Names are resolved, addresses checked and connected to, TLS negotiated, the request sent and the answer read within `Network.seconds` in
all; a proxy that is slow, dribbles, talks too much or stops halfway costs no more. A connection that the proxy has closed meanwhile is
replaced once. Raises XksError.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

import httptools

from engine import outbound
from engine.remembered import Remembered
from engine.xks.failures import Failure, XksError

SECONDS = 0.25  # AWS KMS's limit of a call, waiting for the connection included
MOST_IDLE = 16  # connections to one proxy that are kept
MOST_CALLS = 64  # at once to one proxy
_IDLE_SECONDS = 30.0  # a connection that rested longer is not used again
_HOSTS = 256  # proxies whose connections are kept
_LARGEST = 64 * 1024  # bytes of an answer, head included; the largest sound one has about 15,000
_PART = 16 * 1024
_PORT = 443
# Of TLS 1.2; those of the specification. TLS 1.3 brings its own.
_CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"


@dataclass(frozen=True)
class Network:
    """How proxies are reached. `addresses`: host name → where its proxy listens, for those that DNS and port 443 do not lead to;
    they are the installation's and not checked. The files are PEM: certificate authorities, and a client certificate with its key."""

    addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    ca_bundle: str = ""
    client_certificate: str = ""
    seconds: float = SECONDS


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    content_type: str
    body: bytes


class _Connection:
    def __init__(self, opened: ssl.SSLSocket) -> None:
        self.opened = opened
        self.rested_since = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether nothing has come since the last answer: a proxy that closes says so, and one that speaks unasked is not heard."""
        if time.monotonic() - self.rested_since > _IDLE_SECONDS or self.opened.pending():
            return False
        poll = select.poll()
        poll.register(self.opened, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self.opened.close()


class _Host:
    """The connections to one proxy."""

    def __init__(self) -> None:
        self.calls = threading.BoundedSemaphore(MOST_CALLS)
        self.lock = threading.Lock()
        self.idle: list[_Connection] = []
        self.hangs = False  # the last call did not end in time
        self.turn = threading.Lock()
        self._lookup: Future[list[outbound.SocketAddress]] | None = None

    def lookup(self, name: str) -> Future[list[outbound.SocketAddress]]:
        """One at a time: calls that come while a name server is silent wait for the look-up that is under way."""
        with self.lock:
            if self._lookup is None or self._lookup.done():
                self._lookup = _lookups.submit(outbound.resolve, name, _PORT)
            return self._lookup

    def take(self) -> _Connection | None:
        while True:
            with self.lock:
                found = self.idle.pop() if self.idle else None
            if found is None or found.is_usable:
                return found
            found.close()

    def keep(self, connection: _Connection) -> None:
        connection.rested_since = time.monotonic()
        with self.lock:
            if len(self.idle) < MOST_IDLE:
                self.idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self.lock:
            idle, self.idle = self.idle, []
        for each in idle:
            each.close()


# (host name, where the installation says that it listens, certificate authorities, client certificate) → its connections
_hosts: Remembered[tuple[str, tuple[str, int] | None, str, str], _Host] = Remembered(
    lambda _: _Host(), entries=_HOSTS, longest=8192
)

# A look-up has no time limit of its own, so it is waited for.
_lookups = ThreadPoolExecutor(_HOSTS, thread_name_prefix="xks-lookup")


def _after_fork() -> None:
    """A connection has one owner."""
    global _lookups
    _hosts.clear()
    _lookups = ThreadPoolExecutor(_HOSTS, thread_name_prefix="xks-lookup")


os.register_at_fork(after_in_child=_after_fork)


class _Closed(Exception):
    """The other side has closed the connection before it answered anything."""


def post(network: Network, name: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """Send one request to the proxy of host `name`."""
    deadline = time.monotonic() + network.seconds
    host = _hosts[name, network.addresses.get(name), network.ca_bundle, network.client_certificate]
    # While a proxy hangs one call at a time waits for it, and all others fail at once: threads are for who gets on.
    hung = host.hangs
    if hung and not host.turn.acquire(blocking=False):
        raise XksError(Failure.TIMED_OUT)
    try:
        found = _posted(network, host, name, path, headers, body, deadline)
        host.hangs = False
        return found
    except XksError as error:
        host.hangs = error.failure is Failure.TIMED_OUT
        raise
    finally:
        if hung:
            host.turn.release()


def _posted(
    network: Network, host: _Host, name: str, path: str, headers: Mapping[str, str], body: bytes, deadline: float
) -> HttpAnswer:
    if not host.calls.acquire(timeout=_left(deadline)):
        raise XksError(Failure.TIMED_OUT)
    try:
        lines = [f"POST {path} HTTP/1.1", f"Host: {name}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("ascii") + body
        connection = host.take()
        if connection is not None:
            try:
                return _exchange(host, connection, request, deadline)
            except _Closed:
                pass
        try:
            return _exchange(host, _open(network, host, name, deadline), request, deadline)
        except _Closed as reason:
            raise XksError(Failure.UNREACHABLE) from reason
    finally:
        host.calls.release()


def close_idle() -> None:
    """Forget all connections that rest: the next calls open new ones."""
    _hosts.clear()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise XksError(Failure.TIMED_OUT)
    return left


def _open(network: Network, host: _Host, name: str, deadline: float) -> _Connection:
    context = _contexts[network.ca_bundle, network.client_certificate]
    raw = _connect(network, host, name, deadline)
    try:
        raw.settimeout(_left(deadline))
        return _Connection(context.wrap_socket(raw, server_hostname=name))
    except TimeoutError as reason:
        raw.close()
        raise XksError(Failure.TIMED_OUT) from reason
    except (
        OSError,
        ValueError,
    ) as reason:  # ssl.SSLError and certificates are OSErrors; a name that is none is a ValueError
        raw.close()
        raise XksError(Failure.TLS) from reason
    except XksError:
        raw.close()
        raise


def _connect(network: Network, host: _Host, name: str, deadline: float) -> socket.socket:
    options = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
    try:
        address = network.addresses.get(name)
        if address is not None:
            return outbound.connect(*address, _left(deadline), private=True, options=options)
        found = host.lookup(name).result(_left(deadline))
        return outbound.connect_to(found, _left(deadline), options=options)
    except (TimeoutError, FutureTimeoutError) as reason:
        raise XksError(Failure.TIMED_OUT) from reason
    except OSError as reason:
        raise XksError(Failure.UNREACHABLE) from reason


def _context(files: tuple[str, str]) -> ssl.SSLContext:
    ca_bundle, client_certificate = files
    try:
        made = ssl.create_default_context(cafile=ca_bundle or None)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers(_CIPHERS)
        made.set_alpn_protocols(["http/1.1"])
        if client_certificate:
            made.load_cert_chain(client_certificate)
    except OSError as reason:
        raise XksError(Failure.TLS) from reason
    return made


_contexts = Remembered(_context, entries=8, longest=8192)


class _Reader:
    """httptools' callbacks: an answer as its bytes come in."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.status = 0
        self.complete = False
        self.keeps_alive = False
        self.excess = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status, self.keeps_alive = self.parser.get_status_code(), self.parser.should_keep_alive()
        self.excess = self.excess or self.status < 200

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_begin(self) -> None:
        self.excess = self.excess or self.complete

    def on_message_complete(self) -> None:
        self.complete = True


def _exchange(host: _Host, connection: _Connection, request: bytes, deadline: float) -> HttpAnswer:
    reader, size, keep = _Reader(), 0, False
    opened = connection.opened
    try:
        try:
            opened.settimeout(_left(deadline))
            opened.sendall(request)
            while not reader.complete:
                opened.settimeout(_left(deadline))
                part = opened.recv(_PART)
                size += len(part)
                if not part and size == 0:
                    raise _Closed
                if not part or size > _LARGEST:
                    raise XksError(Failure.INVALID_RESPONSE)
                reader.parser.feed_data(part)
        except TimeoutError as reason:
            raise XksError(Failure.TIMED_OUT) from reason
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as reason:
            raise XksError(Failure.INVALID_RESPONSE) from reason
        except ssl.SSLError as reason:  # in TLS 1.3 a proxy refuses a client's certificate after the handshake
            raise (_Closed() if _is_end(reason) and size == 0 else XksError(Failure.TLS)) from reason
        except OSError as reason:
            raise (_Closed() if size == 0 else XksError(Failure.INVALID_RESPONSE)) from reason
        if reader.excess or reader.headers.get(b"content-encoding", b"identity") != b"identity":
            raise XksError(Failure.INVALID_RESPONSE)
        keep = reader.keeps_alive
    finally:
        if keep:
            host.keep(connection)
        else:
            connection.close()
    kind = reader.headers.get(b"content-type", b"").decode("latin-1")
    return HttpAnswer(reader.status, kind.partition(";")[0].strip().lower(), b"".join(reader.parts))


def _is_end(reason: ssl.SSLError) -> bool:
    return isinstance(reason, ssl.SSLEOFError | ssl.SSLZeroReturnError)
