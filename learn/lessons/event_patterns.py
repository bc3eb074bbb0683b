"""Event patterns as Amazon EventBridge has them: which records of calls are meant, written as data. Pure.

Source: EventBridge User Guide, "Amazon EventBridge event patterns" and "Comparison operators". A pattern names fields of a record, each
with the values of which one must be there. Beside EventBridge, `exists` may be asked of any field, and a text may hold a place such as
{user}, which stands for a value that the caller gives.
"""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Iterator, Mapping
from typing import Any

Pattern = Mapping[str, Any]
OR = "$or"
_COMPARE = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TEXT = ("prefix", "suffix", "wildcard", "equals-ignore-case")
_OPERATORS = (*_TEXT, "exists", "anything-but", "numeric")


def matches(pattern: Pattern, found: Any, places: Mapping[str, str]) -> bool:
    return first_mismatch(pattern, found, places) is None


def first_mismatch(pattern: Pattern, found: Any, places: Mapping[str, str]) -> str | None:
    """The path of the first field that differs ("requestParameters.origin"); None where the pattern matches."""
    for name, wanted in pattern.items():
        if name == OR:
            tried = [first_mismatch(each, found, places) for each in wanted]
            if None not in tried:
                return tried[0]
            continue
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(wanted, dict):
            inner = _first_inner(wanted, value, places)
            if inner is not None:
                return f"{name}.{inner}"
        elif not any(_is(one, value, places) for one in wanted):
            return name
    return None


def _first_inner(wanted: Pattern, value: Any, places: Mapping[str, str]) -> str | None:
    """Of a list one element has to match as a whole."""
    candidates = value if isinstance(value, list) and value else [value]
    tried = [first_mismatch(wanted, each, places) for each in candidates]
    return None if None in tried else tried[0]


def _is(wanted: Any, value: Any, places: Mapping[str, str]) -> bool:
    if isinstance(wanted, dict):
        ((how, operand),) = wanted.items()
        if how == "exists":
            return (value not in (None, "", [], {})) is operand
        if how == "anything-but":
            among = operand if isinstance(operand, list) else [operand]
            return value is not None and not any(_is(each, value, places) for each in among)
        values = value if isinstance(value, list) else [value]
        return any(_compares(how, operand, each, places) for each in values)
    if isinstance(value, list):
        return any(_is(wanted, each, places) for each in value)
    filled = _filled(wanted, places)
    return filled is not None and type(filled) is type(value) and bool(filled == value)


def _compares(how: str, operand: Any, value: Any, places: Mapping[str, str]) -> bool:
    if how == "numeric":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return all(
            bool(_COMPARE[sign](value, number)) for sign, number in zip(operand[::2], operand[1::2], strict=True)
        )
    text = _filled(operand, places)
    if not isinstance(value, str) or not isinstance(text, str):
        return False
    match how:
        case "prefix":
            return value.startswith(text)
        case "suffix":
            return value.endswith(text)
        case "equals-ignore-case":
            return value.casefold() == text.casefold()
        case _:
            return fnmatch.fnmatchcase(value, text.replace("[", "[[]").replace("?", "[?]"))


def _filled(wanted: Any, places: Mapping[str, str]) -> Any:
    """None where a place of the text has no value."""
    if not isinstance(wanted, str) or not (wanted.startswith("{") and wanted.endswith("}")):
        return wanted
    return places.get(wanted[1:-1]) or None


def mistakes(pattern: Any, path: str = "") -> Iterator[str]:
    """What is wrong with a pattern that was written by hand, a sentence each."""
    if not isinstance(pattern, Mapping) or not pattern:
        yield f"{path or 'a pattern'} must be a table of fields"
        return
    for name, wanted in pattern.items():
        here = f"{path}.{name}" if path else name
        if name == OR:
            if not isinstance(wanted, list) or len(wanted) < 2:
                yield f"{here} must be a list of two or more patterns"
            else:
                for each in wanted:
                    yield from mistakes(each, path)
        elif isinstance(wanted, Mapping):
            yield from mistakes(wanted, here)
        elif not isinstance(wanted, list) or not wanted:
            yield f"{here} must be a list of values, such as [{wanted!r}]"
        else:
            for one in wanted:
                yield from _wrong_value(one, here)


def _wrong_value(one: Any, here: str) -> Iterator[str]:
    if isinstance(one, list):
        yield f"{here} holds a list inside its list"
    if not isinstance(one, Mapping):
        return
    if len(one) != 1 or next(iter(one)) not in _OPERATORS:
        yield f"{here} compares by one of {', '.join(_OPERATORS)}, not by {', '.join(one) or 'nothing'}"
        return
    ((how, operand),) = one.items()
    if how == "exists" and not isinstance(operand, bool):
        yield f"{here}: exists takes true or false"
    if how in _TEXT and not isinstance(operand, str):
        yield f"{here}: {how} takes a text"
    if how == "numeric" and not _is_comparison(operand):
        yield f'{here}: numeric takes signs and numbers, such as [">", 4096]'
    if how == "anything-but":
        for each in operand if isinstance(operand, list) else [operand]:
            yield from _wrong_value(each, here)


def _is_comparison(operand: Any) -> bool:
    return (
        isinstance(operand, list)
        and len(operand) in (2, 4)
        and all(sign in _COMPARE for sign in operand[::2])
        and all(isinstance(number, int | float) for number in operand[1::2])
    )
