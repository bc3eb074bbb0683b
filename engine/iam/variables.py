"""Policy variables: `${name}` stands for a condition key's value in policies of Version 2012-10-17.

`${name, 'x'}` has a default, and `${*}`, `${?}`, `${$}` are the characters themselves. What a request brings in is literal: its
wildcards match themselves only. Source: IAM User Guide, "Policy elements: Variables and tags".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.iam.patterns import Glob, Piece, glob_of

Values = Mapping[str, "str | tuple[str, ...]"]

_CHARACTERS = ("*", "?", "$")
_RESOURCE_PART = 5  # colons before the part of an ARN in which variables are replaced
_ARN_PARTS = 6


@dataclass(frozen=True, slots=True)
class Variable:
    """`name` in lower case; `${*}` has none, and its character for a default."""

    name: str
    default: str | None

    def value(self, values: Values) -> str | None:
        """A key of several values cannot be a variable."""
        found = values.get(self.name)
        if isinstance(found, tuple):
            found = found[0] if len(found) == 1 else None
        return self.default if found is None else found


@dataclass(frozen=True, slots=True)
class Template:
    """A text of a policy: plain parts, and variables between them. It matches nothing while one of them has no value."""

    parts: tuple[str | Variable, ...]

    @property
    def is_plain(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)

    def pieces(self, values: Values) -> list[Piece] | None:
        """As a pattern (engine.iam.patterns.glob_of), or None. Values are not copied: it takes no more room than what is written."""
        pieces: list[Piece] = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append((part, True))
                continue
            value = part.value(values)
            if value is None:
                return None
            pieces.append((value, False))
        return pieces

    def glob(self, values: Values) -> Glob | None:
        pieces = self.pieces(values)
        return None if pieces is None else glob_of(pieces)

    def like(self, text: str, values: Values) -> bool:
        """Whether `text` matches, with * and ? of the plain parts as wildcards."""
        pattern = self.glob(values)
        return pattern is not None and pattern.match(text)


def are_text(pieces: list[Piece], text: str) -> bool:
    """Whether `pieces` make up `text`, compared one by one: together they may be far longer than any text."""
    at = 0
    for piece, _wild in pieces:
        if not text.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(text)


def template(text: str) -> Template:
    return Template(tuple(_parts(text)))


def _parts(text: str) -> Iterator[str | Variable]:
    at = 0
    while (start := text.find("${", at)) >= 0 and (end := text.find("}", start)) >= 0:
        if start > at:
            yield text[at:start]
        inside, at = text[start + 2 : end].strip(), end + 1
        if inside in _CHARACTERS:
            yield Variable("", inside)
            continue
        name, _, default = inside.partition(",")
        default = default.strip()
        quoted = len(default) >= 2 and default[0] == default[-1] == "'"
        yield Variable(name.strip().lower(), default[1:-1] if quoted else None)
    if at < len(text):
        yield text[at:]


def resource_template(written: str) -> Template:
    """A Resource: a variable before the fifth colon is plain text ("you can use variables after the fifth colon of the ARN")."""
    parts = written.split(":", _RESOURCE_PART)
    if len(parts) <= _RESOURCE_PART:
        return Template((written,))
    behind = template(parts[-1]).parts
    return Template((":".join([*parts[:-1], ""]), *behind))


def arn_templates(written: str) -> tuple[Template, ...] | None:
    """The six parts of an ARN in a condition; None if it has fewer. A colon within a variable divides nothing."""
    found: list[list[str | Variable]] = [[]]
    for part in _parts(written):
        if isinstance(part, Variable):
            found[-1].append(part)
            continue
        first, *more = part.split(":", _ARN_PARTS - len(found))
        found[-1].append(first)
        found += [[each] for each in more]
    return tuple(Template(tuple(each)) for each in found) if len(found) == _ARN_PARTS else None
