"""The AWS Query protocol (IAM, STS): form parameters to typed members, and results to XML, compiled once per shape.

Any form may come in: what does not fit the model's types raises MalformedInput, what breaks a constraint ValidationError, and
nothing else is raised. Answers are well-formed XML whatever the strings in them hold.
Source: Smithy, "AWS Query protocol".
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape

from engine.wire.errors import AWSError
from engine.wire.services import model
from engine.wire.validate import validate
from engine.wire.xml import escaped

# Parameters as a tree of their dotted names; a node that is also a parameter keeps its value under the empty name.
_Node = dict[str, Any]
_Read = Callable[[_Node], Any]
_Write = Callable[[Any, str, list[str]], None]  # value, element name, the XML written so far

_DEEPEST_NAME = 16  # parts; IAM's deepest parameter has five
_FAULT_NAMESPACE = "http://webservices.amazon.com/AWSFault/2005-15-09"  # errors that no service's model declares

_readers: dict[tuple[str, str], _Read | None] = {}
_writers: dict[tuple[str, str], _Write | None] = {}


def parse(service_name: str, operation: OperationModel, form: Mapping[str, str]) -> dict[str, Any]:
    """The validated parameters of a call. Parameters the model does not know are ignored."""
    key = (service_name, operation.name)
    if key not in _readers:
        shape = operation.input_shape
        _readers[key] = None if shape is None else _structure_reader(shape, {})
    read = _readers[key]
    if read is None:
        return {}
    parameters: dict[str, Any] = read(_tree(form))
    validate(service_name, operation, parameters)
    return parameters


def _tree(form: Mapping[str, str]) -> _Node:
    root: _Node = {}
    for name, value in form.items():
        parts = name.split(".", _DEEPEST_NAME)
        if len(parts) > _DEEPEST_NAME or "" in parts:
            continue
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node[""] = value
    return root


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedInput", message, status=400)


def _text(node: _Node) -> str:
    value = node.get("")
    if value is None:
        raise _malformed("Start of structure or map found where not expected.")
    return str(value)


def _read_integer(node: _Node) -> int:
    text = _text(node)
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text) is None:
        raise _malformed("STRING_VALUE can not be converted to an Integer")
    return int(text)


def _read_float(node: _Node) -> float:
    try:
        return float(_text(node))
    except ValueError:
        raise _malformed("STRING_VALUE can not be converted to a Double") from None


def _read_boolean(node: _Node) -> bool:
    text = _text(node).lower()
    if text not in ("true", "false"):
        raise _malformed("STRING_VALUE can not be converted to a Boolean")
    return text == "true"


def _read_blob(node: _Node) -> bytes:
    try:
        return a2b_base64(_text(node), strict_mode=True)
    except (Base64Error, ValueError):
        raise _malformed("STRING_VALUE can not be converted to a Blob") from None


def _read_timestamp(node: _Node) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(node))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed("STRING_VALUE can not be converted to a timestamp") from None


_SCALAR_READERS: dict[str, _Read] = {
    "string": _text,
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
        return _list_reader(shape, known)
    if shape.type_name == "map":
        return _map_reader(shape, known)
    return _SCALAR_READERS[shape.type_name]


def _structure_reader(shape: Shape, known: dict[str, _Read]) -> _Read:
    if shape.name in known:  # a shape that contains itself
        return lambda node: known[shape.name](node)
    rows: list[tuple[str, str, _Read]] = []

    def read(node: _Node) -> dict[str, Any]:
        return {name: read_member(node[wire_name]) for name, wire_name, read_member in rows if wire_name in node}

    known[shape.name] = read
    for name, member in shape.members.items():
        rows.append((name, _wire_name(name, member), _reader(member, known)))
    return read


def _wire_name(name: str, member: Shape) -> str:
    """A flattened list is named as its members are."""
    if _flattened(member) and member.type_name == "list" and "name" in member.member.serialization:
        return str(member.member.serialization["name"])
    return str(member.serialization.get("name", name))


def _flattened(shape: Shape) -> bool:
    return bool(shape.serialization.get("flattened"))


def _numbered(node: _Node) -> list[_Node]:
    """The children named 1, 2, 3 … in their order. A gap is closed up."""
    found: list[tuple[int, _Node]] = []
    for part, child in node.items():
        if part == "":
            if child:  # "Tags=" is an empty list, "Tags=x" is none
                raise _malformed("Unexpected list element termination")
        elif part.isascii() and part.isdigit() and len(part) <= 9:
            found.append((int(part), child))
        else:
            raise _malformed(f"{part} is not a valid index")
    return [child for _, child in sorted(found, key=lambda entry: entry[0])]


def _list_reader(shape: Shape, known: dict[str, _Read]) -> _Read:
    read_member = _reader(shape.member, known)
    member_name = None if _flattened(shape) else shape.member.serialization.get("name", "member")

    def read(node: _Node) -> list[Any]:
        if member_name is not None:
            if node.get(""):
                raise _malformed("Unexpected list element termination")
            node = node.get(member_name, {})
        return [read_member(child) for child in _numbered(node)]

    return read


def _map_reader(shape: Shape, known: dict[str, _Read]) -> _Read:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    entry_name = None if _flattened(shape) else "entry"
    read_value = _reader(shape.value, known)

    def read(node: _Node) -> dict[str, Any]:
        entries = _numbered(node if entry_name is None else node.get(entry_name, {}))
        members: dict[str, Any] = {}
        for entry in entries:
            if key_name not in entry or value_name not in entry:
                raise _malformed("A map entry needs a key and a value")
            members[_text(entry[key_name])] = read_value(entry[value_name])
        return members

    return read


# XML


def serialise(service_name: str, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> bytes:
    """`<XResponse><XResult>…</XResult><ResponseMetadata><RequestId>…`; an operation without output has no result element."""
    key = (service_name, operation.name)
    shape = operation.output_shape
    if key not in _writers:
        _writers[key] = None if shape is None else _structure_writer(shape, {})
    write = _writers[key]
    name = operation.name
    namespace = model(service_name).metadata["xmlNamespace"]
    out = [f'<{name}Response xmlns="{namespace}">']
    if write is not None:
        write(result, shape.serialization.get("resultWrapper", f"{name}Result"), out)
    out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
    return "".join(out).encode()


def members(service_name: str, operation: OperationModel, result: Mapping[str, Any]) -> str:
    """A result's members alone, for a protocol that puts something else around them (engine.wire.ec2)."""
    key = (service_name, operation.name)
    if key not in _writers:
        _writers[key] = _structure_writer(operation.output_shape, {})
    write = _writers[key]
    assert write is not None  # made of the output's shape
    out: list[str] = []
    write(result, "", out)
    return "".join(out[1:-1])


