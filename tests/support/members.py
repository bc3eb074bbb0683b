"""What each member of a request may hold, read from botocore's service models: sound samples, and empty, missing, single, longest,
too long and wrongly typed ones. Values are as JSON carries them: blobs in base64, timestamps as numbers."""

from __future__ import annotations

import base64
import copy
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from botocore.model import Shape

from engine.wire.services import pattern

SLOW = {"RSA_3072", "RSA_4096"}  # making such a key takes longer than all the rest of a request
MANY, LONG = 101, 3000  # members of a list or map and characters of a string whose model names no limit
_CANDIDATES = (
    "a", "1", "12", "/a/", "/", "example", "alias/example", "111122223333", "us-east-1", "123456",
    "arn:aws:iam::aws:policy/ReadOnlyAccess", "cks-1234567890abcdef0", "sts.amazonaws.com",
)  # fmt: skip

_ELEMENT = ".member"  # behind the name of a list: one in it
Path = tuple[str | int, ...]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def sample(shape: Shape, name: str, given: Mapping[str, Any]) -> Any:
    """A sound value of the member `name`; `given` has values for members by name."""
    if name.endswith(_ELEMENT) and (whole := given.get(name.removesuffix(_ELEMENT))):
        return copy.deepcopy(whole[0])
    if name in given:
        return copy.deepcopy(given[name])
    kind = shape.type_name
    if kind == "structure":
        return {each: sample(member, each, given) for each, member in shape.members.items()}
    if kind == "list":
        return [sample(shape.member, name + _ELEMENT, given)]
    if kind == "map":
        return {"a": sample(shape.value, "", given)}
    if kind == "boolean":
        return False
    if kind in ("integer", "long", "float", "double"):
        return max(shape.metadata.get("min", 1), 1)
    if kind == "timestamp":
        return 1_700_000_000
    if kind == "blob":
        return _blob(max(shape.metadata.get("min", 1), 1))
    return _string(shape)


def _string(shape: Shape) -> str:
    if shape.metadata.get("enum"):
        return str(shape.metadata["enum"][0])
    least, most, java = shape.metadata.get("min", 0), shape.metadata.get("max", 10**9), shape.metadata.get("pattern")
    for each in (*_CANDIDATES, "a" * least):
        if least <= len(each) <= most and (java is None or pattern(java).fullmatch(each)):
            return each
    return "a" * max(least, 1)


def _blob(size: int) -> str:
    return base64.b64encode(b"x" * size).decode()


WRONG_TYPES = (None, 7, [], [None], {}, {"": None})


_MARKERS = tuple(
    base64.b64encode(text).decode()
    for text in (
        b"",
        b"-5",
        b"9" * 30,
        "²".encode(),
        b"keys|",
        b"aliases|x",
        b"grants|-1",
        b"grants|" + b"9" * 30,
        b"events|-1",
        b"\xff",
    )
)
# Members whose values have a form of their own, by how their names end: values that have it in part.
ODD = {
    ("Id", "Arn", "Arns.member", "arn", "Principal", "Boundary", "Owner"): (
        *("arn:", "arn:alias/x", "arn:aws:kms:::alias/", "arn:aws:kms:us-east-1:111122223333:", "a:root", "alias/"),
        *("arn:aws:iam::111122223333:user/", "arn:aws:iam::aws:policy/", "mrk-", "v0", "v" + "9" * 30),
    ),
    ("Marker", "Token", "Tokens.member"): _MARKERS,
}


