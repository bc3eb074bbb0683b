"""A query of the inventory's rows as one principal may see them.

`VisibleKeys` is a Django query set with a `Visibility`. Building one asks nothing: rows are read when it is iterated, sliced or counted,
as with any query set, and whichever way a row comes out, it comes without what may not be read of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import StrIndex, Substr
from django.db.models.lookups import GreaterThan, Range

from keys.inventory import key_rows, reads, search_terms, visibility
from keys.inventory.models import InventoryKey, InventoryTag
from keys.inventory.visibility import Visibility

_TRIGRAM = 3
_FEW = 500  # rows that are named one by one
_CHUNK = 1_000  # rows of a long list that are read together
# Columns that whoever may describe the keys may have as bare values: lists narrow to what needs more before they count by it.
_UNMASKED = frozenset({"pk", "key_id", *key_rows.FACET_COLUMNS})


class VisibleKeys(QuerySet[InventoryKey]):
    """Keys as one principal may see them."""

    visibility: Visibility = visibility.UNRESTRICTED

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # Django has it, its stubs do not
        clone.visibility = self.visibility
        return clone

    def _fetch_all(self) -> None:
        fetched = self._result_cache is None
        super()._fetch_all()
        if fetched and self._result_cache and isinstance(self._result_cache[0], InventoryKey):
            self._result_cache = self._masked(self._result_cache)

    def iterator(self, chunk_size: int | None = None) -> Iterator[InventoryKey]:
        """Raises visibility.ForgottenError, before the first row that it would be masked for."""
        chunk: list[InventoryKey] = []
        for row in super().iterator(chunk_size or _CHUNK):
            chunk.append(row)
            if len(chunk) == _CHUNK:
                yield from self._still_masked(chunk)
                chunk = []
        yield from self._still_masked(chunk)

    def _still_masked(self, rows: list[InventoryKey]) -> list[InventoryKey]:
        found = self._masked(rows)
        self.visibility.require()
        return found

    def values(self, *fields: Any, **expressions: Any) -> Any:
        return super().values(*_unmasked(fields, expressions))

    def values_list(self, *fields: Any, **options: Any) -> Any:
        return super().values_list(*_unmasked(fields, {}), **options)

    def _masked(self, rows: list[InventoryKey]) -> list[InventoryKey]:
        masks = self.visibility.denied_masks(rows)
        return [visibility.masked(row, masks.get(row.pk, 0), self.visibility) for row in rows]

    def readable(self, needs: int) -> Self:
        """Those of which all that `needs` names (bits of reads.READS) may be read."""
        return self.visibility.readable(self, needs)

    def unreadable(self, needs: int) -> Self:
        """Those of which something that `needs` names may not be read."""
        return self.visibility.unreadable(self, needs)

    def by_name(self) -> Self:
        """Those with an alias first, as far as the principal may list aliases; their order would tell them."""
        if self.visibility.lists_aliases:
            return self.order_by("-has_alias", "alias", "key_id")
        return self.order_by("key_id")

    def tagged_any(self, names: Iterable[str]) -> Self:
        """Those with a tag of one of these keys, whose tags may be read."""
        tags = InventoryTag.objects.filter(name__in=list(names))
        return self.readable(reads.TAGS).filter(pk__in=tags.values("key"))

    def tagged(self, name: str, value: str | None = None, *, by_row: bool = False) -> Self:
        """Those with a tag whose tags may be read. `by_row`, each row's tags are looked up: quicker for a page of what most keys have."""
        tags = InventoryTag.objects.filter(name=name, **({} if value is None else {"value": value}))
        rows = self.readable(reads.TAGS)
        return rows.filter(Exists(tags.filter(key=OuterRef("pk"))) if by_row else Q(pk__in=tags.values("key")))

    def tags(self) -> Any:
        """The tags of those whose tags may be read, by name and value."""
        return InventoryTag.objects.filter(key__in=self.readable(reads.TAGS).values("pk")).values_list("name", "value")

    def matching(self, text: str, *, indexed: bool = True, by_row: bool = False) -> Self:
        """Those of which all terms of `text` hold (keys.inventory.search_terms), as far as this principal may read what they are about.

        Not `indexed`, each row is looked at where many match: quicker to count them, and for a page of what matches most keys.
        """
        terms = search_terms.parse(text)
        if terms.problem:
            return self.none()
        rows = self._holding(terms.words, indexed=indexed)
        for fact in terms.facts:
            rows = rows.readable(reads.FACET_NEEDS.get(fact.column, 0)).filter(**{fact.column: fact.value})
        for name, value in terms.tags:
            rows = rows.tagged(name, value, by_row=by_row)
        for fact in terms.perhaps:
            rows = rows._having(fact, indexed=indexed)
        return rows

    def named(self, text: str) -> Self:
        """Those whose key ID or aliases hold every word of `text`: of keys of which no more may be read. None where it asks for more."""
        terms = search_terms.parse(text)
        if terms.problem or terms.facts or terms.tags:
            return self.none()
        words = [*terms.words, *(word for fact in terms.perhaps for word in fact.words)]
        few = _few(_indexed(words))
        rows = self if few is None else self.filter(pk__in=few)
        aliases = Substr("search", F("described") + 1, F("named") - F("described"))
        for word in words:  # all by columns that counting has in its index
            held = Q(
                Range(StrIndex("search", Value(word)), (1, StrIndex("search", Value(" "))))
            )  # begins in the key ID
            if self.visibility.lists_aliases:
                held |= Q(GreaterThan(StrIndex(aliases, Value(word)), 0))
            rows = rows.filter(held)
        return rows

    def _having(self, fact: search_terms.Fact, *, indexed: bool) -> Self:
        """Those of which the fact is true, and those that hold its words."""
        if not indexed:
            held = Q(*[Q(search__contains=word) for word in fact.words]) & self._told(fact.words)
            return self.filter(Q(**{fact.column: fact.value}) | held)
        rows = self._holding(fact.words, indexed=indexed)
        if rows.query.is_empty():
            return self.filter(**{fact.column: fact.value})
        true = self.filter(**{fact.column: fact.value}).order_by().values("pk")
        return self.filter(pk__in=true.union(rows.order_by().values("pk")))

    def _holding(self, words: Sequence[str], *, indexed: bool) -> Self:
        """Those whose alias, ID, description or tags hold every word, as far as this principal may read those."""
        if not words:
            return self
        return self._holding_anywhere(words, indexed=indexed).filter(self._told(words))

    def _told(self, words: Sequence[str]) -> Q:
        """Of rows whose text holds the words: that the part of it that this principal may read does."""
        if not self.visibility.lists_aliases:
            return _within(words, "described")
        if not self.visibility.denied_mask & reads.TAGS:
            return Q()
        return _within(words, "named") | self.visibility.known(reads.TAGS)

    def _holding_anywhere(self, words: Sequence[str], *, indexed: bool) -> Self:
        """Whoever may read it."""
        rows = self
        long = _indexed(words)
        found: list[int] | RawSQL | None = _few(long)
        if found is None and long and indexed:
            found = RawSQL("SELECT rowid FROM keys_search WHERE keys_search MATCH %s", [_phrases(long)])
        if found == []:
            return self.none()
        if found is not None:
            rows, words = rows.filter(pk__in=found), [word for word in words if word not in long]
        for word in words:
            rows = rows.filter(search__contains=word)
        return rows


