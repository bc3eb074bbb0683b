"""What is wrong with an endpoint or its credentials, in words: name, connection, TLS, clock, key, permission. Used by the connection
test and by the page that is shown when an endpoint fails."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.httpsession import get_cert_path
from django.utils.translation import gettext_noop as _

from console import kept_words
from console.aws_calls import FAILURES, UNREACHABLE, UnexpectedAnswerError, failed
from engine.public.outbound import AddressNotAllowedError, connect

__all__ = ["FAILURES", "UNREACHABLE", "failed"]  # those that keys.inventory asks for here

TIMEOUT = 5  # seconds for each step of a test
_SKEW = 300  # seconds that AWS allows a clock to be off


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of a test: `kind` names it (dns, address, refused, timeout, tls, skew, key, secret, denied, profile,
    credentials, answer, unreachable, closed, other, ok). Title and remedy are in English: a test is kept, and read by others than who made
    it."""

    kind: str
    title: str
    detail: str = ""
    remedy: str = ""

    @property
    def title_in_readers_language(self) -> str:
        return _in_readers_language(self.title)

    @property
    def remedy_in_readers_language(self) -> str:
        return _in_readers_language(self.remedy)

    @property
    def good(self) -> bool:
        return self.kind == "ok"


_UNEXPECTED = _("The endpoint's answer to %(operation)s is not what %(service)s answers: %(member)s")
_CLOCK_OFF = _("The server's clock is %(seconds)s seconds off the endpoint's. Set it by NTP.")


def _in_readers_language(kept: str) -> str:
    return kept_words.in_readers_language(kept, (_UNEXPECTED, _CLOCK_OFF, kept)) if kept else ""


def reach(url: str, *, private: bool = False, bundle: str | bool = True) -> Finding:
    """Whether the endpoint's name resolves, to allowed addresses, its port answers and its certificate is good."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with connect(host, port, TIMEOUT, private=private) as raw:
            address = raw.getpeername()[0]
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=get_cert_path(bundle))
                with context.wrap_socket(raw, server_hostname=host):
                    pass
    except AddressNotAllowedError as reason:
        return _not_allowed(reason)
    except socket.gaierror as reason:
        return Finding(
            "dns",
            _("The name does not resolve"),
            f"{host}: {reason}",
            _("Check the spelling, or the network's name service."),
        )
    except ssl.SSLError as reason:
        return _tls(reason)
    except TimeoutError:
        return Finding(
            "timeout", _("The endpoint does not answer"), f"{host}:{port}", _("A firewall may drop the connection.")
        )
    except OSError as reason:
        return Finding(
            "refused",
            _("The connection is refused"),
            f"{host}:{port}: {reason}",
            _("Nothing listens there. Check the port, and that the service runs."),
        )
    return Finding("ok", _("The endpoint answers"), f"{address}:{port}")


def _not_allowed(reason: Exception) -> Finding:
    return Finding(
        "address",
        _("The address is not allowed"),
        str(reason),
        _("Link-local and metadata addresses never are; private ones depend on the server's KMSCONSOLE_ENDPOINTS."),
    )


def for_reader(error: Exception, *, manages: bool) -> Finding:
    """What is shown of a failure: who may not manage connections gets one sentence for all, so that no port is told from another."""
    if manages:
        return of_exception(error)
    return Finding(
        "unreachable",
        UNREACHABLE,
        remedy=_("Try again later. If it stays so, ask who manages the connections to test this one."),
    )


def _tls(reason: Exception) -> Finding:
    return Finding(
        "tls",
        _("The certificate is not trusted"),
        str(reason),
        _("Use the name that the certificate is for, and give its authority to the server with AWS_CA_BUNDLE."),
    )


def of_exception(error: Exception) -> Finding:
    """What an exception of a call means."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, ProfileNotFound):
        return Finding(
            "profile", _("The server has no such profile"), str(error), _("Profiles are in the server's ~/.aws/config.")
        )
    if isinstance(error, UnexpectedAnswerError):
        return Finding(
            "answer",
            _UNEXPECTED % error.kwargs,
            remedy=_("Another program may answer there, or a version of AWS's API that the console does not know."),
        )
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Finding(
            "credentials",
            _("There are no credentials"),
            str(error),
            _("The server's environment, profile and role give none. Connect with access keys instead."),
        )
    kinds = _chain(error)
    if refused := next((each for each in kinds if isinstance(each, AddressNotAllowedError)), None):
        return _not_allowed(refused)
    if any(isinstance(each, ssl.SSLError) for each in kinds) or "SSL" in type(error).__name__:
        return _tls(error)
    if any(isinstance(each, socket.gaierror) for each in kinds) or "resolve" in str(error):
        return Finding(
            "dns", _("The name does not resolve"), str(error), _("Check the spelling, or the network's name service.")
        )
    if isinstance(error, ConnectionClosedError):  # the call was sent: something listens, and may have done it
        return Finding("closed", _("The endpoint does not answer"), str(error))
    if "Timeout" in type(error).__name__:
        return Finding(
            "timeout", _("The endpoint does not answer"), str(error), _("A firewall may drop the connection.")
        )
    if isinstance(error, BotoCoreError) and "Connect" in type(error).__name__:
        return Finding(
            "refused",
            _("The connection is refused"),
            str(error),
            _("Nothing listens there. Check the port, and that the service runs."),
        )
    return Finding("other", _("The endpoint could not be asked"), str(error))


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        inner = error.__dict__.get("kwargs", {}).get("error") if not isinstance(error, OSError) else None
        reason = getattr(inner, "reason", inner)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
    return found


_BAD_KEY = ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "MissingAuthenticationToken")
_SIGNATURE = ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature")


def _of_answer(error: ClientError) -> Finding:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    detail = f"{code}: {message}"
    skew = _skew(error.response.get("ResponseMetadata", {}))
    old = "expired" in message or "not yet current" in message
    if code == "RequestTimeTooSkewed" or (code in _SIGNATURE and (old or abs(skew) > _SKEW)):
        return Finding(
            "skew",
            _("The clocks differ"),
            detail,
            _CLOCK_OFF % {"seconds": int(skew)},
        )
    if code in _SIGNATURE:
        return Finding(
            "secret", _("The secret access key is wrong"), detail, _("It is not the one of this access key ID.")
        )
    if code in _BAD_KEY:
        return Finding(
            "key",
            _("The access key is not known there"),
            detail,
            _("It may be of another account, inactive or deleted."),
        )
    if code in ("ExpiredTokenException", "ExpiredToken"):
        return Finding("key", _("The credentials have expired"), detail, _("Enter fresh ones."))
    if code.startswith("AccessDenied"):
        return Finding(
            "denied",
            _("The policies do not allow it"),
            detail,
            _("The principal needs kms:ListKeys and kms:DescribeKey."),
        )
    return Finding("other", _("The endpoint answered with an error"), detail)


def _skew(metadata: dict[str, Any]) -> float:
    """Seconds by which this clock is ahead of the answer's Date."""
    date = metadata.get("HTTPHeaders", {}).get("date", "")
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
