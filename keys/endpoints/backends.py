"""Which key-management endpoint a page speaks to: the embedded engine, real AWS, or a URL; and how its credentials are come by.

The start-up variable KMSCONSOLE_BACKEND decides the default; a person may connect others (keys.models.Connection) and switch between
them. A connection's secret is opened by KMS Decrypt as the signed-in principal, for every request anew: who loses the permission on
the sealing key loses the connection with the next page. It is kept nowhere but in the memory of the clients made with it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, InvalidRegionError, NoCredentialsError
from botocore.utils import parse_timestamp
from django.conf import settings

from console.request import ConsoleRequest, kept
from engine.public import service_models
from engine.public.names import is_region_name
from keys import viewer
from keys.endpoints import outbound, refusals
from keys.models import Connection

EMBEDDED, AWS, URL = "embedded", "aws", "url"
SESSION_KEY = "connection"
LIST_CONNECTIONS = "kmsconsole:ListConnections"
DEFAULT = "default"
_CHOICES = "backends"  # what a request keeps them under
_CLIENTS_KEPT = 128
_MOST_UNSUPPORTED = 1_000
_lock = threading.Lock()
_session_lock = threading.Lock()  # a session may be used by one thread at a time, a client by many
_clients: dict[tuple[str, ...], Any] = {}
_unsupported: dict[
    str, frozenset[str]
] = {}  # connection → operations it was found not to offer, as of the last request through it
_roles: dict[tuple[str, ...], tuple[dict[str, str], datetime]] = {}


@dataclass(frozen=True, slots=True)
class Backend:
    """An endpoint. `slug` is what the switch sends; `scope` what the inventory keeps its keys under (None: the account's own)."""

    slug: str
    kind: str
    name: str
    url: str = ""
    scope: str | None = None
    connection: Connection | None = None
    current: bool = False

    @property
    def embedded(self) -> bool:
        return self.kind == EMBEDDED


def default() -> Backend:
    """What KMSCONSOLE_BACKEND names."""
    if settings.BACKEND == EMBEDDED:
        return Backend(EMBEDDED, EMBEDDED, "")
    if settings.BACKEND == AWS:
        return Backend(DEFAULT, AWS, "", scope="aws")
    scope = "u" + hashlib.sha256(settings.BACKEND.encode()).hexdigest()[:11]
    return Backend(DEFAULT, URL, settings.BACKEND, url=settings.BACKEND, scope=scope)


def of_connection(row: Connection) -> Backend:
    return Backend(str(row.pk), row.kind, row.name, url=row.url, scope=f"c{row.pk}", connection=row)


def choices(request: ConsoleRequest) -> list[Backend]:
    """Every endpoint that this session may switch to, the default first; the current one is marked. Of connections nothing is known
    to who may not list them, so a session that loses that goes back to the default."""
    signed_in = request.signed_in
    listed = [default()]
    if not listed[0].embedded:
        listed.append(Backend(EMBEDDED, EMBEDDED, ""))
    connections = [of_connection(row) for row in Connection.objects.filter(account_id=signed_in.account_id)]
    if connections and viewer.is_allowed(request, LIST_CONNECTIONS):
        listed += connections
    chosen = request.session.get(SESSION_KEY, "")
    at = next((number for number, each in enumerate(listed) if each.slug == chosen), 0)
    marked = [replace(each, current=number == at) for number, each in enumerate(listed)]
    kept(request)[_CHOICES] = marked
    return marked


def current(request: ConsoleRequest) -> Backend:
    found: list[Backend] = kept(request).get(_CHOICES) or choices(request)
    return next(each for each in found if each.current)


def switch(request: ConsoleRequest, slug: str) -> Backend:
    """Speak to another endpoint from now on. Raises LookupError if there is none of that name."""
    wanted = next((each for each in choices(request) if each.slug == slug), None)
    if wanted is None:
        raise LookupError(slug)
    request.session[SESSION_KEY] = slug
    del kept(request)[_CHOICES]
    return wanted


@cache
def session() -> boto3.session.Session:
    core = service_models.session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return boto3.session.Session(botocore_session=core)


def new_client(service: str, **arguments: Any) -> Any:
    """boto3's `client`, of the one session: to make another takes longer than the client."""
    with _session_lock:
        return session().client(service, **arguments)


def _moment(value: Any) -> datetime:
    """A timestamp of an answer. The usual form is read without botocore's guessing, which takes a tenth of a millisecond for each."""
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return datetime.fromisoformat(value)
        except ValueError:  # ISO 8601 has more forms than Python reads
            pass
    parsed: datetime = parse_timestamp(value)
    return parsed


ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)  # for tests of a connection
REMOTE = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=20)


