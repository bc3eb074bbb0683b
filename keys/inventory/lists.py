"""A list of keys as its address describes it: filter, facets, order, columns, page. All that a view or an export needs to know of it.

`Listing` is made of a request's query and a query of the inventory; `synced_listing` synchronises the inventory first. Counts come from
the inventory's kept counts wherever nothing but facets narrows the list, so a page costs the same with a hundred keys and with a hundred
thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q, Value
from django.db.models.functions import Concat
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from console import addresses, key_words, paging
from console.request import ConsoleRequest
from keys import permissions, service
from keys.inventory import inventory, key_rows, reads, search_terms
from keys.inventory.columns import BY_FIELD, COLUMNS, FACETS, Column
from keys.inventory.inventory import VisibleKeys
from keys.inventory.visibility import Visibility

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

SIZES = (25, 50, 100)
_LONGEST = {False: 64, True: 128 + 1 + 256}  # characters of a facet's value; of a tag, its name and value
_BROAD = 5_000  # a text that more keys hold than this is looked for row by row, in the list's order
VALUES_SHOWN = 12  # of a facet in its menu; the others are on its own page
_TAGS_COUNTED = 5_000  # among more keys than this the tags of a filtered list go without numbers

# Facets that the overview leads to, as conditions on a moment.
DUE: dict[str, tuple[Any, Callable[[datetime], Q]]] = {
    "deletion": (_("Deletion pending"), lambda now: Q(state__in=key_words.PENDING_DELETION)),
    "expiry": (_("Material expires within 30 days"), lambda now: Q(valid_to__lte=now + timedelta(days=30))),
    "rotation": (_("Rotates within 30 days"), lambda now: Q(next_rotation__lte=now + timedelta(days=30))),
    "unused": (_("Not used for 90 days"), lambda now: _unused(now - timedelta(days=90))),
}
_DUE_NEEDS = {"rotation": reads.ROTATION, "unused": reads.LAST_USE}


def _unused(since: datetime) -> Q:
    """Enabled keys that are older, with no use since."""
    return Q(state="Enabled", created__lt=since) & (Q(last_used__isnull=True) | Q(last_used__lt=since))


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet: how many keys have it (None: not counted), and whether it is chosen."""

    value: str
    number: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """`more`: whether it has other values than these."""

    name: str
    label: Any
    values: list[FacetValue]
    more: bool = False


