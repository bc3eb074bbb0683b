"""Turns to change the SQLite database: of threads and of processes, first come, first served."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from engine.iam.models import SignInAttempt
from engine.store import transaction
from engine.store.sqlite.turn import NoTurn, Turn
from tests.support.threads import in_another_thread

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's locks")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def turn(tmp_path: Path) -> Turn:
    return Turn(str(tmp_path / "turn"))


def process(work: Any) -> Iterator[Any]:
    """Another process, and the pipe to it."""
    here, there = FORK.Pipe()
    child = FORK.Process(target=work, args=(there,))
    child.start()
    yield here
    child.kill()
    child.join()


def test_threads_come_in_the_order_in_which_they_asked(turn: Turn) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        turn.take(10)
        order.append(number)
        turn.give_back()

    turn.take(1)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(turn._queue) <= number:
            time.sleep(0.001)
    turn.give_back()
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_process_that_always_has_another_change_lets_others_in(turn: Turn) -> None:
    """Each of its threads asks again as soon as it had its turn."""

    def always(pipe: Any) -> None:
        def work() -> None:
            while True:
                turn.take(10)
                time.sleep(0.005)
                turn.give_back()

        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        pipe.send("busy")
        pipe.recv()

    for other in process(always):
        assert other.recv() == "busy"
        for _ in range(10):
            turn.take(1)  # which is many of its turns, and one of them is all that it waits for
            turn.give_back()


def test_the_turn_of_a_process_that_dies_is_free(turn: Turn) -> None:
    def hold(pipe: Any) -> None:
        turn.take(10)
        pipe.send("held")
        pipe.recv()

    for other in process(hold):
        assert other.recv() == "held"
        with pytest.raises(NoTurn):
            turn.take(0.01)
    turn.take(1)
    turn.give_back()


def test_who_gave_up_is_not_given_the_turn(turn: Turn) -> None:
    turn.take(1)
    gave_up: list[bool] = []

    def work() -> None:
        try:
            turn.take(0.01)
        except NoTurn:
            gave_up.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    turn.give_back()
    assert gave_up == [True]
    turn.take(0)
    turn.give_back()


def test_a_change_outside_a_transaction_waits_for_its_turn_too(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATABASE_TIMEOUT", 0.05)

    def change() -> None:
        SignInAttempt.objects.filter(who="nobody").update(who="nobody")

    with transaction.write():
        (failed,) = in_another_thread(change)
        assert isinstance(failed, OperationalError)
        assert transaction.busy(failed)
        assert in_another_thread(lambda: SignInAttempt.objects.count()) == []  # who reads waits for nobody
    assert in_another_thread(change) == []


def test_a_transaction_that_fails_in_any_way_gives_its_turn_back(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.cursor().execute("PRAGMA busy_timeout = 50")
    holder = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # as a program that knows nothing of turns
    with pytest.raises(OperationalError, match="database is locked"), transaction.write():
        pass
    holder.close()
    with pytest.raises(ZeroDivisionError), transaction.write():
        raise ZeroDivisionError
    with transaction.write():
        connection.close()  # as where a worker's database is gone
    monkeypatch.setattr(settings, "DATABASE_TIMEOUT", 0.05)
    with transaction.write():
        pass