def _indexed(words: Iterable[str]) -> list[str]:
    """The words that an index of trigrams finds, where there is one."""
    return [word for word in words if len(word) >= _TRIGRAM] if connection.vendor == "sqlite" else []


def _within(words: Sequence[str], end: str) -> Q:
    """That the words are in the text before the end of a part of it. No word goes over one: between them is a space."""
    held = Q()
    for word in words:
        held &= Q(Range(StrIndex("search", Value(word)), (1, F(end) - (len(word) - 1))))
    return held


def _unmasked(fields: tuple[Any, ...], expressions: dict[str, Any]) -> tuple[Any, ...]:
    if not fields or expressions or not _UNMASKED.issuperset(fields):
        raise TypeError(f"{fields or 'all columns'} cannot be had as values, which nothing masks: take the rows.")
    return fields


def needs_of(text: str) -> int:
    """What must be known of a key for it to be known whether it matches, as `VisibleKeys.matching` has the text."""
    terms = search_terms.parse(text)
    needs = reads.TAGS if terms.tags else 0
    for fact in terms.facts:
        needs |= reads.FACET_NEEDS.get(fact.column, 0)
    return needs | (reads.TAGS | reads.ALIASES if terms.words or terms.perhaps else 0)


def visible_keys(account_id: str, region: str, seen_with: Visibility) -> VisibleKeys:
    """The rows of a scope and Region, as far as they are read yet."""
    rows = VisibleKeys(InventoryKey)
    rows.visibility = seen_with
    return seen_with.seen(rows.filter(account_id=account_id, region=region))


def _phrases(words: list[str]) -> str:
    """All of the words, as FTS5 takes them."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words)


def _few(words: list[str]) -> list[int] | None:
    """The rows of all accounts that hold the words (of `_indexed`), if those are few; the trigram index has them at once. None without words.

    Named one by one they are all that SQLite looks at, or at least cost it less beside the whole list than the text would.
    """
    if not words:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM keys_search WHERE keys_search MATCH %s LIMIT %s", [_phrases(words), _FEW + 1])
        found = [row[0] for row in cursor.fetchall()]
    return found if len(found) <= _FEW else None
