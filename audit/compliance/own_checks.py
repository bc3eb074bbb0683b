"""An installation's own checks of keys: the file `compliance.toml` of the data folder, read and checked here.

A check is a `[[check]]` table: which keys it is about (`applies`) and what has to hold of them (`requires`), both lists of conditions
`{field, operator, value}`. docs/howto/compliance.md documents the form; `OPERATORS` and `FIELDS` are its tables. What is wrong with a file
is an OwnCheckError with the line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_noop

from audit.compliance import key_checks
from audit.compliance.results import Examined, Words
from console.request import ConsoleRequest
from keys import service
from keys.inventory import reads
from keys.inventory.inventory import VisibleKeys

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

NAME = "compliance.toml"
SEVERITIES = ("low", "medium", "high", "critical")
PREFIX = "own-"  # of their IDs, so that none is taken for one of the console's
MOST_BYTES, MOST_CHECKS, MOST_CONDITIONS = 256 << 10, 100, 20
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MEMBER = re.compile("[A-Za-z0-9_-]+")
_TEXT, _TIME, _TAG = "text", "time", "tag"

# Field → (what it is, the column, what has to be readable beyond describing the key).
FIELDS: dict[str, tuple[str, str, int]] = {
    "state": (_TEXT, "state", 0),
    "spec": (_TEXT, "spec", 0),
    "usage": (_TEXT, "usage", 0),
    "type": (_TEXT, "kind", 0),
    "origin": (_TEXT, "origin", 0),
    "regionality": (_TEXT, "regionality", 0),
    "alias": (_TEXT, "alias", reads.ALIASES),
    "description": (_TEXT, "description", 0),
    "custom_key_store": (_TEXT, "custom_key_store", 0),
    "rotation": (_TEXT, "rotation", reads.ROTATION),
    "public": (_TEXT, "public", reads.POLICY),
    "created": (_TIME, "created", 0),
    "deletion_date": (_TIME, "deletion_date", 0),
    "material_expires": (_TIME, "valid_to", 0),
    "next_rotation": (_TIME, "next_rotation", reads.ROTATION),
    "last_used": (_TIME, "last_used", reads.LAST_USE),
}
# Operator → the kinds of fields that it takes, and of what type its value is (None: it takes none).
OPERATORS: dict[str, tuple[frozenset[str], type | None]] = {
    "is": (frozenset({_TEXT, _TAG}), str),
    "is not": (frozenset({_TEXT, _TAG}), str),
    "one of": (frozenset({_TEXT, _TAG}), list),
    "none of": (frozenset({_TEXT, _TAG}), list),
    "starts with": (frozenset({_TEXT}), str),
    "contains": (frozenset({_TEXT}), str),
    "is there": (frozenset({_TEXT, _TIME, _TAG}), None),
    "is missing": (frozenset({_TEXT, _TIME, _TAG}), None),
    "more days ago than": (frozenset({_TIME}), int),
    "at most days ago": (frozenset({_TIME}), int),
    "within days": (frozenset({_TIME}), int),
    "not within days": (frozenset({_TIME}), int),
}
_MOST_DAYS = 36_600


class OwnCheckError(ValueError):
    """What is wrong with the file, and in which line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"{NAME}, line {line}: {message}" if line else f"{NAME}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class KeyCondition:
    field: str
    operator: str
    value: Any = None

    @property
    def needs(self) -> int:
        return reads.TAGS if self.field.startswith("tag:") else FIELDS[self.field][2]

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} {self.operator}"
        shown = ", ".join(map(str, self.value)) if isinstance(self.value, list) else str(self.value)
        return f"{self.field} {self.operator} {shown}"

    def holds(self, rows: VisibleKeys, now: datetime) -> Q:
        if self.field.startswith("tag:"):
            return self._tag_holds(rows, self.field.removeprefix("tag:"))
        kind, column, _needs = FIELDS[self.field]
        return _TIMES[self.operator](column, now, self.value) if kind == _TIME else _TEXTS[self.operator](column, self.value)  # fmt: skip

    def _tag_holds(self, rows: VisibleKeys, name: str) -> Q:
        def tagged(value: str | None = None) -> Q:
            return Q(pk__in=rows.tagged(name, value).order_by().values("pk"))

        if self.value is None:
            return tagged() if self.operator == "is there" else ~tagged()
        found = Q()
        for value in self.value if isinstance(self.value, list) else [self.value]:
            found |= tagged(value)
        return ~found if self.operator in ("is not", "none of") else found


