"""The key-management service module: the only way from a page to keys. AWS clients (boto3) signed as the signed-in principal.

The endpoint is the embedded engine (in-process transport), real AWS, or another KMS endpoint; pages cannot tell which.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError
from django.utils import timezone

from console import public_address, session
from console.aws_calls import denied, pages, sentence, unknown_operation
from console.request import ConsoleRequest
from engine.public import aws_services as forward
from engine.public import clock as account_clock
from engine.public import console_actions, visibility
from engine.public import transport as inprocess
from engine.public.transport import AWSError
from keys.endpoints import backends, refusals
from keys.endpoints.backends import AWS, EMBEDDED, URL
from keys.lifecycle import approvals
from keys.viewer import viewer

__all__ = [
    "AWS",
    "EMBEDDED",
    "URL",
    "account_clock",
    "denied",
    "pages",
    "sentence",
    "unknown_operation",
    "viewer",
    "visibility",
]
EMBEDDED_URL = "http://embedded.invalid"  # of clients whose requests this process answers
USE_CONNECTION = "kmsconsole:UseConnection"  # to borrow the server's own credentials for another endpoint
T = TypeVar("T")
_lock = threading.Lock()
_CLIENTS_KEPT = 256
_clients: dict[tuple[str | bool, ...], Any] = {}


def backend(request: ConsoleRequest) -> backends.Backend:
    """The endpoint that this page speaks to."""
    return backends.current(request)


def client(request: ConsoleRequest, service: str = "kms", region: str | None = None) -> Any:
    """A client of `service` for this request's principal. IAM and STS are the embedded engine's unless on real AWS; CloudTrail is the
    endpoint's own, for only that has the calls of the endpoint's keys.

    Raises ClientError where a connection's credentials cannot be opened or its role not assumed.
    """
    return _guarded(request, service, _client(request, service, region or request.signed_in.region))


def _guarded(request: ConsoleRequest, service: str, found: Any) -> Any:
    """The client, held to the account's rule about deletions if it is one of KMS."""
    return approvals.GuardedClient(found, request.signed_in.account_id) if service == "kms" else found


def _client(request: ConsoleRequest, service: str, region: str) -> Any:
    chosen = backends.current(request)
    if chosen.embedded or (chosen.kind != AWS and service not in ("kms", "cloudtrail")):
        return _embedded(request, service, region)
    borrowed = chosen.connection is None or not chosen.connection.sealed  # none: what KMSCONSOLE_BACKEND names
    if borrowed and (refused := refusal(request, USE_CONNECTION)) is not None:
        raise refused
    used_for = refusals.purpose(request)
    return backends.remote_client(chosen, service, region, lambda: opened(request, chosen), used_for=used_for)


def embedded(request: ConsoleRequest, service: str = "kms", region: str | None = None) -> Any:
    """A client of the embedded engine, whichever endpoint the pages speak to: for what belongs to the console itself."""
    return _guarded(request, service, _embedded(request, service, region or request.signed_in.region))


def now(request: ConsoleRequest) -> datetime:
    """The time that the endpoint's keys go by: an account of the embedded engine has a clock of its own."""
    return timezone.now() + timedelta(seconds=clock_ahead(request))


def account_now(request: ConsoleRequest) -> datetime:
    """The time of the account that is signed in to, whose IAM the pages show; real AWS keeps its own."""
    if backends.current(request).kind == AWS:
        return timezone.now()
    return timezone.now() + timedelta(seconds=account_clock.offset(str(request.signed_in.account_id)))


def record_now(request: ConsoleRequest) -> datetime:
    """The time that the record of calls goes by: the account's, unless the endpoint has a record of its own."""
    if not backends.current(request).embedded:
        return timezone.now()
    account_id = str(request.signed_in.account_id)
    return timezone.now() + timedelta(seconds=account_clock.offset(account_id))


def clock_ahead(request: ConsoleRequest) -> float:
    """Seconds that the account's clock is ahead of the machine's; 0 at an endpoint that keeps its own time."""
    if not backends.current(request).embedded:
        return 0.0
    return account_clock.offset(request.signed_in.account_id)


def console_action(
    request: ConsoleRequest,
    action: str,
    what: Callable[[], T],
    *,
    resource: str = "*",
    parameters: dict[str, Any] | None = None,
    conditions: console_actions.Conditions = None,
    key_arn: str = "",
) -> T:
    """As `engine.console_actions.perform`, by the signed-in principal. Raises ClientError."""
    user_agent = request.headers.get("User-Agent", "")[:512]
    context = viewer(request).context
    try:
        return console_actions.perform(
            context,
            action,
            what,
            resource=resource,
            parameters=parameters,
            user_agent=user_agent,
            conditions=conditions,
            key_arn=key_arn,
            asks_first=_looks(request),
        )
    except AWSError as error:
        raise ClientError(
            {"Error": {"Code": error.code, "Message": error.message}}, action.partition(":")[2]
        ) from error


def key_action(request: ConsoleRequest) -> Callable[..., Any]:
    """`console_action` on a key of the signed-in account: (action, what, Region, key ID, parameters). A policy may name the key, and at
    the embedded engine what is known of it: its tags, aliases, origin and the like."""
    here = backends.current(request).embedded

    def act(action: str, what: Callable[[], T], region: str, key_id: str, parameters: dict[str, Any]) -> T:
        account_id = request.signed_in.account_id
        resource = f"arn:aws:kms:{region}:{account_id}:key/{key_id}"

        def conditions() -> Any:
            return visibility.key_conditions(viewer(request), region, key_id) if here else {}

        return console_action(
            request,
            action,
            what,
            resource=resource,
            parameters=parameters,
            conditions=conditions,
            key_arn=resource if here else "",
        )

    return act


