"""Transactions and caches: writers take turns, conflicts are tried again, a cache never serves what a committed change made untrue."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, connections

from engine import service
from engine.operation import Operation
from engine.store import cache, transaction
from engine.store.cache import Cache
from engine.store.models import Change
from tests.conftest import TestAccount, new_account
from tests.support.threads import in_another_thread

sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's locks")
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL's connections")


@pytest.fixture
def numbers(prepared: Any) -> Iterator[Cache[str, int]]:
    made: Cache[str, int] = Cache("test", limit=3)
    cache.synchronise()
    yield made
    cache.caches.remove(made)


def elsewhere(work: Any) -> None:
    """Run in another thread, on a connection of its own, as another worker would."""
    for failure in in_another_thread(work):
        raise failure


def announce(*entities: str) -> None:
    with transaction.write():
        transaction.changed(*entities)


def test_a_value_is_loaded_once_until_its_entity_changes(numbers: Cache[str, int]) -> None:
    loads = iter(range(100))

    def get() -> int:
        return numbers.get("a", lambda: (next(loads), ["entity-a"]))

    assert [get(), get()] == [0, 0]
    elsewhere(lambda: announce("entity-b"))
    cache.synchronise()
    assert get() == 0
    elsewhere(lambda: announce("entity-a", "entity-c"))
    cache.synchronise()
    assert [get(), get()] == [1, 1]
    assert (numbers.hits, numbers.misses) == (3, 2)
    cache.clear_all()
    assert get() == 2


def test_a_cache_keeps_no_more_than_its_limit(numbers: Cache[str, int]) -> None:
    for number in range(10):
        numbers.get(str(number), lambda n=number: (n, []))
    assert len(numbers) == 3


def test_a_value_loaded_while_its_entity_changed_is_not_kept(numbers: Cache[str, int]) -> None:
    def load() -> tuple[int, list[str]]:
        elsewhere(lambda: announce("entity-a"))
        cache.synchronise()
        return 1, ["entity-a"]

    numbers.get("other", lambda: (0, ["entity-a"]))
    assert numbers.get("a", load) == 1
    assert len(numbers) == 0


def test_what_a_transaction_sees_before_its_commit_is_not_kept(numbers: Cache[str, int]) -> None:
    with transaction.write():
        assert numbers.get("a", lambda: (1, ["entity-a"])) == 1
    assert len(numbers) == 0


def test_a_change_that_is_rolled_back_is_announced_to_nobody(numbers: Cache[str, int]) -> None:
    numbers.get("a", lambda: (1, ["entity-a"]))

    class Stop(Exception):
        pass

    def fail() -> None:
        with transaction.write():
            transaction.changed("entity-a")
            raise Stop

    with pytest.raises(Stop):
        fail()
    cache.synchronise()
    assert len(numbers) == 1


def test_changes_outside_a_transaction_are_refused() -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        transaction.changed("entity")


def test_writers_of_all_threads_take_turns_and_numbers_come_in_order(prepared: Any) -> None:
    inside, most = [], []

    def write() -> None:
        for _ in range(5):
            with transaction.write():
                inside.append(1)
                most.append(len(inside))
                transaction.changed("turn")
                time.sleep(0.002)
                inside.pop()
        connections.close_all()

    before = Change.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert Change.objects.filter(pk__gt=before, entity="turn").count() == 25


def conflict() -> DatabaseError:
    """What Django raises for a serialization failure of PostgreSQL."""
    cause = Exception("could not serialize access")
    cause.sqlstate = "40001"  # type: ignore[attr-defined]
    error = OperationalError("could not serialize access")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("failures", "answered"), [(1, True), (4, True), (5, False)])
def test_a_change_that_only_conflicts_with_others_is_run_again(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch, failures: int, answered: bool
) -> None:
    kms, key_id = account.client(), account.create_key()
    table = dict(service.operations()["kms"])
    run, left = table["UpdateKeyDescription"].run, [conflict() for _ in range(failures)]

    def conflicting(context: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        result = run(context, parameters)
        if left:
            raise left.pop()
        return result

    table["UpdateKeyDescription"] = Operation(conflicting, writes=True)
    monkeypatch.setattr(service, "_tables", {**service.operations(), "kms": table})
    if not answered:
        with pytest.raises(ClientError) as refused:
            kms.update_key_description(KeyId=key_id, Description="twice")
        assert refused.value.response["Error"]["Code"] == "KMSInternalException"
        return
    kms.update_key_description(KeyId=key_id, Description="twice")
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == "twice"
    found = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "UpdateKeyDescription"}]
    )["Events"]
    assert len(found) == 1
    assert len(found[0]["Resources"]) == 1


@sqlite_only
def test_a_writer_gives_up_when_others_hold_the_database_too_long(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DATABASE_TIMEOUT", 0.1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.write():
            held.set()
            done.wait(10)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(OperationalError, match="other changes hold"):
        announce("entity")
    done.set()
    thread.join()
    announce("entity")


@postgresql_only
def test_a_lost_connection_is_made_again_by_whoever_needs_it(account: TestAccount, postgres_url: str) -> None:
    import psycopg

    kms, key_id = account.client(), account.create_key()
    for _ in range(2):
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        kms.describe_key(KeyId=key_id)
        kms.update_key_description(KeyId=key_id, Description="goes on")


@postgresql_only
def test_a_request_joins_only_a_look_that_began_after_it_came() -> None:
    from engine.store.postgresql.changes import Turns

    turns, began, go, looks = Turns(), threading.Event(), threading.Event(), []

    def slow() -> None:
        looks.append(1)
        began.set()
        go.wait(10)

    first = threading.Thread(target=turns.take, args=(slow,))
    first.start()
    began.wait(10)
    later = [threading.Thread(target=turns.take, args=(lambda: looks.append(2),)) for _ in range(5)]
    for thread in later:
        thread.start()
    time.sleep(0.1)
    assert looks == [1]  # they wait: the look under way may have begun before what they must see
    go.set()
    for thread in [first, *later]:
        thread.join()
    assert looks[:2] == [1, 2]
    assert len(looks) < 6  # one look served several


@postgresql_only
def test_a_database_that_does_not_answer_is_given_up(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    from engine.store.postgresql.base import connect

    link = connect()
    monkeypatch.setattr(settings, "DATABASE_TIMEOUT", 0.2)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="did not answer within"):
        link.execute("SELECT pg_sleep(5)")
    assert time.monotonic() - began < 3
    assert link.closed


@sqlite_only
def test_another_process_holding_the_lock_fails_a_change_in_awss_form(
    account: TestAccount, prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms, key_id = account.client(), account.create_key()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")
    holder = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ClientError) as refused:
        kms.disable_key(KeyId=key_id)
    assert refused.value.response["Error"]["Code"] == "KMSInternalException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    holder.execute("ROLLBACK")
    holder.close()
    connection.close()
    kms.disable_key(KeyId=key_id)


def test_accounts_do_not_see_each_others_changes_as_their_own(prepared: Any) -> None:
    first, second = new_account(), new_account()
    key_id = first.create_key()
    with pytest.raises(ClientError):
        second.client().describe_key(KeyId=key_id)
