"""The one door to the inventory: the keys of this request's endpoint, account and Region, as its principal may see them.

It is followed through the key-management API as the signed-in principal (keys.inventory.sync). A principal who may not list keys gets AWS's
error: the inventory is a shortcut, never a way round a policy; and of what a principal may not read it tells nothing (keys.inventory.visibility).
Every function takes the request and applies that; no other module reads the tables (import-linter holds it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError
from django.db import connection
from django.db.models import Case, Q, QuerySet, When
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from keys import leases, service
from keys.inventory import key_rows, sync, visibility
from keys.inventory.models import InventoryCount, InventoryKey, InventoryMark, InventoryTag
from keys.inventory.sync import Follower
from keys.inventory.visibility import Visibility

if TYPE_CHECKING:
    Row = InventoryKey  # for the types of who is given rows; the model itself stays behind this door

_TRIGRAM = 3
_FEW = 500  # rows that are named one by one
_AT_ONCE = 1_000  # rows of a long list that are looked at together
# Columns that whoever may describe the keys may have as bare values: lists narrow to what needs more before they count by it.
_BARE = frozenset({"pk", "key_id", *key_rows.CUBE})


class VisibleKeys(QuerySet[InventoryKey]):
    """Keys as one principal may see them: whichever way a row comes out of it, it comes without what may not be read of it."""

    eyes: Visibility = visibility.WHOLE

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # Django has it, its stubs do not
        clone.eyes = self.eyes
        return clone

    def _fetch_all(self) -> None:
        fetched = self._result_cache is None
        super()._fetch_all()
        if fetched and self._result_cache and isinstance(self._result_cache[0], InventoryKey):
            self._result_cache = self._masked(self._result_cache)

    def iterator(self, chunk_size: int | None = None) -> Iterator[InventoryKey]:
        chunk: list[InventoryKey] = []
        for row in super().iterator(chunk_size or _AT_ONCE):
            chunk.append(row)
            if len(chunk) == _AT_ONCE:
                yield from self._masked(chunk)
                chunk = []
        yield from self._masked(chunk)

    def values(self, *fields: Any, **expressions: Any) -> Any:
        return super().values(*_bare(fields, expressions))

    def values_list(self, *fields: Any, **options: Any) -> Any:
        return super().values_list(*_bare(fields, {}), **options)

    def _masked(self, rows: list[InventoryKey]) -> list[InventoryKey]:
        lacks = self.eyes.lacking([row.key_id for row in rows])
        return [_masked(row, lacks.get(row.key_id, 0), aliases=self.eyes.lists_aliases) for row in rows]

    def readable(self, needs: int) -> Self:
        """Those of which all that `needs` names (bits of describe.READS) may be read."""
        return self.eyes.may_all(self, needs)

    def by_name(self) -> Self:
        """Those with an alias first, as far as the principal may list aliases; their order would tell them."""
        return self.order_by("-has_alias", "alias", "key_id") if self.eyes.lists_aliases else self.order_by("key_id")

    def tagged(self, name: str, value: str | None = None) -> Self:
        """Those with a tag whose tags may be read."""
        tags = InventoryTag.objects.filter(name=name, **({} if value is None else {"value": value}))
        return self.readable(key_rows.TAGS).filter(pk__in=tags.values("key"))

    def tags(self) -> Any:
        """The tags of those whose tags may be read, by name and value."""
        return InventoryTag.objects.filter(key__in=self.readable(key_rows.TAGS).values("pk")).values_list(
            "name", "value"
        )

    def matching(self, text: str, *, indexed: bool = True) -> Self:
        """Those whose alias, ID, description or tags hold every word of `text`, as far as this principal may read those.

        Not `indexed`, each row is looked at where many match: quicker to count them, and for a page of what matches most keys.
        """
        words = text.lower().split()
        if not words:
            return self
        rows = self
        if not self.eyes.lists_aliases:
            for word in words:
                rows = rows.filter(Q(key_id__contains=word) | Q(description__icontains=word))
            return rows
        rows = self.readable(key_rows.TAGS)
        long = [word for word in words if len(word) >= _TRIGRAM] if connection.vendor == "sqlite" else []
        found: list[int] | RawSQL | None = _few(long) if long else None
        if found is None and long and indexed:
            found = RawSQL("SELECT rowid FROM keys_search WHERE keys_search MATCH %s", [_phrases(long)])
        if found is not None:
            rows, words = rows.filter(pk__in=found), [word for word in words if word not in long]
        for word in words:
            rows = rows.filter(search__contains=word)
        return rows


def _bare(fields: tuple[Any, ...], expressions: dict[str, Any]) -> tuple[Any, ...]:
    if not fields or expressions or not _BARE.issuperset(fields):
        raise TypeError(f"{fields or 'all columns'} cannot be had as values, which nothing masks: take the rows.")
    return fields


def refreshed(request: HttpRequest) -> VisibleKeys:
    """The keys that this principal may describe, as of now, or as far as they are read yet (`progress`). Raises ClientError if it
    may not list keys."""
    return _followed(request).readable(key_rows.DESCRIBE)


def not_permitted(request: HttpRequest) -> VisibleKeys:
    """The keys it may list and not describe: nothing but their IDs is for its eyes."""
    return visibility.eyes(request).unseen_rows(_followed(request))


def place(request: HttpRequest) -> dict[str, str]:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    scope = service.backend(request).scope
    return {"account_id": scope or signed_in.account_id, "region": signed_in.region}


def progress(request: HttpRequest) -> InventoryMark | None:
    """How far the first reading or the catching up is, while it is not done; or what stopped it."""
    mark = InventoryMark.objects.filter(**place(request)).first()
    if mark is None:
        return None
    behind = service.backend(request).embedded and leases.is_held(sync.lease_name(place(request)))
    return mark if mark.started is not None or mark.problem or behind else None


def counted(request: HttpRequest) -> list[tuple[dict[str, str], int]] | None:
    """The kept counts of keys by their facet values; None for who may not read everything, and so has to count what it may."""
    if visibility.eyes(request).lacks:
        return None
    rows = InventoryCount.objects.filter(**place(request), facet="cube").values_list("value", "number")
    return [(key_rows.cube_values(value), number) for value, number in rows]


def tags_counted(request: HttpRequest, manager: str, most: int) -> list[tuple[str, str, int]] | None:
    """(name, value, number) of the most frequent tags; None as for `counted`."""
    if visibility.eyes(request).lacks:
        return None
    counts = InventoryCount.objects.filter(**place(request), facet="tag", value__startswith=f"{manager}\x1f")
    rows = counts.order_by("-number", "value").values_list("value", "number")[:most]
    return [(*key_rows.tag_value(text)[1:], number) for text, number in rows]


def known_of(request: HttpRequest, scope: str | None) -> tuple[InventoryMark | None, int]:
    """How far the list of an endpoint is read in this request's Region, and for another endpoint the number of its keys."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    where = {"account_id": scope or signed_in.account_id, "region": signed_in.region}
    number = InventoryKey.objects.filter(**where).count() if scope else 0
    return InventoryMark.objects.filter(**where).first(), number


