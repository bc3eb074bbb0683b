"""What a check finds: its status, the resources that fail it with the fact about each, and why something cannot be told. Pure.

Facts and reasons are kept as English words with values beside them, so that a stored result is read in the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

PASSED, FAILED, EXCEPTED = "passed", "failed", "excepted"
NOT_APPLICABLE, UNKNOWN = "not-applicable", "unknown"
STATUSES: dict[str, Any] = {
    FAILED: gettext_lazy("Failed"),
    UNKNOWN: gettext_lazy("Unknown"),
    EXCEPTED: gettext_lazy("Excepted"),
    PASSED: gettext_lazy("Passed"),
    NOT_APPLICABLE: gettext_lazy("Not applicable"),
}
KEPT = 100  # findings of a check that a stored result has at most


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence: its English text, which is its name in the translations, and the values in it."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return _(self.text) % self.values if self.values else _(self.text)

    def stored(self) -> dict[str, Any]:
        return {"text": self.text, "values": dict(self.values)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Words:
        return cls(stored["text"], stored["values"])


@dataclass(frozen=True, slots=True)
class Finding:
    """A resource that fails a check. `resource` tells it from all others (an ARN where it has one); `kind` and `name` lead to its page."""

    resource: str
    label: str
    kind: str
    name: str
    fact: Words

    @property
    def url(self) -> str:
        return _PAGES[self.kind](self.name) if self.kind in _PAGES else ""

    def stored(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("resource", "label", "kind", "name")}
        return {**own, "fact": self.fact.stored()}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Finding:
        return cls(**{**stored, "fact": Words.of(stored["fact"])})


_PAGES: dict[str, Callable[[str], str]] = {
    "key": lambda name: reverse("key", args=[name]),
    "user": lambda name: reverse("user", args=[name]),
    "group": lambda name: reverse("group", args=[name]),
    "role": lambda name: reverse("role", args=[name]),
    "policy": lambda name: f"{reverse('policy')}?{urlencode({'arn': name})}",
    "events": lambda name: f"{reverse('audit')}?{urlencode({'user': name})}",
}


class Findings:
    """Those that fail, however many: a page of them, or those of some resources. This one holds a list."""

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self._found = list(found)

    def number(self) -> int:
        return len(self._found)

    def page(self, first: int, most: int) -> Sequence[Finding]:
        return self._found[first : first + most]

    def of(self, resources: Collection[str]) -> Sequence[Finding]:
        """Those of them that are about these resources."""
        return [each for each in self._found if each.resource in resources]


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check looked at: how many resources, those that fail, and what could not be looked at and why."""

    number: int
    failing: Findings = field(default_factory=Findings)
    unknown: tuple[Words, ...] = ()


def status(examined: int, failing: int, excepted: int, unknown: bool) -> str:
    """`excepted` of the `failing` have an exception in force. What could not be looked at is never passed."""
    if failing > excepted:
        return FAILED
    if unknown:
        return UNKNOWN
    if excepted:
        return EXCEPTED
    return PASSED if examined else NOT_APPLICABLE
