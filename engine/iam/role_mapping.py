"""Which role of an account somebody becomes who signs in by an identity provider: the first rule whose claim has a value like its pattern.

A claim may be a text, a number or a list of them; "realm_access.roles" is a member of a claim that is an object. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.iam.patterns import glob


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern`: `*` is any run of characters, `?` any one; letters' case counts."""

    claim: str
    pattern: str
    role_name: str


def values(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """What a claim holds, as texts; nothing for one that there is not."""
    found: Any = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return tuple(_text(each) for each in listed if isinstance(each, str | int | float | bool))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def matches(rule: Rule, claims: Mapping[str, Any]) -> bool:
    pattern = glob(rule.pattern)
    return any(pattern.match(each) for each in values(claims, rule.claim))


def first(rules: Iterable[Rule], claims: Mapping[str, Any]) -> Rule | None:
    return next((rule for rule in rules if matches(rule, claims)), None)
