"""Which addresses may be connected to, and connections that keep to them.

A name is resolved once for each connection that is opened, every address that it has is looked at, and the connection goes to one of
these addresses: there is no second look-up that could answer otherwise. Link-local addresses and the clouds' metadata services are never
connected to; loopback and private ones only where KMSCONSOLE_ENDPOINTS allows. Whoever is asked may answer as slowly as it likes: what waits
for an answer does so under a `Deadline`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import TracebackType
from typing import Any, Self

from django.conf import settings

Address = IPv4Address | IPv6Address
SocketOption = tuple[int, int, int]
SocketAddress = tuple[int, int, int, Any]  # family, kind, protocol, address

# Never connected to, beside what the address itself says (link-local, multicast, reserved, unspecified).
_NEVER = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",  # "this network": Linux takes it for the machine itself
        "100.100.100.200/32",  # Alibaba Cloud's metadata
        "168.63.129.16/32",  # Azure's platform service
        "192.0.0.192/32",  # Oracle Cloud's metadata
        "fd00:ec2::/32",  # AWS's metadata and the services beside it
        "fd20:ce::254/128",  # Google Cloud's metadata
        "64:ff9b:1::/48",  # these three hide an IPv4 address
        "2001::/32",
        "2002::/16",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_LOOPBACK6 = IPv6Address("::1")


class AddressNotAllowedError(OSError):
    """A name that resolves to an address which is not connected to."""


class ExchangeTimeout(TimeoutError):
    """An exchange that a Deadline has ended."""


class Deadline:
    """Ends an exchange that has taken `seconds` in all: the timeout of a socket begins anew with each byte, and a head has many.

    What the connection waits for then comes to its end, as if the other side had hung up. Whatever came of that, also a head that broke
    off and was taken for a whole one, leaves as ExchangeTimeout.
    """

    def __init__(self, seconds: float) -> None:
        self._over = False
        self._lock = threading.Lock()
        self._held: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def hold(self, opened: socket.socket) -> None:
        """The exchange goes by this connection."""
        with self._lock:
            self._held = opened
            if self._over:
                self._shut()

    def _end(self) -> None:
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        if self._held is not None:
            with contextlib.suppress(OSError):  # it has ended already
                # Of TLS nothing more is said, for another thread reads.
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        self._token = _deadline.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _deadline.reset(self._token)
        with self._lock:
            self._held = None  # it may be used on
        if self._over and (reason is None or isinstance(reason, Exception)):
            raise ExchangeTimeout("the exchange takes too long") from reason


_deadline: ContextVar[Deadline] = ContextVar("deadline")  # of the exchange under way in this thread


class HeldConnection:
    """Beside one of urllib3's HTTP connections: what it waits for ends with the deadline of the exchange, which is begun before."""

    def getresponse(self: Any) -> Any:
        _deadline.get().hold(self.sock)
        return super().getresponse()  # type: ignore[misc]  # urllib3's, of the class beside this one


def is_allowed(address: str, *, private: bool = False) -> bool:
    """Whether an IP address may be connected to. `private`: loopback and private ranges too, whatever KMSCONSOLE_ENDPOINTS says."""
    found = _plain(ip_address(address))
    if found != _LOOPBACK6 and (found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved):
        return False
    if any(found in network for network in _NEVER):
        return False
    return (
        private
        or settings.PRIVATE_ENDPOINTS
        or found.is_global
        or any(found in network for network in settings.ENDPOINT_NETWORKS)
    )


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def connect(
    host: str, port: int, timeout: float, *, private: bool = False, options: Sequence[SocketOption] = ()
) -> socket.socket:
    """A connection to one of the host's addresses, within `timeout` seconds in all.

    Raises AddressNotAllowedError if any of them is not allowed, else OSError: gaierror, TimeoutError, or what the last address answered.
    """
    return connect_to(resolve(host, port, private=private), timeout, options=options)


def connect_to(
    addresses: Iterable[SocketAddress], timeout: float, *, options: Sequence[SocketOption] = ()
) -> socket.socket:
    """As `connect`, to one of the addresses that `resolve` has found."""
    end = time.monotonic() + timeout
    failure: OSError | None = None
    for family, kind, protocol, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            for option in options:
                made.setsockopt(*option)
            made.settimeout(max(end - time.monotonic(), 0.001))
            made.connect(address)
        except OSError as reason:
            made.close()
            failure = reason
        else:
            made.settimeout(timeout)
            return made
    raise failure or OSError("the host has no address")


def resolve(host: str, port: int, *, private: bool = False) -> list[SocketAddress]:
    """The addresses of a host, all of which may be connected to. Raises AddressNotAllowedError, gaierror."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as reason:  # no name at all: a NUL, or a label that IDNA does not take
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from reason
    for *_kind, address in found:
        if not is_allowed(str(address[0]), private=private):
            raise AddressNotAllowedError(f"{host} is {address[0]}, which the console does not connect to")
    return [(family, kind, protocol, address) for family, kind, protocol, _name, address in found]