def drop(scope: str) -> None:
    """Forget the keys of a connection that is forgotten."""
    for model in (InventoryKey, InventoryCount, InventoryMark):
        model.objects.filter(account_id=scope).delete()


def read_again(request: HttpRequest) -> None:
    """Have the current endpoint's whole list read anew."""
    InventoryMark.objects.filter(**place(request), started=None).update(synchronised=None, problem="", problem_at=None)


def _followed(request: HttpRequest) -> VisibleKeys:
    where = place(request)
    eyes = visibility.eyes(request)
    if not getattr(request, "_followed", False):
        kms = service.client(request)
        kms.list_keys(Limit=1)
        Follower(kms, **where, ours=service.backend(request).embedded).follow(eyes.pk)
        request._followed = True  # type: ignore[attr-defined]
    rows = VisibleKeys(InventoryKey)
    rows.eyes = eyes
    return rows.filter(**where)


def forget(request: HttpRequest) -> None:
    """After a change through another endpoint: every worker reads its list again the next time."""
    if not service.backend(request).embedded:
        InventoryMark.objects.filter(**place(request), started=None).update(synchronised=None, problem_at=None)
    request._followed = False  # type: ignore[attr-defined]


def _phrases(words: list[str]) -> str:
    """All of the words, as FTS5 takes them."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words)


def _few(words: list[str]) -> list[int] | None:
    """SQLite: the rows of all accounts that hold the words, if those are few; the trigram index has them at once.

    Named one by one they are all that SQLite looks at, or at least cost it less beside the whole list than the text would.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM keys_search WHERE keys_search MATCH %s LIMIT %s", [_phrases(words), _FEW + 1])
        found = [row[0] for row in cursor.fetchall()]
    return found if len(found) <= _FEW else None


def visible(request: HttpRequest, rows: list[InventoryKey]) -> list[InventoryKey]:
    """The rows of one page, each described again; one that may not be described shows its ID only.

    The description is a call of the principal's own, so the record says who looked at which key.
    """
    kms = service.client(request)
    eyes = visibility.eyes(request)
    seen = []
    for row in rows:
        try:
            row.state = kms.describe_key(KeyId=row.key_id)["KeyMetadata"]["KeyState"]
        except ClientError as error:
            if not service.denied(error):
                if error.response["Error"]["Code"] in ("NotFoundException", "NotFound"):
                    continue
                raise
            row = _masked(row, key_rows.ALL, aliases=eyes.lists_aliases)
        seen.append(row)
    return seen


def _masked(row: InventoryKey, missing: int, *, aliases: bool) -> InventoryKey:
    """The row without what its reader may not read."""
    if missing & key_rows.DESCRIBE:
        row = InventoryKey(
            key_id=row.key_id, arn=row.arn, alias=row.alias, aliases=row.aliases, state="", readable=False
        )
    if missing & key_rows.TAGS:
        row.tags = {}
    if missing & key_rows.ROTATION:
        row.rotation, row.next_rotation = "", None
    if missing & key_rows.POLICY:
        row.public = ""
    if missing & key_rows.LAST_USE:
        row.last_used = None
    if not aliases:
        row.alias, row.aliases, row.has_alias = "", [], False
    return row


def keys_for_picker(request: HttpRequest, usage: str) -> list[tuple[str, str]]:
    """(key ID, label) of the keys of a usage. Asks the inventory, so it is quick with many keys.

    The first is what a form begins with: customer managed keys before AWS's, which only their services may use; those that are
    enabled before others; those with an alias before others.
    """
    enabled_first = Case(When(state="Enabled", then=0), default=1)
    found = refreshed(request).filter(usage=usage).by_name()
    rows = found.order_by("-manager", enabled_first, *found.query.order_by)[:500]
    return [(row.key_id, f"{row.alias or row.key_id} — {row.spec}, {row.state}") for row in rows]
