"""The reference proxy's configuration: a TOML file that only its owner should read, for it has a PIN and the proxy's credentials.

listen = "127.0.0.1:8443"
certificate = "server.pem"                 # with its private key; paths are relative to the file
client_authorities = "authorities.pem"     # with it, a client has to show a certificate: mutual TLS
client_name = "cks.kms.us-east-1.amazonaws.com"

[token]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "xks"
pin = "…"

[[stores]]
uri_path_prefix = "/training"              # may be empty
enabled = true
keys = ["key-1"]                           # labels; without it, all keys of the token
disabled_keys = []
principals = ["arn:aws:iam::111122223333:*"]   # whose requests are allowed; without it, all
requests_per_second = 1800
[[stores.credentials]]                     # one, or two while they are rotated
access_key_id = "…"
secret_access_key = "…"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ACCESS_KEY_ID = re.compile(r"[A-Z2-7]{20,30}")
_SECRET = re.compile(r"[A-Za-z0-9/+=]{43,64}")
_PREFIX = re.compile(r"|/[A-Za-z0-9/_-]*[A-Za-z0-9_-]")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LONGEST_PATH = 128
API = "/kms/xks/v1"


class ConfigurationError(Exception):
    """The file cannot be; the message is one line and has no secret."""


@dataclass(frozen=True)
class Store:
    """A key store behind one path prefix. `keys` None: all of the token."""

    uri_path_prefix: str
    credentials: dict[str, str] = field(repr=False)
    enabled: bool = True
    keys: frozenset[str] | None = None
    disabled_keys: frozenset[str] = frozenset()
    principals: tuple[str, ...] | None = None
    requests_per_second: int = 1800


@dataclass(frozen=True)
class Configuration:
    host: str
    port: int
    certificate: Path
    client_authorities: Path | None
    client_name: str
    module: str
    token_label: str
    pin: str = field(repr=False)
    stores: dict[str, Store]


def read(path: Path) -> Configuration:
    """Raises ConfigurationError."""
    try:
        found = tomllib.loads(path.read_text())
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be read ({reason.strerror})") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise ConfigurationError(f"{path} is no TOML") from reason
    top, token = _Table(found, "the file"), _Table(found.get("token"), "[token]")
    host, _, port = top.text("listen").rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigurationError("listen must be address:port")
    authorities, client_name = top.text("client_authorities", ""), top.text("client_name", "")
    if bool(authorities) != bool(client_name):
        raise ConfigurationError("client_authorities and client_name go together: set both or neither")
    stores = [_store(_Table(each, "[[stores]]")) for each in top.list("stores")]
    if not stores or len({each.uri_path_prefix for each in stores}) != len(stores):
        raise ConfigurationError("there must be [[stores]], each with a uri_path_prefix of its own")
    return Configuration(
        host=host.strip("[]") or "127.0.0.1",
        port=int(port),
        certificate=path.parent / top.text("certificate"),
        client_authorities=path.parent / authorities if authorities else None,
        client_name=client_name,
        module=token.text("module"),
        token_label=token.text("label"),
        pin=token.text("pin"),
        stores={each.uri_path_prefix: each for each in stores},
    )


def _store(table: _Table) -> Store:
    prefix = table.text("uri_path_prefix", "")
    if not _PREFIX.fullmatch(prefix) or len(prefix + API) > _LONGEST_PATH:
        raise ConfigurationError("uri_path_prefix must be empty, or / and letters, digits, / - _, up to 117 characters")
    credentials = {}
    for each in table.list("credentials"):
        credential = _Table(each, "[[stores.credentials]]")
        access_key_id, secret = credential.text("access_key_id"), credential.text("secret_access_key")
        if not _ACCESS_KEY_ID.fullmatch(access_key_id):
            raise ConfigurationError("access_key_id must be 20 to 30 of A to Z and 2 to 7")
        if not _SECRET.fullmatch(secret):
            raise ConfigurationError("secret_access_key must be 43 to 64 of a to z, A to Z, 0 to 9, / + =")
        credentials[access_key_id] = secret
    if not credentials:
        raise ConfigurationError("each store needs [[stores.credentials]]")
    keys, principals = table.texts("keys"), table.texts("principals")
    if any(not _KEY_ID.fullmatch(each) for each in keys or ()):
        raise ConfigurationError("keys must be of 1 to 128 letters, digits, . - _")
    rate = table.of(int, "requests_per_second", 1800)
    if rate < 1:
        raise ConfigurationError("requests_per_second must be above zero")
    return Store(
        uri_path_prefix=prefix,
        credentials=credentials,
        enabled=table.of(bool, "enabled", True),
        keys=None if keys is None else frozenset(keys),
        disabled_keys=frozenset(table.texts("disabled_keys") or ()),
        principals=principals,
        requests_per_second=rate,
    )


class _Table:
    """A table of the file, whose values are asked for by name and type."""

    def __init__(self, found: object, name: str) -> None:
        if not isinstance(found, dict):
            raise ConfigurationError(f"{name} must be a table")
        self._found: dict[str, Any] = found
        self._name = name

    def of(self, kind: type, name: str, default: Any = None) -> Any:
        value = self._found.get(name, default)
        if type(value) is not kind:
            raise ConfigurationError(f"{name} of {self._name} must be a {kind.__name__}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        found: str = self.of(str, name, default)
        return found

    def list(self, name: str) -> list[Any]:
        found: list[Any] = self.of(list, name, [])
        return found

    def texts(self, name: str) -> tuple[str, ...] | None:
        if name not in self._found:
            return None
        found = self.list(name)
        if not all(isinstance(each, str) for each in found):
            raise ConfigurationError(f"{name} of {self._name} must be a list of texts")
        return tuple(found)
