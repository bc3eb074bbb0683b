"""What one policy says and another does not: statements that came, went or changed, by their members. Pure.

What makes no difference to a decision is none here: order, white space, a list of one against its only member, the case of an action, an
account's ID against the ARN of its root, "*" against {"AWS": "*"}. Statements are known again by their Sid, then by what they say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from console.linediff import DiffLine
from keys.policy import policy_document

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_MOST_PAIRS = 10_000  # pairs of statements that are compared for likeness
_ANY_CASE = ("Action", "NotAction")
_PRINCIPALS = ("Principal", "NotPrincipal")

# A statement: element ("Action", "Principal AWS", "Condition StringEquals kms:ViaService") → member as it is compared → as it is written.
_Elements = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ElementChange:
    """Members of one element that only the newer (`added`) or only the older (`removed`) policy has."""

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatementChange:
    """`mark` is ADDED, REMOVED or CHANGED; `number` the statement's place, in the newer policy unless it was removed."""

    mark: str
    sid: str
    number: int
    elements: tuple[ElementChange, ...]


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """`readable` is false where one of the texts is no policy, so that only `lines` tell; `document`: changes outside of the statements."""

    readable: bool
    lines: list[DiffLine]
    statements: list[StatementChange] = field(default_factory=list)
    document: list[ElementChange] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self.readable and not self.statements and not self.document


def difference(older: str, newer: str) -> PolicyDifference:
    lines = policy_document.difference(older, newer)
    before, after = _read(older), _read(newer)
    if before is None or after is None:
        return PolicyDifference(False, lines)
    statements = _changed(_statements(before), _statements(after))
    return PolicyDifference(True, lines, statements, _compared(_around(before), _around(after)))


def _read(text: str) -> dict[str, Any] | None:
    """The policy; an empty one for no text."""
    if not text:
        return {}
    value = policy_document.shallow_json(text)
    return value if isinstance(value, dict) else None


def _around(document: dict[str, Any]) -> _Elements:
    """What a policy says beside its statements; a version that is not said is the old one."""
    said = {"Version": "2008-10-17", **document} if document else {}
    return {name: _members(name, value) for name, value in said.items() if name != "Statement"}


@dataclass(frozen=True, slots=True)
class _Statement:
    number: int
    sid: str
    elements: _Elements

    @property
    def says(self) -> frozenset[tuple[str, str]]:
        """All of it but the Sid, as it is compared."""
        found = {(name, member) for name, members in self.elements.items() for member in members or ("",)}
        return frozenset(found)


def _statements(document: dict[str, Any]) -> list[_Statement]:
    written = document.get("Statement", [])
    found: dict[Any, _Statement] = {}
    for number, each in enumerate(written if isinstance(written, list) else [written], start=1):
        statement = _statement(number, each)
        found.setdefault((statement.sid, statement.says), statement)  # said twice is said once
    return list(found.values())


def _statement(number: int, written: Any) -> _Statement:
    if not isinstance(written, dict):
        return _Statement(number, "", {"": _members("", written)})
    elements: _Elements = {}
    for name, value in written.items():
        if name in _PRINCIPALS:
            of_kinds = value if isinstance(value, dict) else {"AWS": value}
            elements.update({f"{name} {kind}": _members(name, who) for kind, who in of_kinds.items()})
        elif name == "Condition" and isinstance(value, dict):
            elements.update(_conditions(value))
        elif name != "Sid":
            elements[name] = _members(name, value)
    sid = written.get("Sid", "")
    return _Statement(number, sid if isinstance(sid, str) else json.dumps(sid), elements)


def _conditions(written: dict[str, Any]) -> _Elements:
    found: _Elements = {}
    for operator, keys in written.items():
        if isinstance(keys, dict):
            found.update({f"Condition {operator} {key}": _members("Condition", value) for key, value in keys.items()})
        else:
            found[f"Condition {operator}"] = _members("Condition", keys)
    return found


