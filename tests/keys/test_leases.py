"""Leases: one owner at a time, between threads; who lost one neither renews nor releases it, and stops its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from keys import leases
from keys.inventory import bulk, sync
from keys.inventory.models import InventoryKey, SyncState
from keys.models import BulkItem, BulkJob, Lease
from tests.conftest import TestAccount
from tests.support.server import ROOT


@pytest.fixture
def name(prepared: Path, request: pytest.FixtureRequest) -> str:
    return f"test {request.node.name}"[:128]


def test_a_lease_is_taken_once(name: str) -> None:
    held = leases.take(name, 30)
    assert held is not None
    assert leases.take(name, 30) is None
    assert leases.is_held(name)
    leases.release(held)
    assert not leases.is_held(name)
    assert leases.take(name, 30) is not None


def test_of_many_threads_one_gets_it(name: str) -> None:
    together, got = threading.Barrier(8), []

    def take() -> None:
        together.wait()
        got.append(leases.take(name, 30))
        connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(held is not None for held in got) == 1


def test_who_was_too_slow_has_lost_it_and_takes_nothing_from_the_next(name: str) -> None:
    slow = leases.take(name, -1)
    assert slow is not None
    quick = leases.take(name, 30)
    assert quick is not None
    assert not leases.renew(slow)
    leases.release(slow)
    assert leases.is_held(name)
    assert leases.renew(quick)


def test_a_renewed_lease_is_not_taken_over(name: str) -> None:
    held = leases.take(name, -1)
    assert held is not None
    held.seconds = 30
    assert leases.renew(held)
    assert leases.take(name, 30) is None


def test_a_job_whose_lease_was_taken_over_makes_no_call_more(account: TestAccount) -> None:
    job = BulkJob.objects.create(
        account_id=account.account_id, region="us-east-1", owner="x", action="disable", created=timezone.now()
    )
    keys = [account.create_key() for _ in range(2)]
    BulkItem.objects.bulk_create([BulkItem(job=job, key_id=key) for key in keys])
    slow = leases.take(f"bulk {job.pk}", -1)
    assert slow is not None
    assert leases.take(f"bulk {job.pk}", 30) is not None
    bulk._continue_in_thread(account.client(), job, slow)
    assert set(job.items.values_list("outcome", flat=True)) == {""}
    assert leases.is_held(f"bulk {job.pk}")


def test_a_reading_whose_lease_was_taken_over_reads_no_more(account: TestAccount) -> None:
    reader = sync.InventorySync(account.client(), account.account_id, "us-east-1", embedded=True)
    slow = leases.take(sync.lease_name(reader.place), -1)
    assert slow is not None
    assert leases.take(sync.lease_name(reader.place), 30) is not None
    steps: list[Any] = []
    reader._continue_in_thread(lambda held: bool(steps.append(held)), slow)
    assert steps == []


def test_what_a_reading_found_is_not_written_once_another_has_the_lease(account: TestAccount) -> None:
    """It was reading when its lease ran out: neither rows nor its place nor an error come behind those of the next reader."""
    account.create_key()
    place = {"account_id": account.account_id, "region": "us-east-1"}
    name = sync.lease_name(place)
    reader = sync.InventorySync(losing(account, name), **place, embedded=True)
    SyncState.objects.create(**place, started=timezone.now(), round=1)
    slow = leases.take(name, 30)
    assert slow is not None
    with pytest.raises(leases.LeaseLost):
        reader._full_read_step(slow)
    reader._store_problem(RuntimeError(), slow)
    mark = reader.state()
    assert (mark.done, mark.marker, mark.problem) == (0, "", "")
    assert not InventoryKey.objects.filter(**place).exists()
    assert leases.is_held(name)


def test_a_call_that_ended_after_the_lease_was_lost_is_not_noted(account: TestAccount) -> None:
    key_id = account.create_key()
    job = BulkJob.objects.create(
        account_id=account.account_id, region="us-east-1", owner="x", action="disable", created=timezone.now()
    )
    BulkItem.objects.create(job=job, key_id=key_id)
    slow = leases.take(f"bulk {job.pk}", 30)
    assert slow is not None
    with pytest.raises(leases.LeaseLost):
        bulk._step(losing(account, f"bulk {job.pk}"), job, slow)
    assert job.items.get().outcome == ""
    job.refresh_from_db()
    assert job.finished is None


def losing(account: TestAccount, name: str) -> Any:
    """A KMS client during whose calls the lease `name` is taken over."""
    kms = account.client()
    kms.meta.events.register("after-call.kms", lambda **_: take_over(name))
    return kms


def take_over(name: str) -> None:
    """As when the lease has run out."""
    Lease.objects.filter(name=name).update(expires=timezone.now())
    leases.take(name, 30)


def test_a_lease_is_not_taken_over_while_its_owner_writes(name: str) -> None:
    """Two threads take it from each other as often as they can, as if it ran out at once."""
    still_owner: list[bool] = []

    def work() -> None:
        for _ in range(20):
            Lease.objects.filter(name=name).update(expires=timezone.now())
            held = leases.take(name, 30)
            with suppress(leases.LeaseLost):
                if held is not None:
                    with leases.writing(held):
                        time.sleep(0.002)
                        still_owner.append(Lease.objects.get(name=name).owner == held.owner)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(still_owner) == {True}


TAKE_AND_DIE = """
import django, os, signal
django.setup()
from keys import leases
held = leases.take({name!r}, 1.0)
print("took" if held else "did not", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_another_process_takes_over_from_one_that_was_killed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKE_AND_DIE.format(name=name)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "took\n"), done.stderr
    deadline = time.monotonic() + 10
    while (held := leases.take(name, 30)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert held is not None


def test_work_in_small_steps_asks_the_database_only_now_and_then(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held = leases.take(name, 30)
    assert held is not None
    asked: list[int] = []
    monkeypatch.setattr(leases, "renew", lambda _held: bool(asked.append(1)) or True)
    assert all(leases.keep(held) for _ in range(100))
    assert asked == []
    held.renewed = time.monotonic() - 11
    assert leases.keep(held)
    assert asked == [1]