def remote_client(
    backend: Backend,
    service: str,
    region: str,
    secret: Callable[[], dict[str, str]],
    config: Config = REMOTE,
    used_for: str = refusals.CHANGE,
) -> Any:
    """A client of another endpoint. `secret` opens the connection's credentials; it is called for each request that comes here. `used_for`:
    what keys.endpoints.refusals says of the request."""
    connection = backend.connection
    region = region if connection is None else connection.region or region
    if not is_region_name(region):
        raise InvalidRegionError(region_name=region)
    if connection is None:
        whose: tuple[str, ...] = ("server", backend.url, service, region)
        kept_for: tuple[str, ...] = whose
        new: Callable[..., Any] = new_client
    else:
        if len(_unsupported) >= _MOST_UNSUPPORTED:
            _unsupported.clear()
        _unsupported[backend.slug] = frozenset(connection.unsupported_operations)
        opened = connection.unsealed or (secret() if connection.sealed else {})
        identity = hashlib.sha256(
            json.dumps([opened, connection.profile, connection.role_arn], sort_keys=True).encode()
        ).hexdigest()
        whose = (backend.slug, connection.method, backend.url, service, region, identity, str(config is REMOTE))
        if connection.role_arn:
            role = _role(whose, backend, connection, opened, region)
            kept_for, new = (*whose, role["access_key_id"]), partial(new_client, **_credentials(role))
        else:
            kept_for, new = whose, _with_own_credentials(connection, opened)

    def make() -> Any:
        client = _make(new, backend, service, region, config)
        refusals.hold(client, whose, used_for)
        return client if connection is None else _refusing_unsupported(backend, client)

    return _client((*kept_for, used_for), make)


def _refusing_unsupported(backend: Backend, client: Any) -> Any:
    """Refuse what the endpoint is known not to offer with a sentence, before it answers with an error page."""

    def check(model: Any, **_rest: Any) -> None:
        if model.name in _unsupported.get(backend.slug, ()):
            message = f"{backend.name} does not offer {model.name}."
            raise ClientError({"Error": {"Code": "UnsupportedOperationException", "Message": message}}, model.name)

    client.meta.events.register("before-call", check)
    return client


def _with_own_credentials(connection: Connection, opened: dict[str, str]) -> Callable[..., Any]:
    """Makes clients with the connection's own credentials, before any role. Raises botocore's ProfileNotFound.

    With access keys of its own nothing else is looked for: not the environment, and no metadata service.
    """
    if connection.method == "keys" and not opened:
        raise NoCredentialsError
    if connection.method == "profile" or (connection.profile and not opened):
        client: Callable[..., Any] = boto3.session.Session(profile_name=connection.profile).client
        return client
    return partial(new_client, **_credentials(opened)) if opened else new_client


def _credentials(found: dict[str, str]) -> dict[str, Any]:
    return {
        "aws_access_key_id": found["access_key_id"],
        "aws_secret_access_key": found["secret_access_key"],
        "aws_session_token": found.get("session_token") or None,
    }


def _role(
    key: tuple[str, ...], backend: Backend, connection: Connection, opened: dict[str, str], region: str
) -> dict[str, str]:
    """Temporary credentials of the connection's role, kept until five minutes before they expire."""
    found = _roles.get(key)
    if found is not None and found[1] > datetime.now(UTC):
        return found[0]
    sts = _make(_with_own_credentials(connection, opened), backend, "sts", region)
    given = sts.assume_role(RoleArn=connection.role_arn, RoleSessionName="kmsconsole")["Credentials"]
    role = {
        "access_key_id": given["AccessKeyId"],
        "secret_access_key": given["SecretAccessKey"],
        "session_token": given["SessionToken"],
    }
    while len(_roles) >= _CLIENTS_KEPT:
        _roles.pop(next(iter(_roles)), None)
    _roles[key] = (role, given["Expiration"] - timedelta(minutes=5))
    return role


def _make(new: Callable[..., Any], backend: Backend, service: str, region: str, config: Config = REMOTE) -> Any:
    """Every client of another endpoint is made here, and goes to allowed addresses alone. `new`: boto3's `client`, with some credentials.

    What KMSCONSOLE_BACKEND names may be private whatever KMSCONSOLE_ENDPOINTS says: one hand has written both.
    """
    client = new(service, region_name=region, endpoint_url=backend.url or None, config=config)
    connection = backend.connection
    return outbound.keep_to_allowed(
        client,
        private=connection is None,
        proxied=may_go_by_proxy(backend),
        profile=connection.profile if connection is not None else "",
    )


def may_go_by_proxy(backend: Backend) -> bool:
    """AWS's own hosts and what the installation names; never an address that a person entered, which the proxy would look up unchecked."""
    return backend.connection is None or backend.kind == AWS


def address(backend: Backend, region: str) -> str:
    """The URL that KMS is asked at."""
    if backend.url:
        return backend.url
    unsigned = new_client("kms", region_name=region, config=Config(signature_version=UNSIGNED))
    return str(unsigned.meta.endpoint_url)


def _client(key: tuple[str, ...], make: Callable[[], Any]) -> Any:
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = make()
            while len(_clients) >= _CLIENTS_KEPT:
                _clients.pop(next(iter(_clients)))
            _clients[key] = found
    return found


def seal(kms: Any, connection: Connection, secret: dict[str, str], key_id: str) -> None:
    """Encrypt `secret` under an account's key, as the signed-in principal, into the connection (not saved). Raises ClientError."""
    answer = kms.encrypt(
        KeyId=key_id, Plaintext=json.dumps(secret).encode(), EncryptionContext=seal_context(connection)
    )
    connection.sealed, connection.sealing_key = answer["CiphertextBlob"], answer["KeyId"]
    connection.sealed_in = kms.meta.region_name


def unseal(kms: Any, connection: Connection) -> dict[str, str]:
    """The connection's secret. Raises ClientError if the principal may not decrypt it, or the key is disabled or gone."""
    answer = kms.decrypt(CiphertextBlob=bytes(connection.sealed), EncryptionContext=seal_context(connection))
    return dict(json.loads(answer["Plaintext"]))


def seal_context(connection: Connection) -> dict[str, str]:
    return {"kmsconsole:account": connection.account_id, "kmsconsole:connection": connection.name}
