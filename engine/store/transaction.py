"""Control-plane transactions: one per changing call, writers one after another, changes announced to every cache.

On SQLite a writer waits for its turn (engine.store.sqlite) and takes the database's lock at once, on PostgreSQL one advisory lock that
is held until its commit is visible: change numbers become visible in the order in which they are given, which caches rely on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, OperationalError, connection, transaction

from engine.store import cache
from engine.store.models import Change
from engine.store.sqlite.turn import HELD

_WRITERS = 0x6B6D73  # the advisory lock that puts PostgreSQL's writers in one order, as SQLite's write lock does
_CONFLICTS = ("40001", "40P01")  # serialization_failure, deadlock_detected


@contextmanager
def write() -> Iterator[None]:
    """One transaction that sees everything committed before it. Nested use joins the outer one. Raises DatabaseError."""
    if connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITERS])
        cache.synchronise()
        yield


def conflicted(error: DatabaseError) -> bool:
    """Whether a transaction failed only because of others beside it (deadlock, serialization) and may be run again as it was."""
    return getattr(error.__cause__, "sqlstate", None) in _CONFLICTS


def busy(error: OperationalError) -> bool:
    """Whether a transaction failed only because others held the database for as long as one waits."""
    return any(words in str(error) for words in (HELD, "database is locked"))


def renew_connection() -> None:
    """After a failure: give up this thread's connection if it is of no more use (the database was restarted, say)."""
    connection.close_if_unusable_or_obsolete()


def changed(*entities: str) -> None:
    """Announce, with the running transaction's commit, that `entities` are not what caches hold any more."""
    if not connection.in_atomic_block:
        raise RuntimeError("changes are announced inside the transaction that makes them")
    Change.objects.bulk_create([Change(entity=entity) for entity in entities])


def key_entity(account_id: str, region: str, key_id: str) -> str:
    return f"key:{account_id}:{region}:{key_id}"


def aliases_entity(account_id: str, region: str) -> str:
    return f"aliases:{account_id}:{region}"


def iam_entity(account_id: str) -> str:
    return f"iam:{account_id}"