def _there(column: str) -> Q:
    return ~(Q(**{column: ""}) | Q(**{f"{column}__isnull": True}))


_TEXTS: dict[str, Callable[[str, Any], Q]] = {
    "is": lambda column, value: Q(**{column: value}),
    "is not": lambda column, value: ~Q(**{column: value}),
    "one of": lambda column, value: Q(**{f"{column}__in": value}),
    "none of": lambda column, value: ~Q(**{f"{column}__in": value}),
    "starts with": lambda column, value: Q(**{f"{column}__startswith": value}),
    "contains": lambda column, value: Q(**{f"{column}__contains": value}),
    "is there": lambda column, value: _there(column),
    "is missing": lambda column, value: ~_there(column),
}
_TIMES: dict[str, Callable[[str, datetime, Any], Q]] = {
    "is there": lambda column, now, days: Q(**{f"{column}__isnull": False}),
    "is missing": lambda column, now, days: Q(**{f"{column}__isnull": True}),
    "more days ago than": lambda column, now, days: Q(**{f"{column}__lt": now - timedelta(days=days)}),
    "at most days ago": lambda column, now, days: Q(**{f"{column}__gte": now - timedelta(days=days)}),
    "within days": lambda column, now, days: Q(**{f"{column}__lte": now + timedelta(days=days)}),
    "not within days": lambda column, now, days: (
        Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gt": now + timedelta(days=days)})
    ),
}


@dataclass(frozen=True, slots=True)
class OwnCheck:
    id: str
    title: str
    severity: str
    references: tuple[str, ...]
    what_to_do: str
    applies: tuple[KeyCondition, ...]
    requires: tuple[KeyCondition, ...]

    def examine(self, request: ConsoleRequest) -> Examined:
        now = service.now(request)
        rows = key_checks.customer_keys(request)
        applies, applies_needs = Q(), 0
        for each in self.applies:
            applies &= each.holds(rows, now)
            applies_needs |= each.needs
        needs = applies_needs
        for each in self.requires:
            needs |= each.needs
        if rows.visibility.lacks(applies_needs):
            # Of these it is not known whether they are meant: they count as not looked at.
            applies |= Q(pk__in=rows.unreadable(applies_needs).order_by().values("pk"))

        def failing(about: VisibleKeys) -> VisibleKeys:
            holds = Q()
            for each in self.requires:
                holds &= each.holds(rows, now)
            passing = about.filter(holds).order_by().values("pk")
            return about.exclude(pk__in=passing)

        wanted = "; ".join(map(str, self.requires))

        def fact(row: Row) -> Words:
            return Words(gettext_noop("It does not meet: %(conditions)s"), {"conditions": wanted})

        return key_checks.examine(request, applies, failing, fact, needs)


def of_data_folder() -> Sequence[OwnCheck]:
    """None where there is no file. Raises OwnCheckError."""
    path = Path(settings.DATA) / NAME
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OwnCheckError(0, f"it is larger than {MOST_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as reason:
        raise OwnCheckError(0, "it is not UTF-8") from reason
    except OSError as reason:
        raise OwnCheckError(0, f"it cannot be read: {reason.strerror}") from reason
    return parse(text)


def parse(text: str) -> Sequence[OwnCheck]:
    """Raises OwnCheckError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(reason))
        line = int(found[1]) if found and found[1] else len(text.splitlines())
        raise OwnCheckError(line, str(reason)[: found.start()] if found else str(reason)) from reason
    lines = _Lines(text)
    for name in document:
        if name != "check":
            raise OwnCheckError(lines.of(-1, name), f"“{name}” is not known; checks are [[check]]")
    tables = document.get("check", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise OwnCheckError(lines.of(-1, "check"), "write each check as [[check]]")
    if len(tables) > MOST_CHECKS:
        raise OwnCheckError(lines.of(MOST_CHECKS), f"there are more than {MOST_CHECKS} checks")
    found_checks = [_check(number, table, lines) for number, table in enumerate(tables)]
    seen: set[str] = set()
    for number, each in enumerate(found_checks):
        if each.id in seen:
            raise OwnCheckError(lines.of(number, "id"), f"there is a check “{each.id.removeprefix(PREFIX)}” before")
        seen.add(each.id)
    return found_checks


class _Lines:
    """Where each [[check]] and its members begin: tomllib tells only where a text is no TOML."""

    def __init__(self, text: str) -> None:
        self._begins: list[int] = []
        self._members: dict[tuple[int, str], int] = {}
        quotes = ""
        for number, line in enumerate(text.splitlines(), 1):
            if not quotes:
                if re.match(r"\s*\[\[\s*check\s*\]\]", line):
                    self._begins.append(number)
                elif member := _MEMBER.match(line.lstrip(' \t["')):
                    self._members.setdefault((len(self._begins) - 1, member[0]), number)
            for mark in re.findall(r'"""|\'\'\'', line):
                quotes = "" if quotes == mark else quotes or mark

    def of(self, check: int, member: str = "") -> int:
        begin = self._begins[check] if 0 <= check < len(self._begins) else 1
        return self._members.get((check, member), begin)


