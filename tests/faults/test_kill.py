"""The server, or one of its workers, is killed (SIGKILL) at random moments under mixed load, again and again on the same data.

Each time: every acknowledged change and call is there, the chain is whole, and trail and state tell the same story. The short form
runs with all tests; `make faults` runs FAULT_ROUNDS=100 on SQLite and a fifth of it on PostgreSQL.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.trail import verify
from tests.faults.mixed import Load, Trail, check, kill_a_worker
from tests.support.postgres import Postgres
from tests.support.server import Server

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("FAULT_ROUNDS", 3))
SEED = os.environ.get("FAULT_SEED", str(random.randrange(10**6)))


def rounds(server: Server, number: int) -> None:
    print(f"FAULT_SEED={SEED}")
    trail, chance = Trail(server), random.Random(SEED)
    calls = changes = 0
    server.start()
    try:
        calls, changes = played(server, number, trail, chance)
    finally:
        server.kill()
    assert calls > 5 * number
    assert changes > number
    print(f"{number} rounds: {calls} calls acknowledged, {changes} changes, {len(trail.voided)} voided")


def played(server: Server, number: int, trail: Trail, chance: random.Random) -> tuple[int, int]:
    """How many calls were acknowledged, and how many changes there are."""
    calls = changes = 0
    for turn in range(number):
        with Load(server, f"{SEED}-{turn}") as load:
            # At first so many that two rounds are enough to tell.
            load.wait_for(chance.randrange(1, 40) if turn else 40)
            if chance.random() < 0.4:
                kill_a_worker(server, chance)  # the others go on, and a new one takes its place
                load.wait_for(len(load.said.requests) + chance.randrange(10, 40))
            server.kill()
        failed = [each for each in load.said.refused if "Internal" in each]
        assert not failed, f"{len(failed)} internal failures: {server.output()[-6000:]}"
        server.start()
        check(server, trail, load.said, chance)
        calls, changes = calls + len(load.said.requests), len(trail.changes)
    return calls, changes


def test_killed_on_sqlite_nothing_acknowledged_is_lost_and_nothing_is_half_done(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_WORKERS="2")
    rounds(server, ROUNDS)
    verdict = verify.verify(tmp_path / "data" / "trail" / "journal")
    assert verdict.whole, verdict.reason


def test_killed_on_postgresql_nothing_acknowledged_is_lost_and_nothing_is_half_done(
    postgres: Postgres, tmp_path: Path
) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_WORKERS="2", KMSCONSOLE_DATABASE_URL=postgres.database())
    rounds(server, max(2, ROUNDS // 5))
    checked = server.manage("verify_trail")
    assert checked.returncode == 0, checked.stdout + checked.stderr
