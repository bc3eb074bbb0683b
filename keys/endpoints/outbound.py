"""The HTTP session that has botocore keep to the addresses that may be connected to (engine.public.outbound says which).

A connection goes to an address that was looked at; TLS still asks for the certificate of the name.

botocore sends through `keep_to_allowed` by its documented `before-send` event and urllib3's documented `pool_classes_by_scheme`.
"""

from __future__ import annotations

import socket
from functools import cache
from io import BytesIO
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import BotoCoreError, HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3 import HTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError

from console.aws_calls import unexpected
from engine.public.outbound import Deadline, ExchangeTimeout, HeldConnection, connect
from keys.endpoints import answers

LONGEST = 30  # seconds that an exchange may take in all
_PART = 65_536  # bytes that are read at once


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


class CheckedSession(URLLib3Session):  # type: ignore[misc]  # botocore has no types
    """botocore's HTTP session. What goes through one of `proxies` goes to the proxy, which the installation's environment names."""

    def __init__(self, *, private: bool, **arguments: Any) -> None:
        super().__init__(socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)], **arguments)
        self._manager.pool_classes_by_scheme = _pools(private)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer, its body read: at most `answers.LARGEST` bytes and one more, within LONGEST seconds from the request on."""
        request.stream_output = True
        try:
            with Deadline(LONGEST):
                answer = super().send(request)
                parts = _read(answer.raw)
        except BotoCoreError:  # some are urllib3's as well, or of the system
            raise
        except ExchangeTimeout as reason:
            raise ReadTimeoutError(endpoint_url=request.url, error=reason) from reason
        except (HTTPError, OSError) as reason:
            raise HTTPClientError(error=reason) from reason
        read = HTTPResponse(BytesIO(b"".join(parts)), preload_content=False)
        return AWSResponse(answer.url, answer.status_code, answer.headers, read)


def _read(raw: Any) -> list[bytes]:
    parts, size = [], 0
    try:
        while size <= answers.LARGEST and (part := raw.read1(_PART, decode_content=True)):
            parts.append(part)
            size += len(part)
    finally:
        if size > answers.LARGEST:
            raw.close()  # never read to its end
        raw.release_conn()
    return parts


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
