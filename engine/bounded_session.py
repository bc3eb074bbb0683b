"""boto3 clients whose answers are bounded: what is read of one, and how long an exchange takes in all.

botocore reads an answer to its end, however long that is and however slowly it comes; its timeouts begin anew with each byte. It sends by
`send_by` through its documented `before-send` event, and urllib3 opens connections by its documented `pool_classes_by_scheme`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from urllib3.exceptions import HTTPError

from engine.outbound import Deadline, ExchangeTimeout, HeldConnection

_PART = 65_536  # bytes that are read at once


class _HeldHTTP(HeldConnection, AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _HeldHTTPS(HeldConnection, AWSHTTPSConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _HTTPPool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore has no types
    ConnectionCls = _HeldHTTP


class _HTTPSPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore has no types
    ConnectionCls = _HeldHTTPS


_POOLS: Mapping[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}


class BoundedSession(URLLib3Session):  # type: ignore[misc]  # botocore has no types
    """botocore's HTTP session. `pools`: urllib3's pools by scheme, whose connections are HeldConnections."""

    def __init__(self, *, largest: int, seconds: float, pools: Mapping[str, Any] = _POOLS, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._manager.pool_classes_by_scheme = pools
        self._largest, self._seconds = largest, seconds

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer, its body read: at most `largest` bytes and some more, within `seconds` from the request on."""
        request.stream_output = True
        try:
            with Deadline(self._seconds):
                answer = super().send(request)
                parts = self._read(answer.raw)
        except BotoCoreError:  # some are urllib3's as well, or of the system
            raise
        except ExchangeTimeout as reason:
            raise ReadTimeoutError(endpoint_url=request.url, error=reason) from reason
        except (HTTPError, OSError) as reason:
            raise HTTPClientError(error=reason) from reason
        read = HTTPResponse(BytesIO(b"".join(parts)), preload_content=False)
        return AWSResponse(answer.url, answer.status_code, answer.headers, read)

    def _read(self, raw: Any) -> list[bytes]:
        parts, size = [], 0
        try:
            while size <= self._largest and (part := raw.read1(_PART, decode_content=True)):
                parts.append(part)
                size += len(part)
        finally:
            if size > self._largest:
                raw.close()  # never read to its end
            raw.release_conn()
        return parts


def as_configured(client: Any, *, proxied: bool, profile: str = "") -> dict[str, Any]:
    """The arguments of a session as botocore would make it for this client. `proxied`: through a proxy of the environment, where it names
    one for the client's address."""
    config = client.meta.config
    return {
        "verify": ca_bundle(profile),
        "proxies": get_environ_proxies(client.meta.endpoint_url) if proxied else None,
        "timeout": (config.connect_timeout, config.read_timeout),
        "max_pool_connections": config.max_pool_connections,
        "client_cert": config.client_cert,
    }


def ca_bundle(profile: str = "") -> str | bool:
    """The file of certificate authorities that AWS_CA_BUNDLE or the profile names; True for those that botocore brings."""
    return Session(profile=profile or None).get_config_variable("ca_bundle") or True


def send_by(
    client: Any, session: BoundedSession, check: Callable[[str, AWSResponse], None] = lambda _operation, _answer: None
) -> None:
    """Send all requests of a boto3 client by `session`; `check` gets each operation's name and its answer, and may raise."""

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        answer = session.send(request)
        check(event_name.rpartition(".")[2], answer)
        return answer

    client.meta.events.register("before-send", send)