def variants(shape: Shape, name: str, given: Mapping[str, Any]) -> Iterator[Any]:
    """Values of one member: sound, at the limits and beyond them. Not what is within it."""
    kind = shape.type_name
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if kind == "string":
        yield from ("", " ", "a", "\0", "\U0001f511", ":", "*", "${")
        yield from (each for each in shape.metadata.get("enum", ()) if each not in SLOW)
        yield from (each for ends, odd in ODD.items() if name.endswith(ends) for each in odd)
        sound = sample(shape, name, given)
        yield from (sound, sound.ljust(_longest(shape), "a"), *_at_limits(shape))
    elif kind == "blob":
        yield from ("", "AA==", "not base64", _blob(most or LONG), _blob((most or LONG) + 1))
    elif kind in ("integer", "long", "float", "double"):
        yield from (0, -1, 1.5, 2**63, 10**30)
        yield from (each for limit in (least, most) if limit is not None for each in (limit - 1, limit, limit + 1))
    elif kind == "boolean":
        yield from (True, False)
    elif kind == "timestamp":
        yield from (0, -1, 0.5, 10**12, 1e308, 253402300799, -62135596800)
        yield from ("", "x", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
    elif kind == "list":
        one, limit = sample(shape.member, name + _ELEMENT, given), min(most or MANY - 1, 1000)
        yield from ([], [one], [one, one], [one, None], [""], [{}])
        yield from (_distinct(one, limit), _distinct(one, limit + 1))
    elif kind == "map":
        value, limit = sample(shape.value, "", given), min(most or MANY - 1, 1000)
        yield from ({}, {"a": value}, {"": value}, {"a": value, "b": None}, {"a": ""}, {"a" * LONG: value})
        yield from ({f"k{number}": value for number in range(size)} for size in (limit, limit + 1))
    else:
        whole = sample(shape, name, given)
        yield from ({}, whole, {"": ""}, dict.fromkeys(whole))


def _longest(shape: Shape) -> int:
    return int(min(shape.metadata.get("max", LONG), 140_000))


def _at_limits(shape: Shape) -> Iterator[str]:
    yield from ("a" * _longest(shape), "a" * (_longest(shape) + 1))
    if shape.metadata.get("min"):
        yield "a" * (shape.metadata["min"] - 1)


def _distinct(one: Any, size: int) -> list[Any]:
    """So many of a list's members; tags and context entries, which are known by their names, by different ones."""
    names = {"Key", "TagKey", "ContextKeyName"} & set(one) if isinstance(one, dict) else set()
    return [{**one, **{name: f"{one[name]}{number}" for name in names}} if names else one for number in range(size)]


def cases(shape: Shape, base: dict[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was changed, parameters) for every member of a request at any depth; all other members are as in `base`, as it is then."""
    given = ChainMap(dict(given)).new_child(base)  # what `base` holds counts first, whatever it comes to hold
    for path, member, name in _places(shape, (), ()):
        top = str(path[0])
        nested = len(path) > 1  # what a scalar may hold is tried where it is a member of the request itself
        few = ("", "a", "\0", *_at_limits(member)) if nested and member.type_name == "string" else None
        for value in (ABSENT, *WRONG_TYPES, *(few or variants(member, name, given))):
            changed = copy.deepcopy(dict(base))
            if len(path) > 1 or top not in changed:
                changed[top] = sample(shape.members[top], top, given)
            if _put(changed, path, value):
                yield f"{'.'.join(map(str, path))} = {repr(value)[:60]}", changed


def _places(shape: Shape, path: Path, outer: tuple[str, ...]) -> Iterator[tuple[Path, Shape, str]]:
    for name, member in shape.members.items():
        yield from _within(member, (*path, name), name, (*outer, shape.name))


def _within(shape: Shape, path: Path, name: str, outer: tuple[str, ...]) -> Iterator[tuple[Path, Shape, str]]:
    yield path, shape, name
    if shape.type_name == "structure" and shape.name not in outer:
        yield from _places(shape, path, outer)
    elif shape.type_name == "list":
        yield from _within(shape.member, (*path, 0), name + _ELEMENT, outer)
    elif shape.type_name == "map":
        yield from _within(shape.value, (*path, "a"), "", outer)


def _put(parameters: Any, path: Path, value: Any) -> bool:
    """Whether there was such a place."""
    place = parameters
    for part in path[:-1]:
        if isinstance(place, list) and not place:
            return False
        place = place[part]
    if isinstance(place, list) and not place:
        return False
    if value is ABSENT:
        if isinstance(place, dict):
            place.pop(path[-1], None)
        else:
            place.clear()
    else:
        place[path[-1]] = value
    return True


# The Query protocol


def form(operation: str, version: str, pairs: list[tuple[str, str]]) -> bytes:
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, errors='surrogatepass')}"
        for name, value in [("Action", operation), ("Version", version), *pairs]
    ).encode()


def fields(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Parameters as a form has them: Tags.member.1.Key=…; what is null is left out, an empty list or structure is `name=`."""
    if value is None:
        return []
    if isinstance(value, dict):
        inner = [pair for key, each in value.items() for pair in fields(each, f"{name}.{key}" if name else key)]
        return inner or [(name, "")] * bool(name)
    if isinstance(value, list):
        inner = [pair for number, each in enumerate(value, 1) for pair in fields(each, f"{name}.member.{number}")]
        return inner or [(name, "")]
    if isinstance(value, bool):
        return [(name, str(value).lower())]
    return [(name, str(value))]


def odd_fields(shape: Shape, name: str, given: Mapping[str, Any]) -> Iterator[list[tuple[str, str]]]:
    """Encodings of a member that only a hand could write."""
    yield from (
        [(name, "")],
        [(name, "x"), (name, "y")],
        [(f"{name}.", "x")],
        [(f".{name}", "x")],
        [(name + ".a.b", "x")],
    )
    if shape.type_name not in ("list", "structure"):
        return
    one = sample(shape.member, name + _ELEMENT, given) if shape.type_name == "list" else "x"
    for indices in (
        ("0",),
        ("1", "3"),
        ("999999999",),
        ("9" * 40,),
        ("-1",),
        ("1", "01"),
        ("²",),
        ("x",),
        ("",),
        ("1.1",),
    ):
        yield [pair for index in indices for pair in fields(one, f"{name}.member.{index}")]
    yield [(f"{name}.member", "")]
    yield [(f"{name}.member", "x"), (f"{name}.member.1", "y")]
    yield [(f"{name}.member.1", ""), *fields(one, f"{name}.member.2")]
    yield [(f"{name}.1", "x")]
    yield [(f"{name}.member.1" + ".member.1" * 20, "x")]
    yield [(f"{name}.entry.1.key", "x")]
