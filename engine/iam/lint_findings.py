"""What rules of the policy checker look at, and how they report: one finding for one element of a policy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from engine.iam.json_positions import Path
from engine.iam.policy import Kind

ERROR, WARNING, HINT = "error", "warning", "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` names the rule; `suggestion` is what would stand there instead, if there is one.

    `path` leads to the element that it is about, its name (`of_name`) or its value; line and column follow from that.
    """

    severity: str
    code: str
    message: str
    path: Path = ()
    suggestion: str = ""
    of_name: bool = False
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the text. `principals`: ARNs of the account's users and roles, None if they are not known."""

    account_id: str = ""
    principals: Collection[str] | None = None
    key_arn: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it is written; `actions` are those that its Action takes in."""

    written: dict[str, Any]
    path: Path
    kind: Kind
    about: About
    actions: frozenset[str]

    @property
    def allows(self) -> bool:
        return self.written.get("Effect") == "Allow"


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a statement: `value` stands at `path`."""

    statement: Statement
    path: Path
    value: Any

    @property
    def name(self) -> str:
        return str(self.path[-1])

    def error(self, code: str, message: str, suggestion: str = "", *, of_name: bool = False) -> Finding:
        return Finding(ERROR, code, message, self.path, suggestion, of_name)

    def warning(self, code: str, message: str, suggestion: str = "", *, of_name: bool = False) -> Finding:
        return Finding(WARNING, code, message, self.path, suggestion, of_name)

    def hint(self, code: str, message: str, suggestion: str = "", *, of_name: bool = False) -> Finding:
        return Finding(HINT, code, message, self.path, suggestion, of_name)


Rule = Callable[[Element], Finding | None]


def strings(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def texts(statement: Statement, path: Path, value: Any) -> Iterator[Element]:
    """A string, or each string of a list."""
    if isinstance(value, str):
        yield Element(statement, path, value)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if isinstance(each, str):
                yield Element(statement, (*path, number), each)


def whole(statement: Statement) -> Iterator[Element]:
    yield Element(statement, statement.path, statement.written)


def members(*names: str) -> Callable[[Statement], Iterator[Element]]:
    """The statement's members of these names; all, if none is given."""

    def found(statement: Statement) -> Iterator[Element]:
        for name in names or statement.written:
            if name in statement.written:
                yield Element(statement, (*statement.path, name), statement.written[name])

    return found


def texts_of(*names: str) -> Callable[[Statement], Iterator[Element]]:
    """Each text of the members of these names."""

    def found(statement: Statement) -> Iterator[Element]:
        for name in names:
            yield from texts(statement, (*statement.path, name), statement.written.get(name))

    return found
