"""The reference proxy as a process: HTTPS by uvicorn, mutual TLS if the configuration names who may call, and the configuration read anew
when its file changes, so that credentials are rotated without an interruption."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import uvicorn

from engine.hsm.token import Token
from kmsconsole.xks_proxy import configuration
from kmsconsole.xks_proxy.application import Application
from kmsconsole.xks_proxy.configuration import Configuration, ConfigurationError, Store
from kmsconsole.xks_proxy.operations import Operations

TOKEN_SECONDS = 1.0  # that a token may take; AWS KMS has given up by then
# Those of the specification that TLS 1.2 has; TLS 1.3 brings its own.
_CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
LOGGER = "kmsconsole.xks_proxy"  # a line of JSON for each request
logger = logging.getLogger(LOGGER)


def serve(path: Path) -> None:
    """Serve until a signal. Raises ConfigurationError."""
    read = configuration.read(path)
    token = Token(read.module, read.token_label, read.pin, TOKEN_SECONDS)
    application = Application(Operations(token), _Stores(path, read))
    try:
        tls_context(read)
    except OSError as reason:  # ssl.SSLError too
        raise ConfigurationError(f"certificate or client_authorities cannot be used ({reason})") from reason
    uvicorn.run(
        application,
        host=read.host,
        port=read.port,
        http="httptools",
        ws="none",
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        access_log=False,
        ssl_certfile=read.certificate,
        ssl_context_factory=lambda _config, _default: tls_context(read),
        timeout_graceful_shutdown=1,  # KMS waits 250 ms for an answer; idle TLS connections would be waited for to the end
        timeout_keep_alive=60,
    )


def tls_context(read: Configuration) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(read.certificate)
    if read.client_authorities is not None:
        context.load_verify_locations(read.client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
        context.sslobject_class = _of_client(read.client_name)
    return context


def _of_client(name: str) -> type[ssl.SSLObject]:
    class OfClient(ssl.SSLObject):
        """A handshake ends well only with a certificate whose subject's common name is the client's."""

        refused: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            """asyncio drops a connection whose handshake fails with what was to be sent. So a failure is told at the second call: the
            first one asks for more to read, before which the TLS alert is sent that tells the client why."""
            if self.refused is not None:
                raise self.refused
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as reason:
                self.refused = reason
                raise ssl.SSLWantReadError from reason
            subject: Any = (self.getpeercert() or {}).get("subject", ())
            names = [value for part in subject for key, value in part if key == "commonName"]
            if names != [name]:
                raise ssl.SSLCertVerificationError("the client's certificate has another subject")

    return OfClient


class _Stores:
    """The stores of the file, read anew when it has changed; a file that cannot be changes nothing."""

    def __init__(self, path: Path, read: Configuration) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stores = read.stores
        self._seen = _stamp(path)

    def __call__(self) -> dict[str, Store]:
        stamp = _stamp(self._path)
        if stamp != self._seen:
            with self._lock:
                self._seen = stamp
                try:
                    self._stores = configuration.read(self._path).stores
                except ConfigurationError as reason:
                    logger.error("the stores are as they were: %s", reason)
        return self._stores


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