def _members(element: str, value: Any) -> dict[str, str]:
    return {_compared_as(element, each): each for each in map(_text, value if isinstance(value, list) else [value])}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _compared_as(element: str, member: str) -> str:
    if element in _ANY_CASE:
        return member.lower()
    if element in _PRINCIPALS and len(member) == 12 and member.isdecimal():
        return f"arn:aws:iam::{member}:root"
    return member


def _changed(older: list[_Statement], newer: list[_Statement]) -> list[StatementChange]:
    same = {(each.sid, each.says) for each in older} & {(each.sid, each.says) for each in newer}
    old = [each for each in older if (each.sid, each.says) not in same]
    new = [each for each in newer if (each.sid, each.says) not in same]
    pairs = _by_sid(old, new) + _by_meaning(old, new) + _by_likeness(old, new)
    changes = [
        StatementChange(CHANGED, after.sid or before.sid, after.number, tuple(_compared(_whole(before), _whole(after))))
        for before, after in pairs
    ]
    changes += [StatementChange(ADDED, each.sid, each.number, tuple(_compared({}, each.elements))) for each in new]
    changes.sort(key=lambda change: change.number)
    gone = [StatementChange(REMOVED, each.sid, each.number, tuple(_compared(each.elements, {}))) for each in old]
    return changes + gone


_Pairs = list[tuple[_Statement, _Statement]]


def _take(old: list[_Statement], new: list[_Statement], pairs: _Pairs) -> _Pairs:
    """The pairs, taken out of both lists."""
    for before, after in pairs:
        old.remove(before)
        new.remove(after)
    return pairs


def _by_sid(old: list[_Statement], new: list[_Statement]) -> _Pairs:
    """Those whose Sid is once in each."""
    often = [Counter(each.sid for each in side) for side in (old, new)]
    there = {each.sid: each for each in new}
    once = [each for each in old if each.sid and all(counts[each.sid] == 1 for counts in often)]
    return _take(old, new, [(each, there[each.sid]) for each in once])


def _by_meaning(old: list[_Statement], new: list[_Statement]) -> _Pairs:
    """Those that say the same under another Sid."""
    there = {each.says: each for each in new}
    pairs = {each.says: (each, there[each.says]) for each in old if each.says in there}
    return _take(old, new, list(pairs.values()))


def _by_likeness(old: list[_Statement], new: list[_Statement]) -> _Pairs:
    """Those that share more than half of what they say, the likest first."""
    if len(old) * len(new) > _MOST_PAIRS:
        return []
    said = {id(each): each.says for each in (*old, *new)}
    likeness = [
        (len(said[id(before)] & said[id(after)]) / len(said[id(before)] | said[id(after)] or {""}), before, after)
        for before in old
        for after in new
    ]
    pairs: _Pairs = []
    taken: set[int] = set()
    for share, before, after in sorted(likeness, key=lambda each: -each[0]):
        if share > 0.5 and not {id(before), id(after)} & taken:
            taken |= {id(before), id(after)}
            pairs.append((before, after))
    return _take(old, new, pairs)


def _whole(statement: _Statement) -> _Elements:
    return {"Sid": {statement.sid: statement.sid} if statement.sid else {}, **statement.elements}


def _compared(before: _Elements, after: _Elements) -> list[ElementChange]:
    """The elements in which two differ; one with no member at all shows as "[]"."""
    found = []
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        added = _only_in(new, old)
        removed = _only_in(old, new)
        if added or removed:
            found.append(ElementChange(name, added, removed))
    return found


def _only_in(one: dict[str, str] | None, other: dict[str, str] | None) -> tuple[str, ...]:
    if one is None:
        return ()
    if not one and other is None:
        return ("[]",)
    return tuple(_without(one, other or {}))


def _without(one: dict[str, str], other: dict[str, str]) -> Iterable[str]:
    return (written for member, written in one.items() if member not in other)