@dataclass
class Listing:
    """`base` are the manager's keys that this principal may describe; `rows` those of them that match, unordered.

    Making one asks nothing, neither the endpoint nor the database; its properties and methods ask when they are used, and only
    `shown` calls the endpoint. `synced_listing` makes one of keys that are up to date.
    """

    request: ConsoleRequest
    manager: str
    query: QueryDict
    base: VisibleKeys

    @property
    def visibility(self) -> Visibility:
        return self.base.visibility

    @cached_property
    def now(self) -> datetime:
        """The endpoint's time: an account of the embedded engine has a clock of its own."""
        return service.now(self.request)

    # --- what the address says

    @cached_property
    def text(self) -> str:
        return self.filter.text

    @cached_property
    def filter(self) -> addresses.FilterText:
        return search_terms.filter_text(self.query)

    @property
    def too_long(self) -> bool:
        """Nothing is found by what is longer than anything that a key has."""
        return bool(self.filter.problem or self.too_long_names)

    @cached_property
    def too_long_names(self) -> list[Any]:
        """What else than the text narrows the list in its address and is too long."""
        words = {"tag": _("Tag"), **FACETS}
        return [label for name, label in words.items() if len(self.query.get(name, "")) > _LONGEST[name == "tag"]]

    @property
    def address(self) -> str:
        """The list's parameters, for forms that come back to it."""
        return addresses.repeated(self.request).urlencode()

    @cached_property
    def chosen(self) -> dict[str, str]:
        """Facet → the value it narrows the list to."""
        return {name: str(self.query[name]) for name in FACETS if 0 < len(self.query.get(name, "")) <= _LONGEST[False]}

    @cached_property
    def tag(self) -> str:
        tag = self.query.get("tag", "")
        return tag if len(tag) <= _LONGEST[True] else ""

    @cached_property
    def due(self) -> str:
        due = self.query.get("due", "")
        return due if due in DUE else ""

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.chosen or self.tag or self.due or self.too_long)

    @cached_property
    def sort(self) -> str:
        default = "alias" if self.manager == "AWS" else "-created"
        sort = self.query.get("sort", default)
        return sort if sort.removeprefix("-") in BY_FIELD else default

    @cached_property
    def columns(self) -> list[Column]:
        chosen = set(self.query.getlist("cols"))
        if chosen & BY_FIELD.keys() and not chosen & {"alias", "key_id"}:
            chosen.add("key_id")  # a row leads to its key
        return [column for column in COLUMNS if column.field in chosen] or [c for c in COLUMNS if c.shown]

    @cached_property
    def size(self) -> int:
        if paging.prints_all(self.query):
            return paging.PRINTED
        size = self.query.get("size", "")
        return int(size) if size in map(str, SIZES) else SIZES[0]

    @cached_property
    def page(self) -> int:
        if paging.prints_all(self.query):
            return 1
        page = self.query.get("page", "")
        wanted = int(page) if page.isdecimal() and len(page) < 9 else 1
        return min(max(wanted, 1), self.pages)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    # --- rows

    @cached_property
    def rows(self) -> VisibleKeys:
        broad = bool(self.text or self.tag) and self.matching > _BROAD
        return self._searched(indexed=not broad, by_row=broad).filter(**self.chosen)

    @property
    def _needs(self) -> int:
        """What must be readable of a key (bits of reads.READS) for it to be in the list: it is narrowed by that."""
        needs = reads.DESCRIBE | (reads.TAGS if self.tag else 0) | _DUE_NEEDS.get(self.due, 0)
        for name in self.chosen:
            needs |= BY_FIELD[name].needs
        return needs

    @cached_property
    def unread(self) -> list[str]:
        """The actions that would have to be allowed, or offered, on every key for the list to tell which of all of them match."""
        if not self.is_filtered:
            return []
        return self.visibility.unread_actions(self._needs | inventory.needs_of(self.text))

    def _searched(self, *, indexed: bool = True, by_row: bool = False) -> VisibleKeys:
        """What text, tag and date conditions leave; facets not yet. `by_row`: tags are looked up for each row, in the list's order."""
        rows = self.base.readable(self._needs & ~reads.DESCRIBE).matching(self.text, indexed=indexed, by_row=by_row)
        if self.tag:
            name, equals, value = self.tag.partition("=")
            rows = rows.tagged(name, value if equals else None, by_row=by_row)
        if self.due:
            rows = rows.filter(DUE[self.due][1](self.now))
        return rows

    def ordered(self) -> list[VisibleKeys]:
        """The rows in the list's order, as queries that follow one another: each by an index. What is not known of a key sorts last, whatever
        it is."""
        name, down = self.sort.removeprefix("-"), self.sort.startswith("-")
        if name == "alias" and not self.visibility.lists_aliases:
            name = "key_id"
        minus = "-" if down else ""
        if name == "alias":
            return [self.rows.order_by("-has_alias", f"{minus}alias", f"{minus}key_id")]
        if name == "key_id":
            return [self.rows.order_by(f"{minus}key_id")]
        if name == "deletion_date" and self.due == "deletion":  # those without a date would be looked for in all keys
            dated = self.rows.filter(deletion_date__isnull=False).order_by(f"{minus}deletion_date", f"{minus}key_id")
            undated = self.rows.filter(deletion_date__isnull=True).order_by(f"{minus}key_id")
            return [dated, *(undated.filter(state=state) for state in key_words.PENDING_DELETION)]
        column = BY_FIELD[name]
        by = F(column.by or name)
        last = {"nulls_last": True} if column.empty else {}
        order = (by.desc(**last) if down else by.asc(**last), f"{minus}key_id")
        secret = self.visibility.denied_mask & column.needs & ~reads.DESCRIBE
        known = self.rows.readable(secret).order_by(*order)
        return [known, self.rows.unreadable(secret).order_by(f"{minus}key_id")] if secret else [known]

    def between(self, first: int, last: int) -> list[Row]:
        """The rows from `first` to before `last`, in order."""
        return _between(self.ordered(), first, last)

    def key_ids(self, most: int) -> list[str]:
        """Of the first rows, in order."""
        return _between([rows.values_list("key_id", flat=True) for rows in self.ordered()], 0, most)

    def shown(self) -> list[Row]:
        """The rows of the page; keys that may be listed but not described come last, by their IDs alone.

        Those of a page are described once more. A list to print has up to 500: like an export, it is what the inventory has.
        """
        first = (self.page - 1) * self.size
        rows = self.between(first, first + self.size) if first < self.matching else []
        if len(rows) < self.size and self.hidden_total:
            skip = max(0, first - self.matching)
            rows += self._hidden.order_by("key_id")[skip : skip + self.size - len(rows)]
        if not paging.prints_all(self.query):
            rows = inventory.describe_rows(self.request, rows)
        permissions.look_up(self.request, [row.key_id for row in rows if row.denied])
        return rows

    @cached_property
    def _hidden(self) -> VisibleKeys:
        """Of the keys of which only ID and aliases may be read, those that match by these."""
        if self.chosen or self.tag or self.due or self.too_long:
            return self.base.none()
        return self._all_hidden.named(self.text) if self.text else self._all_hidden

    @cached_property
    def _all_hidden(self) -> VisibleKeys:
        if self.manager != "CUSTOMER" or not self.visibility.undescribable:
            return self.base.none()
        return inventory.undescribable_keys(self.request)

    @cached_property
    def hidden_total(self) -> int:
        return self._hidden.count() if self.visibility.undescribable else 0

    # --- counts

    @cached_property
    def _combinations(self) -> list[tuple[dict[str, str], int]]:
        """How many keys have each combination of facet values, before facets narrow the list."""
        counted: Counter[tuple[str, ...]] = Counter()
        if self.too_long:
            return []
        narrowed = self.text or self.tag or self.due or self.visibility.hides(self._needs)
        if narrowed and not self._asks_for_tags_of_all:
            grouped = (
                self._searched(indexed=False)
                .values_list(*key_rows.FACET_COLUMNS)
                .annotate(number=Count("pk"))
                .order_by()
            )
            for *values, number in grouped:
                counted[tuple(values)] += number
        else:
            counted = self._kept_counts({"manager": self.manager})
        return [(dict(zip(key_rows.FACET_COLUMNS, values, strict=True)), number) for values, number in counted.items()]

    @cached_property
    def _asks_for_tags_of_all(self) -> bool:
        """Whether what narrows the list are names of tags that every key has: then there is nothing to count anew."""
        terms = search_terms.parse(self.text)
        tag, equals, _value = self.tag.partition("=")
        names = [name for name, value in terms.tags if value is None] + ([tag] if tag else [])
        if (
            self.due
            or equals
            or self.visibility.hides(self._needs | reads.TAGS)
            or len(names) < len(terms.tags) + bool(tag)
        ):
            return False
        if terms.problem or terms.words or terms.facts or terms.perhaps:
            return False
        number = sum(self._kept_counts({"manager": self.manager}).values())
        return all(inventory.all_have_tag(self.request, self.manager, name, number) for name in names)

    def _kept_counts(self, wanted: dict[str, str]) -> Counter[tuple[str, ...]]:
        """The inventory's own counts of the combinations that have these values; for who may describe all keys, and read what these values are
        about."""
        counted: Counter[tuple[str, ...]] = Counter()
        for values, number in inventory.combination_counts(self.request) or ():
            if all(values[name] == value for name, value in wanted.items()):
                counted[tuple(values.values())] += number
        return counted

    def _number(self, wanted: dict[str, str]) -> int:
        return sum(
            n for values, n in self._combinations if all(values[name] == value for name, value in wanted.items())
        )

    @cached_property
    def matching(self) -> int:
        return self._number(self.chosen)

    def number(self) -> int:
        """How many keys match, for who does not need the facets: what has a date is found by that date's own index."""
        return self.rows.count() if self.due and self.due != "unused" else self.matching

    @property
    def total(self) -> int:
        """Keys on all pages."""
        return self.matching + self.hidden_total

    @cached_property
    def unfiltered_total(self) -> int:
        """Keys of the list when nothing narrows it."""
        if not self.is_filtered:
            return self.total
        if not self.visibility.hides(reads.DESCRIBE):
            return sum(self._kept_counts({"manager": self.manager}).values())
        return self.base.count() + self._all_hidden.count()

    def managed_by(self, manager: str) -> int | None:
        """How many keys AWS, or the customer, manages among those the facets leave; None where that is not counted."""
        if manager == self.manager:
            return self.matching
        if self.text or self.tag or self.due or self.visibility.hides(self._needs):
            return None
        return sum(self._kept_counts({**self.chosen, "manager": manager}).values())

    def counts(self, name: str) -> list[tuple[str, int]]:
        """(value, how many keys have it) of a facet, the most frequent first."""
        numbers: Counter[str] = Counter()
        for values, number in self._combinations:
            if values[name] and all(values[other] == value for other, value in self.chosen.items()):
                numbers[values[name]] += number
        return sorted(numbers.items(), key=lambda each: (-each[1], each[0]))

    def facets(self) -> list[Facet]:
        """Each facet with its first values, counted among what the other facets leave."""
        found = []
        for name, label in FACETS.items():
            values = self.facet_values(name)
            distinct = {combination[name] for combination, _number in self._combinations if combination[name]}
            if values and (self.chosen.get(name) or len(distinct) > 1):
                found.append(Facet(name, label, *_first(values)))
        tags = self._tags()
        return [*found, Facet("tag", _("Tag"), *_first(tags))] if tags else found

    def facet_values(self, name: str) -> list[FacetValue]:
        """All values of a facet, the chosen and the most frequent first; none where what it is about may not be read of every key."""
        if self.visibility.denied_mask & BY_FIELD[name].needs & ~reads.DESCRIBE:
            return []
        others = {other: value for other, value in self.chosen.items() if other != name}
        chosen = self.chosen.get(name, "")
        numbers: Counter[str] = Counter({chosen: 0} if chosen else {})
        for row, number in self._combinations:
            if row[name] and all(row[other] == value for other, value in others.items()):
                numbers[row[name]] += number
        ranked = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
        return [FacetValue(value, number, value == chosen) for value, number in ranked]

    @property
    def tags_are_counted(self) -> bool:
        """Whether the tags of a list that is narrowed can be counted one by one."""
        return self.matching <= _TAGS_COUNTED

    @property
    def _tags_narrowed(self) -> bool:
        return bool(self.is_filtered or self.visibility.hides(reads.DESCRIBE | reads.TAGS))

    def _tags(self) -> list[FacetValue]:
        """The most frequent tags, one more than the menu shows."""
        if self.visibility.denied_mask & reads.TAGS:
            return []
        most = VALUES_SHOWN + 1
        if self._tags_narrowed and self.tags_are_counted:
            counts = self.rows.tags().annotate(number=Count("pk")).order_by("-number", "name")[:most]
        else:
            counts = inventory.tag_counts(self.request, self.manager, most) or ()
        found = self._tag_values(counts)
        if self.tag and not any(value.chosen for value in found):
            found.insert(0, FacetValue(self.tag, self.matching, True))
        return found

    def _tag_values(self, counts: Any) -> list[FacetValue]:
        """Of (name, value, number); the number of a list that is narrowed and too long to count is left out."""
        uncounted = self._tags_narrowed and not self.tags_are_counted
        return [
            FacetValue(f"{name}={value}", None if uncounted else number, f"{name}={value}" == self.tag)
            for name, value, number in counts
        ]

    def tags_holding(self, text: str, first: int, most: int) -> list[FacetValue]:
        """Tags whose key or value holds the text, by key and value: `most` of them from the `first` on."""
        if self.visibility.denied_mask & reads.TAGS:
            return []
        if self._tags_narrowed and self.tags_are_counted:
            tags = self.rows.tags().alias(tag=Concat("name", Value("="), "value")).filter(tag__icontains=text)
            counts = tags.annotate(number=Count("pk")).order_by("name", "value")[first : first + most]
        else:
            counts = inventory.tags_holding(self.request, self.manager, text, first, most) or ()
        return self._tag_values(counts)

    # --- for exports

    def export(self) -> Iterator[Row]:
        """Every row that matches, in order, without what this principal may not read; those that may be listed and not described last."""
        for rows in self.ordered():
            yield from rows.iterator()
        if self.hidden_total:
            yield from self._hidden.order_by("key_id").iterator()


def _first(values: list[FacetValue]) -> tuple[list[FacetValue], bool]:
    """Those that a menu shows, the chosen one among them, and whether there are more."""
    shown = values[:VALUES_SHOWN]
    shown += [value for value in values[VALUES_SHOWN:] if value.chosen]
    return shown, len(values) > len(shown)


def _between(parts: list[Any], first: int, last: int) -> list[Any]:
    """What queries that follow one another have from `first` to before `last`."""
    found: list[Any] = []
    for rows in parts:
        found += (part := list(rows[first:last]))
        if len(part) == last - first:
            break
        before = first + len(part) if part else rows.count()
        first, last = max(first - before, 0), last - before
    return found


def synced_listing(request: ConsoleRequest, manager: str, query: QueryDict, *, whole: bool = False) -> Listing:
    """The list, of the inventory as of now (inventory.sync_in_request). Raises ClientError if the principal may not list keys. `whole`: it is
    waited for that it is decided of each key what may be read."""
    inventory.sync_in_request(request)
    if whole:
        inventory.decide_all(request)
    listing = Listing(request, manager, query, inventory.synced_keys(request).filter(manager=manager))
    if listing.too_long:
        listing.base = listing.base.none()
    return listing