def refusal(request: ConsoleRequest, action: str) -> ClientError | None:
    """AWS's refusal of an action of the console's own, where it would be refused; nothing is done or recorded."""
    try:
        console_actions.authorize(viewer(request).context, action)
    except AWSError as error:
        return ClientError({"Error": {"Code": error.code, "Message": error.message}}, action.partition(":")[2])
    return None


def move_clock(request: ConsoleRequest, begin: float, seconds: float) -> None:
    """As `engine.timetravel.move`, by the signed-in principal. Raises ClientError.

    Where two persons decide on deletions, one alone does not bring forward what they have not approved.
    """
    user_agent = request.headers.get("User-Agent", "")[:512]

    def check(to: datetime) -> None:
        if found := ending_unapproved(request, to):
            raise AWSError("ApprovalRequired", approvals.clock_move_refusal(len(found)))

    try:
        account_clock.move(viewer(request), begin, seconds, check=check, user_agent=user_agent)
    except AWSError as error:
        raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, "MoveClock") from error


def ending_unapproved(request: ConsoleRequest, to: datetime) -> list[account_clock.Event]:
    """What would end by then in the signed-in account without two persons having decided it, where that is the account's rule."""
    account_id = str(request.signed_in.account_id)
    if not approvals.required(account_id):
        return []
    return approvals.unapproved(account_id, *account_clock.ending(account_id, to))


def opened(request: ConsoleRequest, chosen: backends.Backend) -> dict[str, str]:
    """A connection's secret, opened by KMS Decrypt as this principal. Raises ClientError."""
    assert chosen.connection is not None
    return backends.unseal(_embedded(request, "kms", chosen.connection.sealed_in), chosen.connection)


def _embedded(request: ConsoleRequest, service: str, region: str) -> Any:
    access_key_id, secret, token = session.credentials(request)
    source_ip = request.META.get("REMOTE_ADDR", "")
    user_agent = request.headers.get("User-Agent", "")[:512]
    looks = _looks(request)
    key = (service, region, access_key_id, source_ip, user_agent, looks)
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _in_process(
                service, region, (access_key_id, secret, token), source_ip, user_agent, asks_first=looks
            )
            while len(_clients) >= _CLIENTS_KEPT:
                _clients.pop(next(iter(_clients)))
            _clients[key] = found
    return found


def _looks(request: ConsoleRequest) -> bool:
    """Whether somebody only looks at a page: it asks for the decision before it reads, so that looking around records no denial."""
    return request.method in ("GET", "HEAD")


def _in_process(
    service: str,
    region: str,
    credentials: tuple[str, str, str],
    source_ip: str,
    user_agent: str = "",
    *,
    asks_first: bool = False,
) -> Any:
    access_key_id, secret, token = credentials
    made = backends.new_client(
        service,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        endpoint_url=EMBEDDED_URL,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    inprocess.attach(made, source_ip=source_ip, user_agent=user_agent, asks_first=asks_first)
    return made


def by_aws_service(request: ConsoleRequest, aws_service: str, *, itself_for: str = "", region: str = "") -> Any:
    """A KMS client of the embedded engine whose calls `aws_service` ("s3.amazonaws.com") makes for the signed-in principal: what that may
    do decides, and kms:ViaService says who called. With `itself_for`, the ARN of a resource, the service calls as itself, for that resource.

    Raises ClientError for credentials that ended.
    """
    if aws_service == approvals.SERVICE:
        raise ValueError("as the console itself only what was approved is called")
    return _guarded(request, "kms", _forwarded(request, aws_service, itself_for, region))


def _forwarded(request: ConsoleRequest, aws_service: str, itself_for: str, region: str) -> Any:
    signed_in = request.signed_in
    try:
        if itself_for:
            made = forward.as_itself(signed_in.account_id, aws_service, itself_for)
        else:
            made = forward.for_principal(*session.credentials(request), aws_service)
    except AWSError as error:
        raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, "DescribeKey") from error
    given = (made.access_key_id, made.secret_access_key, made.session_token)
    return _in_process("kms", region or signed_in.region, given, request.META.get("REMOTE_ADDR", ""))


def approved(request: ConsoleRequest, region: str) -> Any:
    """A KMS client for a deletion that a second person has approved. At the embedded engine its calls are made by the console's own
    service (keys.lifecycle.approvals.SERVICE), so that a policy can tell them from all others."""
    if backends.current(request).embedded:
        return _forwarded(request, approvals.SERVICE, "", region)
    return _client(request, "kms", region)


def endpoint_url(request: ConsoleRequest) -> str:
    """The endpoint a program would name to make the same call; empty for real AWS."""
    chosen = backends.current(request)
    if chosen.embedded:
        return public_address.of(request)
    return chosen.url


def account_id(request: ConsoleRequest) -> str:
    """The account whose IAM these pages read: the one signed in to, or on real AWS that of the connection's credentials."""
    if backends.current(request).kind != AWS:
        return str(request.signed_in.account_id)
    return str(client(request, "sts").get_caller_identity()["Account"])


def not_offered(error: ClientError) -> bool:
    """Whether an endpoint has no such thing to tell, as the console says it of another endpoint than the embedded engine."""
    return str(error.response["Error"]["Code"]) == "UnsupportedOperationException"


def aliases_by_key(api: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias in pages(api, "list_aliases", "Aliases"):
        if "TargetKeyId" in alias:
            found.setdefault(alias["TargetKeyId"], []).append(alias["AliasName"])
    return found
