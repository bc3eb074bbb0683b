"""Which requests are AWS's, and which operation they ask for.

Recognising comes before authentication, as AWS does it: an operation that does not exist is answered as such even without a
signature. An oversized body is refused here, before anything is computed over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from botocore.model import OperationModel

from engine.wire.errors import AWSError
from engine.wire.http import MAX_BODY, HttpRequest
from engine.wire.services import BY_TARGET_PREFIX, QUERY_SERVICES, SERVICES, Service
from engine.wire.services import operation as find_operation

FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """The operation a request asks for. `protocol` is "json", "query" or "ec2"; `form` holds a Query request's parameters."""

    service: str
    operation: OperationModel
    protocol: str
    form: Mapping[str, str] = field(default_factory=dict)


def is_aws_request(method: str, path: str, headers: Mapping[str, str], query: str) -> bool:
    """Whether the engine answers this request (DESIGN.md, start-up contract); everything else is a page's. Headers: lower-case names."""
    if headers.get("authorization", "").startswith("AWS4-"):
        return True
    if method == "POST":
        if "x-amz-target" in headers:
            return True
        if path == "/" and headers.get("content-type", "").startswith((FORM, "application/x-amz-json-")):
            return True
    if "X-Amz-Algorithm=" in query:
        return True
    return path == "/" and query != "" and ("Action=" in query and "Version=" in query)


_targets: dict[str, Call] = {}


def recognise(request: HttpRequest) -> Call:
    """The call a request is.

    Raises UnknownOperationException (JSON), MissingAction or InvalidAction (Query), RequestEntityTooLargeException.
    """
    if len(request.body) > MAX_BODY:
        raise AWSError("RequestEntityTooLargeException", "The request body is larger than 1048576 bytes.")
    target = request.headers.get("x-amz-target")
    if target is not None:
        known = _targets.get(target)
        return known if known is not None else _recognise_target(target)
    if is_query(request):
        return _recognise_action(request)
    raise AWSError("UnknownOperationException")


def _recognise_target(target: str) -> Call:
    prefix, _, name = target.rpartition(".")
    service = BY_TARGET_PREFIX.get(prefix)
    operation = find_operation(service.name, name) if service is not None else None
    if service is None or operation is None:
        raise AWSError("UnknownOperationException")
    call = _targets[target] = Call(service.name, operation, "json")
    return call


def is_query(request: HttpRequest) -> bool:
    """Whether the caller speaks the Query protocol (as far as an unrecognised request can tell)."""
    if "x-amz-target" in request.headers:
        return False
    if request.header("content-type").startswith(FORM) or "Action=" in request.query_string:
        return True
    service = SERVICES.get(scoped_service(request))
    return service is not None and service.protocol != "json"


def scoped_service(request: HttpRequest) -> str:
    """The service in the credential scope, unchecked; empty if there is none."""
    _, _, credential = request.header("authorization").partition("Credential=")
    if not credential:
        _, _, credential = request.query_string.partition("X-Amz-Credential=")
        credential = credential.partition("&")[0].replace("%2F", "/")
    scope = credential.partition(",")[0].split("/", 5)
    return scope[3] if len(scope) == 5 else ""


def read_form(request: HttpRequest) -> dict[str, str]:
    """The parameters of a Query request from its URL and its form body. Of a parameter sent twice the first counts, as at AWS."""
    sources = [request.query_string]
    if request.header("content-type").startswith(FORM):
        try:
            sources.append(request.body.decode())
        except UnicodeDecodeError:
            raise AWSError("MalformedQueryString", "The query string contains a syntax error", status=404) from None
    form: dict[str, str] = {}
    for source in sources:
        if not source:
            continue
        try:
            pairs = parse_qsl(source, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        except ValueError:  # includes UnicodeDecodeError
            raise AWSError("MalformedQueryString", "The query string contains a syntax error", status=404) from None
        for name, value in pairs:
            form.setdefault(name, value)
    return form


def _recognise_action(request: HttpRequest) -> Call:
    form = read_form(request)
    action = form.get("Action")
    if action is None:
        raise AWSError("MissingAction", "The request is missing an action or a required parameter.", status=400)
    version = form.get("Version")
    service = _query_service(request, version)
    if service is not None and service.version == version:
        operation = find_operation(service.name, action)
        if operation is not None:
            return Call(service.name, operation, service.protocol, form)
    shown = "NO_VERSION_SPECIFIED" if version is None else version
    raise AWSError("InvalidAction", f"Could not find operation {action} for version {shown}")


def _query_service(request: HttpRequest, version: str | None) -> Service | None:
    """By credential scope, else by the API version, else by the host's name."""
    scoped = SERVICES.get(scoped_service(request))
    if scoped is not None and scoped.protocol != "json":
        return scoped
    host = request.header("host").split(".", 1)[0]
    for service in QUERY_SERVICES:
        if service.version == version or service.name == host:
            return service
    return None
