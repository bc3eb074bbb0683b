"""Ways out to the network: which addresses may be connected to, and the HTTP session that has botocore keep to them.

A name is resolved once for each connection that is opened, every address that it has is looked at, and the connection goes to one of
these addresses: there is no second look-up that could answer otherwise. TLS still asks for the certificate of the name. Link-local
addresses and the clouds' metadata services are never connected to; loopback and private ones only where KMSCONSOLE_ENDPOINTS allows.

botocore sends through `keep_to_allowed` by its documented `before-send` event and urllib3's documented `pool_classes_by_scheme`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies
from django.conf import settings
from urllib3 import HTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import ReadTimeoutError as UnreadTimeoutError

from console.aws_calls import unexpected
from keys.endpoints import answers

Address = IPv4Address | IPv6Address
SocketOption = tuple[int, int, int]

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
LONGEST = 30  # seconds that the body of an answer may take in all
_PART = 65_536  # bytes that are read at once
_LOOPBACK6 = IPv6Address("::1")


class AddressNotAllowedError(OSError):
    """A name that resolves to an address which is not connected to."""


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
    end = time.monotonic() + timeout
    failure: OSError | None = None
    for family, kind, protocol, address in _resolved(host, port, private):
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
    raise failure or OSError(f"{host} has no address")


def _resolved(host: str, port: int, private: bool) -> list[tuple[int, int, int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as reason:  # no name at all: a NUL, or a label that IDNA does not take
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from reason
    for *_kind, address in found:
        if not is_allowed(str(address[0]), private=private):
            raise AddressNotAllowedError(f"{host} is {address[0]}, which the console does not connect to")
    return [(family, kind, protocol, address) for family, kind, protocol, _name, address in found]


class _Checked:
    """What opens an HTTP connection's socket, in place of urllib3's own."""

    private = False

    def _new_conn(self: Any) -> socket.socket:
        host = self.host.strip("[]")
        try:
            return connect(host, self.port, self.timeout, private=self.private, options=self.socket_options or ())
        except socket.gaierror as reason:
            raise NameResolutionError(host, self, reason) from reason
        except TimeoutError as reason:
            raise ConnectTimeoutError(self, f"Connection to {host} timed out.") from reason
        except OSError as reason:
            raise NewConnectionError(self, f"Failed to establish a new connection: {reason}") from reason


@cache
def _pools(allows_private: bool) -> dict[str, Any]:
    class CheckedHTTP(_Checked, AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
        private = allows_private

    class CheckedHTTPS(_Checked, AWSHTTPSConnection):  # type: ignore[misc]  # botocore has no types
        private = allows_private

    class HTTPPool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore has no types
        ConnectionCls = CheckedHTTP

    class HTTPSPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore has no types
        ConnectionCls = CheckedHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}


class CheckedSession(URLLib3Session):  # type: ignore[misc]  # botocore has no types
    """botocore's HTTP session. What goes through one of `proxies` goes to the proxy, which the installation's environment names."""

    def __init__(self, *, private: bool, **arguments: Any) -> None:
        super().__init__(socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)], **arguments)
        self._manager.pool_classes_by_scheme = _pools(private)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer, its body read: at most `answers.LARGEST` bytes and one more, within LONGEST seconds."""
        request.stream_output = True
        answer = super().send(request)
        raw, end, parts, size = answer.raw, time.monotonic() + LONGEST, [], 0
        try:
            while size <= answers.LARGEST and (part := raw.read1(_PART, decode_content=True)):
                parts.append(part)
                size += len(part)
                if time.monotonic() > end:
                    raise UnreadTimeoutError(raw, request.url, "the answer takes too long")
        except UnreadTimeoutError as reason:
            raise ReadTimeoutError(endpoint_url=request.url, error=reason) from reason
        except (HTTPError, OSError) as reason:
            raise HTTPClientError(error=reason) from reason
        finally:
            if size > answers.LARGEST or time.monotonic() > end:
                raw.close()  # never read to its end
            raw.release_conn()
        read = HTTPResponse(BytesIO(b"".join(parts)), preload_content=False)
        return AWSResponse(answer.url, answer.status_code, answer.headers, read)


def keep_to_allowed(client: Any, *, private: bool, proxied: bool, profile: str = "") -> Any:
    """Send all requests of a boto3 client by a session that connects to allowed addresses alone.

    `proxied`: through HTTP_PROXY or HTTPS_PROXY where the environment names one. A proxy looks names up itself, so only hosts that no
    person chose go that way.
    """
    config = client.meta.config
    session = CheckedSession(
        private=private,
        verify=ca_bundle(profile),
        proxies=get_environ_proxies(client.meta.endpoint_url) if proxied else None,
        timeout=(config.connect_timeout, config.read_timeout),
        max_pool_connections=config.max_pool_connections,
        client_cert=config.client_cert,
    )
    service = client.meta.service_model

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        answer = session.send(request)
        model = service.operation_model(event_name.rpartition(".")[2])
        if len(answer.content) > answers.LARGEST:
            raise unexpected(model, f"more than {answers.LARGEST} bytes")
        answers.check(model, answer.status_code, answer.headers, answer.content)
        return answer

    def complete(parsed: Any, http_response: AWSResponse, **_: Any) -> None:
        if http_response.status_code < 300:
            answers.complete(parsed)

    client.meta.events.register("before-send", send)
    client.meta.events.register("after-call.kms", complete)
    return client


def ca_bundle(profile: str = "") -> str | bool:
    """The file of certificate authorities that AWS_CA_BUNDLE or the profile names; True for those that botocore brings."""
    return Session(profile=profile or None).get_config_variable("ca_bundle") or True


def goes_by_proxy(url: str) -> bool:
    return bool(get_environ_proxies(url).get(url.partition(":")[0]))
