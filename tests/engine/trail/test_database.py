"""The trail in PostgreSQL: a chain for each account, whole batches or nothing, mended connections, damage found where it is.

Runs where the tests' own database is PostgreSQL: KMSCONSOLE_TEST_DATABASE=postgresql (tests/nodes/test_on_postgresql.py does that).
"""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection, transaction

from engine import clock
from engine.trail import query, recorder, verification, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.record import ServiceEvent, service_event
from tests.conftest import TestAccount

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="the tests' database is not PostgreSQL")


def event(account_id: str, name: str = "Something") -> bytes:
    return service_event(
        ServiceEvent(
            account_id=account_id, region="us-east-1", source="kms.amazonaws.com", name=name, now=clock.real_now()
        )
    )


def chain(account_id: str) -> list[tuple[int, bytes, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequence, digest, record FROM trail_event WHERE account = %s ORDER BY sequence", [account_id]
        )
        return [(sequence, bytes(digest), record) for sequence, digest, record in cursor.fetchall()]


def test_each_account_has_a_chain_of_its_own(account: TestAccount, other_account: TestAccount) -> None:
    for number in range(3):
        for each in (account, other_account):
            recorder.record([event(each.account_id, f"N{number}")])
    for each in (account, other_account):
        previous = bytes(32)
        for place, (sequence, digest, record) in enumerate(chain(each.account_id), 1):
            assert sequence == place
            assert digest == (previous := sha256(previous + record.encode()).digest())
    assert verification.run()[0].whole


def test_records_of_many_accounts_and_threads_are_numbered_without_a_gap(
    account: TestAccount, other_account: TestAccount
) -> None:
    from engine.trail.database import DatabaseJournal

    journals = [DatabaseJournal(), DatabaseJournal()]
    ids = [account.account_id, other_account.account_id]

    def work(number: int) -> None:
        for turn in range(20):
            journals[number % 2].append(event(ids[(number + turn) % 2], f"T{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    assert sum(record.count('"eventName":"T') for each in ids for _, _, record in chain(each)) == 120
    for each in ids:
        assert [sequence for sequence, _, _ in chain(each)] == list(range(1, len(chain(each)) + 1))
    assert verification.run()[0].whole


def test_a_change_that_is_rolled_back_leaves_no_record(account: TestAccount) -> None:
    class Stop(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            recorder.record_change([event(account.account_id, "NeverWas")])
            raise Stop

    with pytest.raises(Stop):
        fail()
    recorder.record([event(account.account_id, "Was")])
    names = [json.loads(record)["eventName"] for _, _, record in chain(account.account_id)]
    assert names == ["Was"]


def test_a_record_the_database_refuses_fails_its_call_and_the_journal_goes_on(account: TestAccount) -> None:
    before = chain(account.account_id)
    with pytest.raises(TrailUnavailable):
        recorder.record([event(account.account_id).replace(b"us-east-1", b"us-\0east-1")])
    assert chain(account.account_id) == before
    recorder.record([event(account.account_id)])
    assert len(chain(account.account_id)) == len(before) + 1


def test_a_server_that_is_gone_fails_calls_until_it_is_back(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from engine.trail import database

    def refuse() -> Any:
        raise psycopg.OperationalError("connection refused")

    recorder.journal().close()
    with monkeypatch.context() as patched:
        patched.setattr(database, "connect", refuse)
        with pytest.raises(TrailUnavailable, match="connection refused"):
            recorder.record([event(account.account_id)])
    recorder.record([event(account.account_id)])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE trail_event SET record = record || ' ' WHERE account = %s AND sequence = 2", "its hash is not that"),
        ("DELETE FROM trail_event WHERE account = %s AND sequence = 2", "record 3 stands where 2 should"),
        ("DELETE FROM trail_event WHERE account = %s AND sequence = 3", "it is missing: the chain ended at 3"),
    ],
)
def test_damage_is_found_in_the_account_where_it_is(account: TestAccount, damage: str, said: str) -> None:
    recorder.record([event(account.account_id) for _ in range(3)])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(damage, [account.account_id])
        verdict, _statement = verification.run()
        transaction.set_rollback(True)
    assert not verdict.whole
    assert f"account {account.account_id}" in verdict.reason
    assert said in verdict.reason
    assert verification.run()[0].whole


def test_recovery_has_nothing_to_mend(account: TestAccount) -> None:
    recorder.record([event(account.account_id)])
    assert verify.recover() == 0
    assert recorder.journal().recover() >= 1


def test_last_uses_and_the_first_event_are_found(account: TestAccount) -> None:
    kms, key = account.client(), account.client().create_key()["KeyMetadata"]
    assert query.last_use(account.account_id, key["Arn"]) is None
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    kms.describe_key(KeyId=key["KeyId"])
    use = query.last_use(account.account_id, key["Arn"])
    assert use is not None
    assert use.operation == "Encrypt"
    by_key = query.last_use_of_access_key(account.account_id, account.administrator.access_key_id)
    assert by_key is not None
    assert by_key.operation == "DescribeKey"
    assert query.last_use_of_role(account.account_id, "arn:aws:iam::1:role/none") is None
    assert query.first_event_time(account.account_id) is not None
