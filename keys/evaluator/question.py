"""A question to the access explorer, and the address that asks it: every answer of a matrix leads to its explanation there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from keys.evaluator import decisions


@dataclass(frozen=True, slots=True)
class Question:
    """What the address asks; `pairs` and `conditions` are the encryption context and condition keys of the imagined request;
    `now` is the time of it, `as_of` the moment of the past as it was typed, "" for the present."""

    principal: str
    action: str
    key: str
    pairs: dict[str, str]
    conditions: dict[str, str]
    now: datetime
    as_of: str = ""

    def request_context(self) -> decisions.RequestContext:
        values: dict[str, str | tuple[str, ...]] = {name.lower(): value for name, value in self.conditions.items()}
        return decisions.RequestContext(values, self.pairs, self.now)

    def address(self, **changes: str) -> str:
        """The explorer's address for this question with some of it changed."""
        given = {"principal": self.principal, "action": self.action, "key": self.key, **changes}
        pairs = [(name, value) for name, value in given.items() if value]
        for prefix, mapping in (("ec", self.pairs), ("ck", self.conditions)):
            for name, value in mapping.items():
                pairs += [(f"{prefix}_name", name), (f"{prefix}_value", value)]
        if self.as_of:
            pairs.append(("as_of", self.as_of))
        return f"{reverse('access')}?{urlencode(pairs)}"
