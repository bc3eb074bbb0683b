"""Control-plane transactions: one per changing call, writers one after another, changes announced to every cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from engine.store import cache
from engine.store.models import Change

_WRITERS = 0x6B6D73  # the advisory lock that puts PostgreSQL's writers in one order, as SQLite's write lock does


@contextmanager
def write() -> Iterator[None]:
    """One transaction that sees everything committed before it. Nested use joins the outer one."""
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITERS])
            cache.synchronise()
        yield


def changed(*entities: str) -> None:
    """Announce, with the running transaction's commit, that `entities` are not what caches hold any more."""
    Change.objects.bulk_create([Change(entity=entity) for entity in entities])


def key_entity(account_id: str, region: str, key_id: str) -> str:
    return f"key:{account_id}:{region}:{key_id}"


def aliases_entity(account_id: str, region: str) -> str:
    return f"aliases:{account_id}:{region}"


def iam_entity(account_id: str) -> str:
    return f"iam:{account_id}"
