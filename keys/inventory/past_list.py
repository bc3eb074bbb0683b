"""The list of customer managed keys as it was at a moment: the filters, order and pages of the present list, over replayed keys. Pure.

What the record does not tell (whether anyone could use a key, when it was last used) narrows and orders nothing; `untold` names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.paginator import Page
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from console import addresses, paging
from keys.inventory import key_rows, reads
from keys.inventory.columns import FACETS
from keys.inventory.lists import SIZES, Facet, FacetValue
from keys.record.key_states import DELETED
from keys.record.past_keys import PastKeys
from keys.record.snapshots import KeySnapshot

_UNTOLD = {"public": FACETS["public"], "due": _("Due")}


@dataclass(frozen=True, slots=True)
class PastRow:
    key: KeySnapshot
    state: str

    @property
    def rotation(self) -> str:
        return _rotation(self)

    @property
    def may_rotate(self) -> bool:
        return reads.rotates(self.key.spec, self.key.origin)


def _rotation(row: PastRow) -> str:
    """As the present list has it: nothing where a key is not rotated by KMS at all."""
    if not row.may_rotate or "rotation" in row.key.unknown:
        return ""
    return f"{row.key.rotated_every} days" if row.key.rotated_every else "off"


# Facet → a row's value of it.
_VALUES: dict[str, Callable[[PastRow], str]] = {
    "state": lambda row: row.state,
    "kind": lambda row: key_rows.kind(row.key.spec),
    "spec": lambda row: row.key.spec,
    "usage": lambda row: row.key.usage,
    "origin": lambda row: row.key.origin,
    "regionality": lambda row: row.key.regionality,
    "rotation": _rotation,
}
COLUMNS: tuple[tuple[str, Any], ...] = (
    ("alias", _("Aliases")),
    ("key_id", _("Key ID")),
    ("state", _("Status")),
    ("spec", _("Key spec")),
    ("usage", _("Key usage")),
    ("rotation", _("Rotation")),
    ("created", _("Creation date")),
    ("description", _("Description")),
)
_FIRST = "-created"  # the order of a list that is asked for in none
_ORDERS: dict[str, Callable[[PastRow], Any]] = {
    **_VALUES,
    "alias": lambda row: (row.key.aliases or [""])[0],
    "key_id": lambda row: row.key.key_id,
    "created": lambda row: row.key.created,
    "description": lambda row: row.key.description.lower(),
}


@dataclass
class PastList:
    """`past` has all keys that the record tells of up to `moment`; a key that was deleted by then, or no longer listed, is on no list."""

    past: PastKeys
    moment: datetime
    query: QueryDict

    @cached_property
    def all(self) -> list[PastRow]:
        def rows() -> list[PastRow]:
            found = (PastRow(key, key.state(self.moment)) for key in self.past.keys)
            return [row for row in found if row.state != DELETED and row.key.gone is None]

        return self.past.once("rows", rows)

    @cached_property
    def filter(self) -> addresses.FilterText:
        return addresses.filter_text(self.query)

    @cached_property
    def chosen(self) -> dict[str, str]:
        return {name: str(self.query[name]) for name in _VALUES if self.query.get(name)}

    @property
    def is_filtered(self) -> bool:
        return bool(self.filter.typed or self.chosen or self.query.get("tag"))

    @property
    def untold(self) -> list[Any]:
        return [words for name, words in _UNTOLD.items() if self.query.get(name)]

    @cached_property
    def rows(self) -> list[PastRow]:
        """Those that match, in order."""
        matching = self._matching("")
        if matching is self.all and self.sort == _FIRST:
            return self.past.once("in order", lambda: self._ordered(matching))
        return self._ordered(matching)

    def _ordered(self, rows: list[PastRow]) -> list[PastRow]:
        return sorted(rows, key=_ORDERS[self.sort.removeprefix("-")], reverse=self.sort.startswith("-"))

    def _matching(self, without: str) -> list[PastRow]:
        """Those that match; of the facets all but one."""
        chosen = {name: value for name, value in self.chosen.items() if name != without}
        words, tag = self.filter.text.lower().split(), self.query.get("tag", "")
        if self.filter.problem:
            return []
        if not (chosen or words or tag):
            return self.all
        return [
            row
            for row in self.all
            if all(_VALUES[name](row) == value for name, value in chosen.items())
            and (not tag or tag in (f"{name}={value}" for name, value in row.key.tags.items()))
            and _has(row.key, words)
        ]

    @property
    def sort(self) -> str:
        asked = self.query.get("sort", "")
        return asked if asked.removeprefix("-") in _ORDERS else _FIRST

    @cached_property
    def page(self) -> Page[PastRow]:
        asked = self.query.get("size", "")
        size = int(asked) if asked in {str(each) for each in SIZES} else SIZES[0]
        return paging.page_of(self.rows, size, self.query)

    def _counts(self, name: str, value_of: Callable[[PastRow], str]) -> Counter[str]:
        matching = self._matching(name)
        if matching is self.all:
            return self.past.once(f"counts of {name}", lambda: Counter(map(value_of, matching)))
        return Counter(map(value_of, matching))

    def facets(self) -> list[Facet]:
        """The facets that have more than one value, or one that is chosen."""
        found = []
        for name, value_of in _VALUES.items():
            counts = self._counts(name, value_of)
            chosen = self.chosen.get(name, "")
            values = sorted({*counts, chosen} - {""}, key=lambda value: (-counts[value], value))
            if len(values) > 1 or chosen:
                each = [FacetValue(value, counts[value], value == chosen) for value in values]
                found.append(Facet(name, FACETS[name], each))
        return found


def prepare(past: PastKeys, moment: datetime) -> None:
    """Works out what the list shows that is asked for nothing."""
    unasked = PastList(past, moment, QueryDict())
    unasked.facets()
    len(unasked.rows)


def _has(key: KeySnapshot, words: list[str]) -> bool:
    if not words:
        return True
    parts = [key.key_id, key.description, *key.aliases, *(f"{name}={value}" for name, value in key.tags.items())]
    text = "\n".join(parts).lower()
    return all(word in text for word in words)
