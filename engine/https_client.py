"""HTTPS requests to identity providers: by the guarded connections of engine.outbound, short, without redirects.

The certificate is checked by the machine's certificate authorities (OpenSSL's SSL_CERT_FILE adds to them). One that they do not know is
taken only if a SHA-1 thumbprint that was given beforehand is its own, or that of an authority which the host shows with it and which
has signed it.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import sys
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
    host, port = _place(url)
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(host, port, timeout=SECONDS)
    try:
        connection.sock = _connect(host, port, thumbprints)
        with outbound.Deadline(SECONDS) as deadline:
            deadline.hold(connection.sock)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body=body, headers={"User-Agent": "kmsconsole", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, _read(answer)
    except outbound.ExchangeTimeout as reason:
        raise HttpsError("the answer takes too long") from reason
    except (OSError, http.client.HTTPException, ValueError) as reason:
        raise HttpsError(f"no answer from {host}") from reason
    finally:
        connection.close()


def _place(url: str) -> tuple[str, int]:
    """Host and port of an https URL. Raises HttpsError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError as reason:
        raise HttpsError("not an https URL") from reason
    if parts.scheme != "https" or not host:
        raise HttpsError("not an https URL")
    return host, port


def _read(answer: http.client.HTTPResponse) -> bytes:
    found = b""
    while part := answer.read1(65_536):
        found += part
        if len(found) > _MOST_BYTES:
            raise HttpsError("the answer is too long")
    return found


def _connect(host: str, port: int, thumbprints: Collection[str]) -> ssl.SSLSocket:
    try:
        return _open(_trusted(), host, port)
    except ssl.SSLCertVerificationError as reason:
        if not thumbprints:
            raise CertificateError(f"the certificate of {host} is not trusted") from reason
    made = _open(_unverified(), host, port)
    shown = _shown(made)
    known = {each.lower() for each in thumbprints}
    for number, certificate in enumerate(shown):
        if _thumbprint(certificate) not in known:
            continue
        if number == 0:
            return made
        made.close()
        try:
            return _open(_anchored(certificate), host, port)
        except ssl.SSLCertVerificationError as reason:
            raise CertificateError(f"the certificate of {host} is not of the authority of the thumbprint") from reason
    made.close()
    raise CertificateError(f"the certificate of {host} has none of the thumbprints")


def top_thumbprint(url: str) -> str:
    """Of the last certificate that the host of an https URL shows: that of its top intermediate authority. Nothing of it is checked.

    Raises HttpsError.
    """
    host, port = _place(url)
    try:
        with _open(_unverified(), host, port) as made:
            return _thumbprint(_shown(made)[-1])
    except OSError as reason:
        raise HttpsError(f"no answer from {host}") from reason


def _open(context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSocket:
    return context.wrap_socket(outbound.connect(host, port, SECONDS), server_hostname=host)


def _shown(made: ssl.SSLSocket) -> list[bytes]:
    """The certificates that the host has sent, its own first."""
    if sys.version_info >= (3, 13):
        return list(made.get_unverified_chain())
    found = made._sslobj.get_unverified_chain()  # type: ignore[attr-defined] # the same, before it had a public name
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in found]


def _thumbprint(certificate: bytes) -> str:
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()  # what IAM calls a thumbprint


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _anchored(authority: bytes) -> ssl.SSLContext:
    """For a certificate that this authority has signed, by itself or by others that the host shows, for this host and now."""
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(authority))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@cache
def _unverified() -> ssl.SSLContext:
    """For a certificate that is then compared with the thumbprints."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
