"""Every setting of kmsconsole: environment variables, read and checked here alone, once, at the start.

A field is a variable: `workers` is KMSCONSOLE_WORKERS. Its metadata are its meaning for docs/operations.md and docs/reference/settings.md,
and how its text is read. A variable that is empty is as one that is not set. A wrong value is a SettingError, one sentence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from engine.sinks import configuration
from engine.sinks.configuration import Sink
from engine.trail.signed_note import parse_verifier_key
from kmsconsole import resources
from kmsconsole.installation.datafolder import DataFolderError

PREFIX = "KMSCONSOLE_"


class SettingError(DataFolderError):
    """A setting cannot be; the message is one line for the person who starts the server."""


class Address(NamedTuple):
    host: str
    port: int

    @property
    def url_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class Endpoints(NamedTuple):
    """Where connections may go: to `private` networks, or to those of them that are named."""

    private: bool
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be address:port")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]\S*", text):
        raise ValueError("must be an http(s) URL")
    return text.rstrip("/")


def _backend(text: str) -> str:
    if text not in ("embedded", "aws") and not text.startswith(("http://", "https://")):
        raise ValueError("must be embedded, aws or an http(s) URL")
    return text


def _endpoints(text: str) -> Endpoints:
    first, *networks = (part.strip() for part in text.split(","))
    if first == "any" and not networks:
        return Endpoints(private=True)
    try:
        if first != "public":
            raise ValueError("it begins with neither")
        return Endpoints(private=False, networks=tuple(ip_network(each) for each in networks))
    except ValueError as reason:
        raise ValueError(
            f"must be any, public, or public and networks such as public,10.0.0.0/8 ({reason})"
        ) from reason


def _proxies(text: str) -> dict[str, Address]:
    found: dict[str, Address] = {}
    for part in text.split(","):
        name, equals, address = part.strip().partition("=")
        try:
            if not equals or not re.fullmatch(r"[A-Za-z0-9.-]+", name):
                raise ValueError
            found[name.lower()] = _address(address)
        except ValueError:
            raise ValueError("must be name=address:port, comma-separated") from None
    return found


def _file(text: str) -> str:
    path = Path(text).resolve()
    if not path.is_file():
        raise ValueError("must be a file")
    return str(path)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError("must be a number above zero")
    return int(text)


def _archive(text: str) -> str:
    if text.startswith("s3://"):
        if not re.fullmatch(r"s3://[a-z0-9.-]{3,63}(/[^\s]*)?", text):
            raise ValueError("must be s3://bucket/prefix")
        return text.rstrip("/")
    if not text.startswith("/"):
        raise ValueError("must be the path of a folder from / on, or s3://bucket/prefix")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) <= 0:
        raise ValueError("must be a number of seconds above zero")
    return float(text)


def _session_hours(text: str) -> int:
    if text not in map(str, range(1, 13)):
        raise ValueError("must be a number of hours from 1 to 12")
    return int(text)


def _idle_minutes(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 10 <= int(text) <= 720:
        raise ValueError("must be a number of minutes from 10 to 720")
    return int(text)


def _log(text: str) -> frozenset[str]:
    words = frozenset(text.split(","))
    if not words <= {"text", "json", "requests"}:
        raise ValueError("must be text or json, with ,requests or without")
    return words


def _names(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)


def _on(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text == "on"


def _witnesses(text: str) -> tuple[str, ...]:
    found = _names(text)
    for each in found:
        if not parse_verifier_key(each).cosigns:
            raise ValueError("must be verifier keys of witnesses")
    return found


def _account_id(text: str) -> str:
    if not re.fullmatch("[0-9]{12}", text):
        raise ValueError("must be 12 digits")
    return text


def _access_key_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{16,128}", text):
        raise ValueError("must be 16 to 128 letters, digits and _")
    return text


class RootProvider(NamedTuple):
    """What protects the root key of a new installation. `argument`: the token's label, or the ARN of the KMS key."""

    name: str
    argument: str = ""


def _root_provider(text: str) -> RootProvider:
    name, _, argument = text.partition(":")
    needs = name in ("pkcs11", "kms")
    if name not in ("file", "passphrase", "pkcs11", "kms") or needs != bool(argument):
        raise ValueError("must be file, passphrase, pkcs11:LABEL or kms:ARN")
    return RootProvider(name, argument)


