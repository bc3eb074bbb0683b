"""Which sinks the record is streamed to: a TOML file of the installation, since it concerns all accounts.

[[sink]]
name = "siem"                       # letters, digits and -
kind = "http"                       # file, http or syslog
url = "https://siem.example/ingest" # http
secret_file = "/etc/kmsconsole/siem.secret"  # http: whsec_… (Standard Webhooks)
path = "/var/log/kmsconsole.jsonl"  # file
address = "logs.example:6514"       # syslog, over TLS
ca_file = "/etc/ssl/siem.pem"       # http and syslog; default the system's authorities
client_certificate = "/etc/…"       # http and syslog: PEM with its key
required = true                     # file and http: calls fail while it is behind
max_lag_seconds = 10                # … for longer than this
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine import webhook_signature

_MOST = 16


class SinkConfigurationError(ValueError):
    """The file is none of this form. The message is one line and says which sink and member."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One receiver of the record. `required`: no call is answered while records wait for it for more than `max_lag_seconds`."""

    name: str
    kind: str
    path: str = ""
    url: str = ""
    host: str = ""
    port: int = 0
    secret: str = ""
    ca_file: str = ""
    client_certificate: str = ""
    required: bool = False
    max_lag_seconds: float = 10.0

    def __repr__(self) -> str:  # without the secret
        return f"Sink({self.name!r}, {self.kind!r})"

    @property
    def target(self) -> str:
        """Where the records go, for people: a URL without a query or a user."""
        if self.kind == "http":
            parts = urlsplit(self.url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
        return self.path or f"{self.host}:{self.port}"


def read(path: Path) -> tuple[Sink, ...]:
    """The sinks of a file, in its order. Raises SinkConfigurationError."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
        raise SinkConfigurationError(f"{path.name} cannot be read: {reason}") from reason
    rows = document.pop("sink", [])
    if document or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SinkConfigurationError(f"{path.name} holds something else than [[sink]] tables")
    found = tuple(_sink(row, number) for number, row in enumerate(rows, 1))
    if len(found) > _MOST:
        raise SinkConfigurationError(f"{path.name} has more than {_MOST} sinks")
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise SinkConfigurationError(f"two sinks are called {name!r}")
    return found


def _sink(row: dict[str, Any], number: int) -> Sink:
    name = row.get("name", "")
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9-]{1,32}", name):
        raise SinkConfigurationError(f"sink {number}: name must be 1 to 32 letters, digits and -")
    kind = row.get("kind")
    members = _KINDS.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise SinkConfigurationError(f"sink {name}: kind must be one of {', '.join(_KINDS)}")
    made: dict[str, Any] = {"name": name, "kind": kind}
    for member, value in row.items():
        if member in ("name", "kind"):
            continue
        if member not in members:
            raise SinkConfigurationError(f"sink {name}: {member} is no member of a sink of kind {kind}")
        try:
            made.update(members[member](value))
        except ValueError as reason:
            raise SinkConfigurationError(f"sink {name}: {member} {reason}") from None
    needed = {"file": "path", "http": "url", "syslog": "address"}[str(kind)]
    if needed not in row:
        raise SinkConfigurationError(f"sink {name}: {needed} is missing")
    if kind == "http" and "secret_file" not in row:
        raise SinkConfigurationError(f"sink {name}: secret_file is missing")
    return Sink(**made)


def _absolute(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("must be an absolute path")
    return value


def _path(value: object) -> dict[str, Any]:
    return {"path": _absolute(value)}


def _url(value: object) -> dict[str, Any]:
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/?#@]+([/?][^\s#]*)?", value):
        raise ValueError("must be an http(s) URL")
    return {"url": value}


def _address(value: object) -> dict[str, Any]:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    return {"host": host.strip("[]"), "port": int(port)}


def _secret_file(value: object) -> dict[str, Any]:
    try:
        secret = Path(_absolute(value)).read_text().strip()
        webhook_signature.key(secret)
    except (OSError, UnicodeDecodeError) as reason:
        raise ValueError("cannot be read") from reason
    return {"secret": secret}


def _readable(member: str) -> Callable[[object], dict[str, Any]]:
    def read(value: object) -> dict[str, Any]:
        if not Path(_absolute(value)).is_file():
            raise ValueError("must be a file")
        return {member: value}

    return read


def _required(value: object) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return {"required": value}


def _seconds(value: object) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.5 <= value <= 86_400:
        raise ValueError("must be 0.5 to 86400")
    return {"max_lag_seconds": float(value)}


_TLS = {"ca_file": _readable("ca_file"), "client_certificate": _readable("client_certificate")}
_REQUIRED = {"required": _required, "max_lag_seconds": _seconds}
# kind → its members, and how each is read. Syslog has no acknowledgement, so nothing can be required of it.
_KINDS: dict[str, dict[str, Callable[[object], dict[str, Any]]]] = {
    "file": {"path": _path, **_REQUIRED},
    "http": {"url": _url, "secret_file": _secret_file, **_TLS, **_REQUIRED},
    "syslog": {"address": _address, **_TLS},
}