_MEMBERS: Mapping[str, type] = {
    "id": str,
    "title": str,
    "severity": str,
    "references": list,
    "what_to_do": str,
    "applies": list,
    "requires": list,
}


def _check(number: int, table: dict[str, Any], lines: _Lines) -> OwnCheck:
    for name, value in table.items():
        if name not in _MEMBERS:
            raise OwnCheckError(lines.of(number, name), f"“{name}” is not known; a check has {', '.join(_MEMBERS)}")
        if not isinstance(value, _MEMBERS[name]):
            word = "a list" if _MEMBERS[name] is list else "a text"
            raise OwnCheckError(lines.of(number, name), f"“{name}” must be {word}")
    for name in ("id", "title", "requires"):
        if not table.get(name):
            raise OwnCheckError(lines.of(number, name), f"the check has no “{name}”")
    if not _ID.fullmatch(table["id"]) or len(table["id"]) > 60:
        raise OwnCheckError(
            lines.of(number, "id"), "“id” is small letters, digits and hyphens between, 60 characters at most"
        )
    if table.get("severity", "medium") not in SEVERITIES:
        raise OwnCheckError(lines.of(number, "severity"), f"“severity” is one of {', '.join(SEVERITIES)}")
    references = table.get("references", [])
    if not all(isinstance(each, str) for each in references):
        raise OwnCheckError(lines.of(number, "references"), "“references” is a list of texts")
    return OwnCheck(
        id=PREFIX + table["id"],
        title=table["title"],
        severity=table.get("severity", "medium"),
        references=tuple(references),
        what_to_do=table.get("what_to_do", ""),
        applies=_conditions(number, "applies", table, lines),
        requires=_conditions(number, "requires", table, lines),
    )


def _conditions(number: int, member: str, table: dict[str, Any], lines: _Lines) -> tuple[KeyCondition, ...]:
    given = table.get(member, [])
    line = lines.of(number, member)
    if len(given) > MOST_CONDITIONS:
        raise OwnCheckError(line, f"“{member}” has more than {MOST_CONDITIONS} conditions")
    return tuple(_condition(each, line, f"condition {place} of “{member}”") for place, each in enumerate(given, 1))


def _condition(given: Any, line: int, which: str) -> KeyCondition:
    if not isinstance(given, dict) or not {"field", "operator"} <= set(given) <= {"field", "operator", "value"}:
        raise OwnCheckError(line, f"{which} must be {{field, operator, value}}")
    name, operator, value = given["field"], given["operator"], given.get("value")
    if not isinstance(name, str) or (name not in FIELDS and not re.fullmatch(r"tag:.{1,128}", name)):
        raise OwnCheckError(line, f"{which}: there is no field “{name}”; there are {', '.join(FIELDS)}, tag:NAME")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise OwnCheckError(line, f"{which}: there is no operator “{operator}”; there are {', '.join(OPERATORS)}")
    kinds, wanted = OPERATORS[operator]
    kind = FIELDS[name][0] if name in FIELDS else _TAG
    if kind not in kinds:
        fitting = ", ".join(each for each, (these, _value) in OPERATORS.items() if kind in these)
        raise OwnCheckError(line, f"{which}: “{operator}” is not for “{name}”, which takes {fitting}")
    if wanted is None:
        if value is not None:
            raise OwnCheckError(line, f"{which}: “{operator}” takes no value")
    elif wanted is int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_DAYS:
            raise OwnCheckError(line, f"{which}: “{operator}” takes a number of days")
    elif wanted is list:
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise OwnCheckError(line, f"{which}: “{operator}” takes a list of texts")
    elif not isinstance(value, str):
        raise OwnCheckError(line, f"{which}: “{operator}” takes a text")
    return KeyCondition(name, operator, value)