class MailServer(NamedTuple):
    """Where e-mail is handed over. `security`: "", "starttls" or "tls"."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    security: str = ""


def _mail_server(text: str) -> MailServer:
    parts = urlsplit(text)
    security = {"smtp": "", "smtp+starttls": "starttls", "smtps": "tls"}.get(parts.scheme)
    try:
        port = parts.port or {"": 25, "starttls": 587, "tls": 465}[security or ""]
    except ValueError:
        security, port = None, 0
    if security is None or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(
            "must be smtp://, smtp+starttls:// or smtps:// with host, and user:password if it asks for them"
        )
    return MailServer(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""), security)


def _mail_address(text: str) -> str:
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", text):
        raise ValueError("must be an e-mail address")
    return text


def _sinks(text: str) -> tuple[Sink, ...]:
    try:
        return configuration.read(Path(text))
    except configuration.SinkConfigurationError as reason:
        raise ValueError(f"must be a file of sinks ({reason})") from reason


def _descriptor(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 6:
        raise ValueError("must be the number of a file descriptor")
    return int(text)


def _path(text: str) -> Path:
    return Path(text).resolve()


def _variable(meaning: str, read: Callable[[str], Any], default: Any, *, secret: bool = False) -> Any:
    """`secret`: a wrong value is not repeated in the error. A default that is a function is called at the start."""
    metadata = {"meaning": meaning, "read": read, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the installation says; None where the server finds the value itself."""

    data: Path = _variable(
        "Data folder: root key, database, audit journal. Default `var/` of a checkout, `~/.local/share/kmsconsole` where it is installed.",
        _path,
        lambda: resources.default_data().resolve(),
    )
    listen: Address = _variable("Address and port. Default `127.0.0.1:8000`.", _address, Address("127.0.0.1", 8000))
    public_url: str = _variable(
        "The address that browsers and programs use when it is not the one listened on (a proxy).", _url, ""
    )
    allowed_hosts: tuple[str, ...] = _variable(
        "Host names the console answers to, comma-separated. Default localhost and the listen address.", _names, ()
    )
    backend: str = _variable(
        "`embedded` (default), `aws`, or an endpoint URL: what the console manages.", _backend, "embedded"
    )
    endpoints: Endpoints = _variable(
        "Where connections to other endpoints may go: `any` (default), `public`, or `public` and networks (`public,10.20.0.0/16`).",
        _endpoints,
        Endpoints(private=True),
    )
    xks_proxies: dict[str, Address] = _variable(
        "Where proxies of external key stores listen that DNS and port 443 do not lead to: `name=address:port`, comma-separated.",
        _proxies,
        dict,
    )
    xks_ca_bundle: str = _variable(
        "PEM file of the certificate authorities of such proxies. Default those of the system.", _file, ""
    )
    xks_client_certificate: str = _variable(
        "PEM file with the certificate and key that a proxy is shown if it asks for one (mutual TLS).", _file, ""
    )
    xks_seconds: float = _variable(
        "Seconds that a call of such a proxy may take. Default 0.25, as AWS KMS's.", _seconds, 0.25
    )
    database_url: str = _variable(
        "Control-plane database: `postgres://user:password@host:port/name`. Default SQLite in the data folder.", str, ""
    )
    database_timeout: float = _variable(
        "Seconds a call waits for the database before it fails. Default 10.", _seconds, 10.0
    )
    workers: int = _variable("Worker processes. Default the number of cores.", _number, lambda: os.cpu_count() or 1)
    threads: int = _variable(
        "Threads of each worker for pages and calls that need the database or time; with PostgreSQL a connection each. Default 32.",
        _number,
        32,  # each that works keeps a connection to PostgreSQL, which has 100 by default
    )
    connections: int = _variable("Connections that each worker holds. Default 2048.", _number, 2048)
    connections_per_address: int | None = _variable(
        "Of these, what one address may hold. Default half of them; behind a proxy, which is one address, set all of them.",
        _number,
        None,
    )
    request_seconds: int = _variable(
        "Seconds in which a request's head has to come, and each 16 KiB of its body. Default 10.", _number, 10
    )
    session_hours: int = _variable(
        "Hours that a sign-in to the console lasts, 1 to 12. Default 12.", _session_hours, 12
    )
    session_idle_minutes: int | None = _variable(
        "Minutes without a page after which a sign-in to the console ends, 10 or more. Default none.",
        _idle_minutes,
        None,
    )
    look_up_thumbprints: bool = _variable(
        "Whether `CreateOpenIDConnectProvider` without thumbprints looks one up at the provider: `on` or `off`. Default `off`.",
        _on,
        False,
    )
    quotas: str = _variable(  # engine.throttling reads it
        "Request quotas: `default`, `aws`, `off`, `NAME=RATE`, comma-separated. Default `default`.", str, ""
    )
    log: frozenset[str] = _variable(
        "`text` (default) or `json`; with `,requests` one line for each AWS request.", _log, frozenset({"text"})
    )
    root_provider: RootProvider = _variable(
        "What protects the root key of a new installation: `file` (default), `passphrase`, `pkcs11:LABEL` or `kms:ARN`; later `kmsconsole change_root_provider`.",
        _root_provider,
        RootProvider("file"),
    )
    root_token_module: str = _variable("Path of the PKCS#11 module whose token protects the root key.", str, "")
    root_kms_endpoint: str = _variable(
        "Endpoint of the KMS that protects the root key, if it is not the one of its description or AWS's.", _url, ""
    )
    smtp_url: MailServer = _variable(
        "Where alerts are sent by e-mail: `smtp://`, `smtp+starttls://` or `smtps://` `user:password@host:port`. Default none.",
        _mail_server,
        MailServer(),
        secret=True,
    )
    mail_from: str = _variable(
        "The sender of e-mail. Default `kmsconsole@localhost`.", _mail_address, "kmsconsole@localhost"
    )
    sinks: tuple[Sink, ...] = _variable(
        "TOML file of the sinks that the record is streamed to (docs/howto/sinks.md).", _sinks, ()
    )
    witnesses: tuple[str, ...] = _variable(
        "Verifier keys (C2SP, type 4) of those who cosign checkpoints of the audit trail, comma-separated.",
        _witnesses,
        (),
    )
    public_log: bool = _variable(
        "`on`: checkpoints of the audit trail and their continuation are answered to anyone at `/tlog/`, as witnesses need. Default `off`.",
        _on,
        False,
    )
    trail_segment_megabytes: int = _variable(
        "Older records of the audit journal are sealed into a compressed segment once there are so many megabytes of them. Default 256.",
        _number,
        256,
    )
    trail_segment_days: int = _variable(
        "They are sealed as well once the oldest is so many days old. Default 30.", _number, 30
    )
    trail_archive: str = _variable(
        "Where sealed segments are moved: a folder, or `s3://bucket/prefix` with the credentials that boto3 finds. Default they stay in the data folder.",
        _archive,
        "",
    )
    trail_archive_endpoint: str = _variable("Endpoint of that bucket where it is not AWS's.", _url, "")
    trail_retention_days: int | None = _variable(
        "After so many days sealed segments are due to be removed, which two persons have to say. Default never.",
        _number,
        None,
    )
    metrics_token: str = _variable(
        "Bearer token that `/metrics` asks for. Without one it answers this machine only.", str, "", secret=True
    )


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The first administrator, as the first start makes it. Read then and not kept: workers inherit no secret."""

    bootstrap_account_id: str = _variable(
        "Number of the first account. Default `111122223333`. First start only, like the next three.",
        _account_id,
        "111122223333",  # the account number that AWS's own documentation uses
    )
    bootstrap_password: str = _variable(
        "Password of the first administrator. Generated and printed if it is not set.", str, "", secret=True
    )
    bootstrap_access_key_id: str = _variable(
        "Access key ID of the first administrator, with the next one. Generated and printed.",
        _access_key_id,
        "",
        secret=True,
    )
    bootstrap_secret_access_key: str = _variable("Its secret access key.", str, "", secret=True)


@dataclass(frozen=True, slots=True)
class RootSecrets:
    """What opens the root key. Read when it is asked for and not kept: workers inherit no secret."""

    root_secret: str = _variable(
        "Passphrase, PIN or shares (one a line) that open the root key. Better: the next one, or the systemd credential `kmsconsole-root-secret`.",
        str,
        "",
        secret=True,
    )
    root_secret_fd: int | None = _variable(
        "File descriptor from which the same is read.", _descriptor, None, secret=True
    )
    new_root_secret: str = _variable(
        "Passphrase or PIN that is to protect a new root key (`change_root_provider`; systemd credential `kmsconsole-new-root-secret`).",
        str,
        "",
        secret=True,
    )
    new_root_secret_fd: int | None = _variable(
        "File descriptor from which the same is read.", _descriptor, None, secret=True
    )


def _variables(kind: type) -> Iterator[tuple[str, Any]]:
    return ((PREFIX + each.name.upper(), each) for each in fields(kind))


# Name → meaning of every variable.
VARIABLES: Mapping[str, str] = {
    name: each.metadata["meaning"] for kind in (Environment, Bootstrap, RootSecrets) for name, each in _variables(kind)
}


def _given(kind: type, environ: Mapping[str, str]) -> dict[str, Any]:
    """The fields that are set. Raises SettingError."""
    found = {}
    for name, each in _variables(kind):
        text = environ.get(name)
        if not text:
            continue
        try:
            found[each.name] = each.metadata["read"](text)
        except ValueError as reason:
            said = "" if each.metadata["secret"] else f", not {text!r}"
            raise SettingError(f"{name} {reason}{said}") from None
    return found


def read(environ: Mapping[str, str] = os.environ) -> Environment:
    """Raises SettingError."""
    return Environment(**_given(Environment, environ))


def read_bootstrap(environ: Mapping[str, str] = os.environ) -> Bootstrap:
    """Raises SettingError."""
    found = Bootstrap(**_given(Bootstrap, environ))
    if bool(found.bootstrap_access_key_id) != bool(found.bootstrap_secret_access_key):
        raise SettingError(
            f"{PREFIX}BOOTSTRAP_ACCESS_KEY_ID and {PREFIX}BOOTSTRAP_SECRET_ACCESS_KEY go together: set both or neither"
        )
    return found


def read_root_secrets(environ: Mapping[str, str] = os.environ) -> RootSecrets:
    """Raises SettingError."""
    return RootSecrets(**_given(RootSecrets, environ))


def forget_bootstrap() -> None:
    """No secret in what workers inherit."""
    _forget(Bootstrap)


def forget_root_secrets() -> None:
    """The same of what opens the root key."""
    _forget(RootSecrets)


def _forget(kind: type) -> None:
    for name, _field in _variables(kind):
        os.environ.pop(name, None)


def unknown() -> list[str]:
    """Variables that are named like settings and are none."""
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in VARIABLES)
