"""The one façade over both protocols: parse a recognised call, answer it, or refuse it in the caller's own protocol.

`refuse` never raises: whatever the error and the request are, the caller gets an AWS error it can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.wire import ec2, json11, query
from engine.wire.errors import AWSError
from engine.wire.http import MAX_BODY, HttpRequest, HttpResponse
from engine.wire.recognise import Call, is_query, scoped_service
from engine.wire.services import SERVICES, error_shapes

__all__ = ["MAX_BODY", "answer", "parse", "refuse"]


@dataclass(frozen=True, slots=True)
class _CommonError:
    """An error that every service gives, which JSON and Query services spell, and sometimes number, differently."""

    json: str
    query: str
    json_status: int = 400
    query_status: int = 400


# AWS, "Common error types" of the KMS, CloudTrail, IAM and STS API references; where JSON services differ from those pages, their
# answers as the SDKs know them.
_COMMON = (
    _CommonError("AccessDeniedException", "AccessDenied", 400, 403),
    _CommonError("ExpiredTokenException", "ExpiredToken", 400, 403),
    _CommonError("IncompleteSignatureException", "IncompleteSignature"),
    _CommonError("InternalFailure", "InternalFailure", 500, 500),
    _CommonError("InvalidSignatureException", "SignatureDoesNotMatch", 400, 403),
    _CommonError("MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, 403),
    _CommonError("OptInRequired", "OptInRequired", 403, 403),
    _CommonError("RequestEntityTooLargeException", "RequestEntityTooLarge", 413, 413),
    _CommonError("RequestExpired", "RequestExpired"),
    _CommonError("SerializationException", "MalformedInput"),
    _CommonError("ServiceUnavailableException", "ServiceUnavailable", 503, 503),
    _CommonError("ThrottlingException", "Throttling"),
    _CommonError("UnknownOperationException", "InvalidAction"),
    _CommonError("UnrecognizedClientException", "InvalidClientTokenId", 400, 403),
    _CommonError("ValidationException", "ValidationError"),
)
_COMMON_BY_CODE: Mapping[str, _CommonError] = {spelling: row for row in _COMMON for spelling in (row.json, row.query)}
_INTERNAL = frozenset({"KMSInternalException", "InternalFailure", "ServiceFailure", "InternalServerError"})

_JSON_HEADERS = [
    ("Content-Type", "application/x-amz-json-1.1"),
    ("Cache-Control", "no-cache, no-store, must-revalidate, private"),
    ("Expires", "0"),
    ("Pragma", "no-cache"),
]
_XML_HEADERS = [("Content-Type", "text/xml"), ("Cache-Control", "no-cache, no-store, must-revalidate, private")]


def parse(call: Call, request: HttpRequest) -> dict[str, Any]:
    """The typed and validated parameters. Raises SerializationException or ValidationException (Query: their spellings)."""
    if call.protocol == "json":
        return json11.parse(call.service, call.operation, request.body)
    return query.parse(call.service, call.operation, call.form)


def answer(call: Call, result: dict[str, Any], request_id: str) -> HttpResponse:
    """The 200 answer with the members of `result` that the operation's output has."""
    if call.protocol == "json":
        return _response(200, _JSON_HEADERS, json11.serialise(call.service, call.operation, result), request_id)
    if call.protocol == "ec2":
        members = query.members(call.service, call.operation, result)
        return _response(200, _XML_HEADERS, ec2.response(call.operation.name, members, request_id), request_id)
    return _response(200, _XML_HEADERS, query.serialise(call.service, call.operation, result, request_id), request_id)


def refuse(call: Call | None, error: AWSError, request_id: str, request: HttpRequest) -> HttpResponse:
    """The error answer; without a call (nothing was recognised) the protocol is told from the request."""
    protocol = call.protocol if call is not None else _protocol(request)
    service_name = call.service if call is not None else ""
    code, status, names = _spelling(service_name, protocol, error)
    if protocol == "json":
        members = {name: value for name, value in error.members.items() if name in names and value is not None}
        return _response(status, _JSON_HEADERS, json11.serialise_error(code, error.message, members), request_id)
    if protocol == "ec2":
        code, status, before = ec2.COMMON.get(code, (code, status, ""))
        return _response(status, _XML_HEADERS, ec2.error(code, before + error.message, request_id), request_id)
    body = query.serialise_error(service_name, code, error.message, status, request_id)
    return _response(status, _XML_HEADERS, body, request_id)


def spelled(service_name: str, error: AWSError) -> tuple[str, int]:
    """The code and status that a service gives an error on its own protocol."""
    code, status, _ = _spelling(service_name, SERVICES[service_name].protocol, error)
    return code, status


def _protocol(request: HttpRequest) -> str:
    """Of a request that was not recognised."""
    if not is_query(request):
        return "json"
    return "ec2" if scoped_service(request) == "ec2" else "query"


def _spelling(service_name: str, protocol: str, error: AWSError) -> tuple[str, int, frozenset[str]]:
    """The code on the wire, the status and the further members of an error: by the table above, else by the service's model."""
    code = error.code
    if service_name and code in _INTERNAL:
        code = SERVICES[service_name].internal_failure
    common = None if error.declared else _COMMON_BY_CODE.get(code)
    if common is not None:
        if protocol == "json":
            return common.json, error.status or common.json_status, frozenset()
        return common.query, error.status or common.query_status, frozenset()
    modelled = error_shapes(service_name).get(code) if service_name else None
    if modelled is not None:
        return modelled.code, error.status or modelled.status, modelled.members
    return code, error.status or (500 if code in _INTERNAL else 400), frozenset()


def _response(status: int, headers: list[tuple[str, str]], body: bytes, request_id: str) -> HttpResponse:
    return HttpResponse(status, [("x-amzn-RequestId", request_id), *headers, ("Content-Length", str(len(body)))], body)
