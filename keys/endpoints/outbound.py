"""The HTTP session that has botocore keep to the addresses that may be connected to (engine.public.outbound says which).

A connection goes to an address that was looked at; TLS still asks for the certificate of the name.

botocore sends through `keep_to_allowed` as engine.bounded_session says.
"""

from __future__ import annotations

import socket
from functools import cache
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSResponse,
)
from botocore.utils import get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from console.aws_calls import unexpected
from engine.public.outbound import BoundedSession, HeldConnection, as_configured, connect, send_by
from engine.public.outbound import ca_bundle as ca_bundle  # what connections are made with
from keys.endpoints import answers

LONGEST = 30  # seconds that an exchange may take in all


class _Checked(HeldConnection):
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


class CheckedSession(BoundedSession):
    """botocore's HTTP session. What goes through one of `proxies` goes to the proxy, which the installation's environment names."""

    def __init__(self, *, private: bool, **arguments: Any) -> None:
        super().__init__(
            largest=answers.LARGEST,
            seconds=LONGEST,
            pools=_pools(private),
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **arguments,
        )


def keep_to_allowed(client: Any, *, private: bool, proxied: bool, profile: str = "") -> Any:
    """Send all requests of a boto3 client by a session that connects to allowed addresses alone.

    `proxied`: through HTTP_PROXY or HTTPS_PROXY where the environment names one. A proxy looks names up itself, so only hosts that no
    person chose go that way.
    """
    session = CheckedSession(private=private, **as_configured(client, proxied=proxied, profile=profile))
    service = client.meta.service_model

    def check(operation: str, answer: AWSResponse) -> None:
        model = service.operation_model(operation)
        if len(answer.content) > answers.LARGEST:
            raise unexpected(model, f"more than {answers.LARGEST} bytes")
        answers.check(model, answer.status_code, answer.headers, answer.content)

    def complete(parsed: Any, http_response: AWSResponse, **_: Any) -> None:
        if http_response.status_code < 300:
            answers.complete(parsed)

    send_by(client, session, check)
    client.meta.events.register("after-call.kms", complete)
    return client


def goes_by_proxy(url: str) -> bool:
    return bool(get_environ_proxies(url).get(url.partition(":")[0]))
