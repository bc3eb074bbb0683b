"""HTTPS requests to identity providers: by the guarded connections of engine.outbound, short, without redirects.

The certificate is checked by the machine's certificate authorities (OpenSSL's SSL_CERT_FILE adds to them). One that they do not know is
taken only if it is the very certificate whose SHA-1 thumbprint was given beforehand.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Collection, Mapping
from functools import cache
from urllib.parse import urlsplit

from engine import outbound

SECONDS = 5.0  # to connect, and for the whole exchange then, as AWS waits for an identity provider
_MOST_BYTES = 128 * 1024


class HttpsError(Exception):
    """There is no answer. The message is one line and tells no more than the host."""


class CertificateError(HttpsError):
    """The host's certificate is neither trusted nor one of the thumbprints."""


def request(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    thumbprints: Collection[str] = (),
) -> tuple[int, bytes]:
    """The status and body of the answer. Raises HttpsError."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or 443
    except ValueError as reason:
        raise HttpsError("not an https URL") from reason
    if parts.scheme != "https" or not host:
        raise HttpsError("not an https URL")
    connection = http.client.HTTPSConnection(host, port, timeout=SECONDS)
    try:
        connection.sock = _connect(host, port, thumbprints)
        with outbound.Deadline(SECONDS) as deadline:
            deadline.hold(connection.sock)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body=body, headers={"User-Agent": "kmsconsole", **(headers or {})})
            answer = connection.getresponse()
            found = _read(answer)
        if deadline.over:
            raise HttpsError("the answer takes too long")
        return answer.status, found
    except (OSError, http.client.HTTPException, ValueError) as reason:
        raise HttpsError(f"no answer from {host}") from reason
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse) -> bytes:
    found = b""
    while part := answer.read1(65_536):
        found += part
        if len(found) > _MOST_BYTES:
            raise HttpsError("the answer is too long")
    return found


def _connect(host: str, port: int, thumbprints: Collection[str]) -> ssl.SSLSocket:
    try:
        return _trusted().wrap_socket(outbound.connect(host, port, SECONDS), server_hostname=host)
    except ssl.SSLCertVerificationError as reason:
        if not thumbprints:
            raise CertificateError(f"the certificate of {host} is not trusted") from reason
    made = _unverified().wrap_socket(outbound.connect(host, port, SECONDS), server_hostname=host)
    certificate = made.getpeercert(binary_form=True) or b""
    found = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()  # what IAM calls a thumbprint
    if not any(hmac.compare_digest(found, each.lower()) for each in thumbprints):
        made.close()
        raise CertificateError(f"the certificate of {host} has none of the thumbprints")
    return made


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _unverified() -> ssl.SSLContext:
    """For a certificate that is then compared with the thumbprints."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
