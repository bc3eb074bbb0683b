"""The AWS JSON 1.1 protocol (KMS, CloudTrail): bodies to typed members and back, compiled once per shape from the service model.

Any bytes may come in: what is not JSON of the right types raises SerializationException, what breaks a constraint
ValidationException, and nothing else is raised. Blobs are bytes and timestamps aware datetimes on the inner side. Members the model
does not know are ignored, members that are null count as absent. No message quotes a value of the wrong type: it might be plaintext.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from botocore.model import OperationModel, Shape

from engine.wire.errors import AWSError
from engine.wire.validate import validate

_Read = Callable[[Any], Any]
_Write = Callable[[Any], Any]

_readers: dict[tuple[str, str], _Read | None] = {}
_writers: dict[tuple[str, str], _Write | None] = {}


def parse(service_name: str, operation: OperationModel, body: bytes) -> dict[str, Any]:
    """The validated parameters of a call. An empty body is an empty structure."""
    key = (service_name, operation.name)
    try:
        read = _readers[key]
    except KeyError:
        shape = operation.input_shape
        read = _readers[key] = None if shape is None else _structure_reader(shape, {})
    if body:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise AWSError("SerializationException") from None
    else:
        document = {}
    if type(document) is not dict:
        raise _mismatch(document, "") if type(document) is list else AWSError("SerializationException")
    if read is None:
        return {}
    parameters: dict[str, Any] = read(document)
    validate(service_name, operation, parameters)
    return parameters


def serialise(service_name: str, operation: OperationModel, result: dict[str, Any]) -> bytes:
    """The body of an answer: members of the model only, without nulls. An operation without output has an empty body."""
    key = (service_name, operation.name)
    try:
        write = _writers[key]
    except KeyError:
        shape = operation.output_shape
        write = _writers[key] = None if shape is None else _structure_writer(shape, {})
    return b"" if write is None else orjson.dumps(write(result))


# What AWS calls the JSON value that was found, and the article and name of the type that was expected.
_FOUND = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}
_EXPECTED = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "blob": "a Blob",
    "timestamp": "milliseconds since epoch",
    "list": "list or null",
    "map": "map or null",
    "structure": "null",
}


def _mismatch(value: Any, expected: str) -> AWSError:
    """The SerializationException of a value of the wrong type, in AWS's words."""
    if type(value) is list:
        return AWSError("SerializationException", "Start of list found where not expected")
    if type(value) is dict:
        return AWSError("SerializationException", "Start of structure or map found where not expected.")
    if expected in ("list", "map", "structure"):
        return AWSError("SerializationException", f"Expected {_EXPECTED[expected]}")
    found = _FOUND.get(type(value)) or ("TRUE_VALUE" if value else "FALSE_VALUE")
    return AWSError("SerializationException", f"{found} can not be converted to {_EXPECTED[expected]}")


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise _mismatch(value, "string")


def _read_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise _mismatch(value, "boolean")


def _read_integer(value: Any) -> int:
    """AWS cuts the fraction off."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value)  # finite: orjson reads no other
    raise _mismatch(value, "integer")


def _read_float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise _mismatch(value, "double")


def _read_blob(value: Any) -> bytes:
    if type(value) is str:
        try:
            return a2b_base64(value, strict_mode=True)
        except (Base64Error, ValueError):
            raise _mismatch(value, "blob") from None
    raise _mismatch(value, "blob")


def _read_timestamp(value: Any) -> datetime:
    """Seconds since the epoch, or ISO 8601 (UTC when it names no offset)."""
    try:
        if type(value) is int or type(value) is float:
            return datetime.fromtimestamp(value, UTC)
        if type(value) is str:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise _mismatch(value, "timestamp") from None
    raise _mismatch(value, "timestamp")


_SCALAR_READERS: dict[str, _Read] = {
    "string": _read_string,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "long": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "blob": _read_blob,
    "timestamp": _read_timestamp,
}


def _reader(shape: Shape, known: dict[str, _Read]) -> _Read:
    if shape.type_name == "structure":
        return _structure_reader(shape, known)
    if shape.type_name == "list":
        return _list_reader(_reader(shape.member, known))
    if shape.type_name == "map":
        return _map_reader(_reader(shape.value, known))
    return _SCALAR_READERS[shape.type_name]


def _structure_reader(shape: Shape, known: dict[str, _Read]) -> _Read:
    if shape.name in known:  # a shape that contains itself
        return lambda value: known[shape.name](value)
    rows: dict[str, tuple[str, _Read]] = {}

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "structure")
        members: dict[str, Any] = {}
        for key, each in value.items():
            if each is not None and key in rows:
                name, read_member = rows[key]
                members[name] = read_member(each)
        return members

    known[shape.name] = read
    for name, member in shape.members.items():
        rows[member.serialization.get("name", name)] = (name, _reader(member, known))
    return read


def _list_reader(read_member: _Read) -> _Read:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _mismatch(value, "list")
        return [None if each is None else read_member(each) for each in value]

    return read


def _map_reader(read_value: _Read) -> _Read:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "map")
        return {key: None if each is None else read_value(each) for key, each in value.items()}

    return read


def _write_blob(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode("ascii")


def _write_timestamp(value: datetime) -> float:
    return round(value.timestamp(), 3)


def _writer(shape: Shape, known: dict[str, _Write]) -> _Write | None:
    """None for a value that is written as it is."""
    if shape.type_name == "structure":
        return _structure_writer(shape, known)
    if shape.type_name == "list":
        write_member = _writer(shape.member, known)
        return None if write_member is None else lambda value: [write_member(each) for each in value]
    if shape.type_name == "map":
        write_value = _writer(shape.value, known)
        return None if write_value is None else lambda value: {key: write_value(each) for key, each in value.items()}
    if shape.type_name == "blob":
        return _write_blob
    return _write_timestamp if shape.type_name == "timestamp" else None


def _structure_writer(shape: Shape, known: dict[str, _Write]) -> _Write:
    if shape.name in known:
        return lambda value: known[shape.name](value)
    rows: dict[str, tuple[str, _Write | None]] = {}

    def write(value: Any) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, each in value.items():
            if each is not None and name in rows:
                wire_name, write_member = rows[name]
                members[wire_name] = each if write_member is None else write_member(each)
        return members

    known[shape.name] = write
    for name, member in shape.members.items():
        rows[name] = (member.serialization.get("name", name), _writer(member, known))
    return write


def serialise_error(code: str, message: str, members: dict[str, Any]) -> bytes:
    """`{"__type": code, "message": …}`. Errors of the protocol itself have no message, at AWS and here."""
    body: dict[str, Any] = {"__type": code}
    if message:
        body["message"] = message
    for name, value in members.items():
        body[name] = _write_blob(value) if isinstance(value, bytes) else value
    return orjson.dumps(body)
