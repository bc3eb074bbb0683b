"""Leases: one owner at a time, between threads; who lost one neither renews nor releases it, and stops its work."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from keys import leases
from keys.inventory import bulk, follow
from keys.models import BulkItem, BulkJob
from tests.conftest import TestAccount


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
    bulk._go_on(account.client(), job, slow)
    assert set(job.items.values_list("outcome", flat=True)) == {""}
    assert leases.is_held(f"bulk {job.pk}")


def test_a_reading_whose_lease_was_taken_over_reads_no_more(account: TestAccount) -> None:
    reader = follow.Follower(account.client(), account.account_id, "us-east-1", ours=True)
    slow = leases.take(follow.lease_name(reader.place), -1)
    assert slow is not None
    assert leases.take(follow.lease_name(reader.place), 30) is not None
    steps: list[Any] = []
    reader._go_on(lambda: bool(steps.append(1)), slow)
    assert steps == []


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