def _write_string(value: Any, name: str, out: list[str]) -> None:
    out.append(f"<{name}>{escaped(str(value))}</{name}>")


def _write_number(value: Any, name: str, out: list[str]) -> None:
    out.append(f"<{name}>{value}</{name}>")


def _write_boolean(value: Any, name: str, out: list[str]) -> None:
    out.append(f"<{name}>{'true' if value else 'false'}</{name}>")


def _write_blob(value: Any, name: str, out: list[str]) -> None:
    out.append(f"<{name}>{b64encode(value).decode('ascii')}</{name}>")


def _write_timestamp(value: datetime, name: str, out: list[str]) -> None:
    out.append(f"<{name}>{value.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}</{name}>")


_SCALAR_WRITERS: dict[str, _Write] = {
    "string": _write_string,
    "boolean": _write_boolean,
    "integer": _write_number,
    "long": _write_number,
    "float": _write_number,
    "double": _write_number,
    "blob": _write_blob,
    "timestamp": _write_timestamp,
}


def _writer(shape: Shape, known: dict[str, _Write]) -> _Write:
    if shape.type_name == "structure":
        return _structure_writer(shape, known)
    if shape.type_name == "list":
        return _list_writer(shape, known)
    if shape.type_name == "map":
        return _map_writer(shape, known)
    return _SCALAR_WRITERS[shape.type_name]


def _structure_writer(shape: Shape, known: dict[str, _Write]) -> _Write:
    if shape.name in known:
        return lambda value, name, out: known[shape.name](value, name, out)
    rows: list[tuple[str, str, _Write]] = []

    def write(value: Any, name: str, out: list[str]) -> None:
        out.append(f"<{name}>")
        for member_name, wire_name, write_member in rows:
            each = value.get(member_name)
            if each is not None:
                write_member(each, wire_name, out)
        out.append(f"</{name}>")

    known[shape.name] = write
    for member_name, member in shape.members.items():
        rows.append((member_name, _wire_name(member_name, member), _writer(member, known)))
    return write


def _list_writer(shape: Shape, known: dict[str, _Write]) -> _Write:
    write_member = _writer(shape.member, known)
    member_name = shape.member.serialization.get("name", "member")
    flattened = _flattened(shape)

    def write(value: Any, name: str, out: list[str]) -> None:
        if flattened:
            for each in value:
                write_member(each, name, out)
            return
        out.append(f"<{name}>")
        for each in value:
            write_member(each, member_name, out)
        out.append(f"</{name}>")

    return write


def _map_writer(shape: Shape, known: dict[str, _Write]) -> _Write:
    write_value = _writer(shape.value, known)
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    flattened = _flattened(shape)

    def write(value: Any, name: str, out: list[str]) -> None:
        entry_name = name if flattened else "entry"
        if not flattened:
            out.append(f"<{name}>")
        for key, each in value.items():
            out.append(f"<{entry_name}><{key_name}>{escaped(str(key))}</{key_name}>")
            write_value(each, value_name, out)
            out.append(f"</{entry_name}>")
        if not flattened:
            out.append(f"</{name}>")

    return write


def serialise_error(service_name: str, code: str, message: str, status: int, request_id: str) -> bytes:
    """`<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`; `service_name` empty: not recognised."""
    namespace = model(service_name).metadata["xmlNamespace"] if service_name else _FAULT_NAMESPACE
    kind = "Sender" if status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type><Code>{escaped(code)}</Code>'
        f"<Message>{escaped(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
