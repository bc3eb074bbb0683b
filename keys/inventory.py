"""The inventory as pages read it: the keys of this request's endpoint, account and Region that its principal may describe.

It is followed through the key-management API as the signed-in principal (keys.follow). A principal who may not list keys gets AWS's
error: the inventory is a shortcut, never a way round a policy; and of what a principal may not read it tells nothing (keys.sight).
"""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from keys import describe, service, sight
from keys.follow import Follower
from keys.models import InventoryKey, InventoryMark

_TRIGRAM = 3
_FEW = 500  # rows that are named one by one


def refreshed(request: HttpRequest) -> QuerySet[InventoryKey]:
    """The keys that this principal may describe, as of now, or as far as they are read yet (`progress`). Raises ClientError if it
    may not list keys."""
    rows = _followed(request)
    return sight.eyes(request).may_all(rows)


def not_permitted(request: HttpRequest) -> QuerySet[InventoryKey]:
    """The keys it may list and not describe: nothing but their IDs is for its eyes."""
    rows = _followed(request)
    return sight.eyes(request).unseen_rows(rows)


def place(request: HttpRequest) -> dict[str, str]:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    scope = service.backend(request).scope
    return {"account_id": scope or signed_in.account_id, "region": signed_in.region}


def progress(request: HttpRequest) -> InventoryMark | None:
    """How far the first reading or the catching up is, while it is not done; or what stopped it."""
    mark = InventoryMark.objects.filter(**place(request)).first()
    if mark is None:
        return None
    behind = service.backend(request).embedded and mark.lease is not None
    return mark if mark.started is not None or mark.problem or behind else None


def _followed(request: HttpRequest) -> QuerySet[InventoryKey]:
    where = place(request)
    if not getattr(request, "_followed", False):
        kms = service.client(request)
        kms.list_keys(Limit=1)
        eyes = sight.eyes(request)
        Follower(kms, **where, ours=service.backend(request).embedded).follow(eyes.pk)
        request._followed = True  # type: ignore[attr-defined]
    return InventoryKey.objects.filter(**where)


def forget(request: HttpRequest) -> None:
    """After a change through another endpoint: every worker reads its list again the next time."""
    if not service.backend(request).embedded:
        InventoryMark.objects.filter(**place(request), started=None).update(synchronised=None, problem_at=None)
    request._followed = False  # type: ignore[attr-defined]


def matching(
    request: HttpRequest, rows: QuerySet[InventoryKey], text: str, *, indexed: bool = True
) -> QuerySet[InventoryKey]:
    """Rows whose alias, ID, description or tags hold every word of `text`, as far as this principal may read those.

    Not `indexed`, each row is looked at where many match: quicker to count them, and for a page of what matches most keys.
    """
    words = text.lower().split()
    if not words:
        return rows
    eyes = sight.eyes(request)
    if not eyes.lists_aliases:
        for word in words:
            rows = rows.filter(Q(key_id__contains=word) | Q(description__icontains=word))
        return rows
    rows = eyes.may_all(rows, describe.TAGS)
    long = [word for word in words if len(word) >= _TRIGRAM] if connection.vendor == "sqlite" else []
    found: list[int] | RawSQL | None = _few(long) if long else None
    if found is None and long and indexed:
        found = RawSQL("SELECT rowid FROM keys_search WHERE keys_search MATCH %s", [_phrases(long)])
    if found is not None:
        rows, words = rows.filter(pk__in=found), [word for word in words if word not in long]
    for word in words:
        rows = rows.filter(search__contains=word)
    return rows


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
    """The rows of one page as this principal may see them: each is described again, and one it may not describe shows its ID only.

    The description is a call of the principal's own, so the record says who looked at which key.
    """
    kms = service.client(request)
    eyes = sight.eyes(request)
    lacks = eyes.lacking([row.key_id for row in rows])
    seen = []
    for row in rows:
        missing = lacks.get(row.key_id, 0)
        try:
            row.state = kms.describe_key(KeyId=row.key_id)["KeyMetadata"]["KeyState"]
        except ClientError as error:
            if not service.denied(error):
                if error.response["Error"]["Code"] in ("NotFoundException", "NotFound"):
                    continue
                raise
            missing = describe.ALL
        seen.append(masked(row, missing, aliases=eyes.lists_aliases))
    return seen


def masked(row: InventoryKey, missing: int, *, aliases: bool) -> InventoryKey:
    """The row without what its reader may not read."""
    if missing & describe.DESCRIBE:
        row = InventoryKey(
            key_id=row.key_id, arn=row.arn, alias=row.alias, aliases=row.aliases, state="", readable=False
        )
    if missing & describe.TAGS:
        row.tags = {}
    if missing & describe.ROTATION:
        row.rotation, row.next_rotation = "", None
    if missing & describe.POLICY:
        row.public = ""
    if missing & describe.LAST_USE:
        row.last_used = None
    if not aliases:
        row.alias, row.aliases = "", []
    return row
