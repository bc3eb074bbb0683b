"""The EC2 Query protocol: that of IAM and STS with other names for what is sent, and other answers around what is found.

Its names are written into the model once (`as_query`), so that engine.wire.query reads requests and writes results by it. Pure.
Source: Smithy, "AWS EC2 query protocol"; Amazon EC2 API Reference, "Error codes" and "Common errors".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.wire.xml import escaped

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"

# What every service refuses, as Query services spell it → EC2's code, its status, and what comes before the message.
COMMON: dict[str, tuple[str, int, str]] = {
    "AccessDenied": ("UnauthorizedOperation", 403, "You are not authorized to perform this operation. "),
    "ExpiredToken": ("RequestExpired", 400, ""),
    "InvalidClientTokenId": ("AuthFailure", 401, ""),
    "SignatureDoesNotMatch": ("AuthFailure", 401, ""),
    "MalformedInput": ("InvalidParameterValue", 400, ""),
    "ValidationError": ("InvalidParameterValue", 400, ""),
    "Throttling": ("RequestLimitExceeded", 503, ""),
}


def as_query(description: dict[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A model's description with these operations and their shapes alone, as one of the Query protocol: an EC2 list is flattened in
    requests, and a member's name begins with a capital there."""
    kept = {name: description["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    for operation in kept.values():
        for name in _shapes_from(description["shapes"], operation["input"]["shape"]):
            shapes[name] = _sent(description["shapes"][name])
        for name in _shapes_from(description["shapes"], operation["output"]["shape"]):
            shapes.setdefault(name, description["shapes"][name])
    return {**description, "operations": kept, "shapes": shapes}


def _shapes_from(shapes: dict[str, Any], first: str) -> Iterator[str]:
    seen, waiting = {first}, [first]
    while waiting:
        name = waiting.pop()
        yield name
        shape = shapes[name]
        parts = [
            *shape.get("members", {}).values(),
            *(shape[part] for part in ("member", "key", "value") if part in shape),
        ]
        further = {part["shape"] for part in parts} - seen
        seen |= further
        waiting += sorted(further)


def _sent(shape: dict[str, Any]) -> dict[str, Any]:
    if shape["type"] == "list":
        # A flattened list is named by the member that holds it, not by its elements.
        return {**shape, "flattened": True, "member": {"shape": shape["member"]["shape"]}}
    if shape["type"] != "structure":
        return shape
    members = {name: {**member, "locationName": _sent_name(name, member)} for name, member in shape["members"].items()}
    return {**shape, "members": members}


def _sent_name(name: str, member: dict[str, Any]) -> str:
    written: str = member.get("locationName", name)
    return str(member.get("queryName", written[0].upper() + written[1:]))


def response(operation: str, result: str, request_id: str) -> bytes:
    """The answer around the XML of a result's members."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation}Response xmlns="{NAMESPACE}">'
    return f"{head}<requestId>{request_id}</requestId>{result}</{operation}Response>".encode()


def error(code: str, message: str, request_id: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escaped(code)}</Code><Message>{escaped(message)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    ).encode()
