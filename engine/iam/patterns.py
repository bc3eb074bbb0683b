"""Wildcards and policy variables of IAM policies.

`*` is any run of characters, `?` any one. With Version 2012-10-17, `${name}` stands for a condition key's value, `${name, 'x'}` has
a default, and `${*}`, `${?}`, `${$}` are the characters themselves. Source: IAM User Guide, "Policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.remembered import Remembered

Values = Mapping[str, "str | tuple[str, ...]"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERAL = {"*": "*", "?": "?", "$": "$"}


def glob(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The regular expression of a pattern with wildcards, to be used with `fullmatch`."""
    return _globs[pattern, ignore_case]


def _glob(pattern_and_case: tuple[str, bool]) -> re.Pattern[str]:
    pattern, ignore_case = pattern_and_case
    return _regular(re.sub(r"\*+", "*", pattern), ignore_case)


def _regular(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = [".*" if c == "*" else "." if c == "?" else re.escape(literal(c)) for c in pattern]
    compiled = re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    if len(pattern) > _LONGEST:
        re.purge()  # re remembers hundreds of patterns however long they are
    return compiled


_LONGEST = 512  # characters of a pattern that is remembered
_globs = Remembered(_glob, entries=4096, longest=_LONGEST, total=512 << 10)


def has_variable(text: str) -> bool:
    return "${" in text


def expand(text: str, values: Values) -> str | None:
    """`text` with its variables replaced by request values; None when one has no value (the element then matches nothing).

    What a request brings in is literal: its wildcards are escaped as `glob` understands (they match themselves only).
    """
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        inside = match[1].strip()
        if inside in _LITERAL:
            return _escape(_LITERAL[inside])
        name, _, default = inside.partition(",")
        found = values.get(name.strip().lower())
        if isinstance(found, tuple):
            found = found[0] if len(found) == 1 else None
        if found is None:
            default = default.strip()
            if len(default) >= 2 and default[0] == default[-1] == "'":
                return _escape(default[1:-1])
            missing = True
            return ""
        return _escape(found)

    expanded = _VARIABLE.sub(value, text)
    return None if missing else expanded


# Private-use characters stand for literal wildcards between `expand` and `matches_expanded`.
_ESCAPES = {"*": "\ue000", "?": "\ue001"}


def _escape(text: str) -> str:
    return text.replace("*", _ESCAPES["*"]).replace("?", _ESCAPES["?"])


def literal(text: str) -> str:
    """An expanded text with its escaped characters put back, for comparisons without wildcards."""
    return text.replace(_ESCAPES["*"], "*").replace(_ESCAPES["?"], "?")


def matches_expanded(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether `text` matches an expanded pattern, in which escaped wildcards are literal."""
    if _ESCAPES["*"] in pattern or _ESCAPES["?"] in pattern:
        return _regular(pattern, ignore_case).fullmatch(text) is not None
    return glob(pattern, ignore_case=ignore_case).fullmatch(text) is not None
