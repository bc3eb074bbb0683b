"""The trail or the database is cut, exchanged or taken away at random between a kill and the next start, again and again on the same data.

Each time the start refuses unless nothing that must be there is missing, and after `accept_lost_records` all goes on and is recorded.
The short form runs with all tests; `make faults` runs FAULT_ROUNDS=100 of it.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.mixed import Load
from tests.support.server import Server

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("FAULT_ROUNDS", 2))
SEED = os.environ.get("FAULT_SEED", str(random.randrange(10**6)))


def lines(folder: Path) -> list[bytes]:
    return (folder / "trail" / "journal").read_bytes().rstrip(b"\0").splitlines(keepends=True)


def cut(folder: Path, before: Path, chance: random.Random) -> None:
    """Behind a record that was there before the load, so that what a checkpoint names is gone for sure."""
    kept = lines(folder)[: chance.randrange(len(lines(before)))]
    (folder / "trail" / "journal").write_bytes(b"".join(kept))


def take_away(folder: Path, before: Path, chance: random.Random) -> None:
    shutil.rmtree(folder / "trail") if chance.random() < 0.5 else (folder / "trail" / "journal").unlink()


def put_back_older_journal(folder: Path, before: Path, chance: random.Random) -> None:
    shutil.copy(before / "trail" / "journal", folder / "trail" / "journal")


def put_back_older_database(folder: Path, before: Path, chance: random.Random) -> None:
    for each in folder.glob("kmsconsole.sqlite3*"):
        each.unlink()
    for each in before.glob("kmsconsole.sqlite3*"):
        shutil.copy(each, folder)


def exchange(folder: Path, before: Path, chance: random.Random) -> None:
    """Each record says something else, and the chain over them is whole: as one makes it who knows how it is made."""
    from hashlib import sha256

    digest, made = bytes(32), []
    for number, line in enumerate(lines(folder), 1):
        record = line[:-1].split(b" ", 2)[2].replace(b'"eventVersion":"1.1', b'"eventVersion":"1.0', 1)
        digest = sha256(digest + record).digest()
        made.append(b"%d %s %s\n" % (number, digest.hex().encode(), record))
    (folder / "trail" / "journal").write_bytes(b"".join(made))


DAMAGES: tuple[Callable[[Path, Path, random.Random], None], ...] = (
    cut,
    take_away,
    put_back_older_journal,
    put_back_older_database,
    exchange,
)


def test_what_is_lost_between_two_starts_is_refused_and_only_gone_on_with_when_it_is_recorded(tmp_path: Path) -> None:
    print(f"FAULT_SEED={SEED}")
    server, chance = Server(tmp_path / "data", KMSCONSOLE_WORKERS="2"), random.Random(SEED)
    first = chance.randrange(len(DAMAGES))  # the short form plays some of them, another some each time
    server.start()
    for _ in range(3):
        server.client().create_key()
    for turn in range(ROUNDS):
        server.kill()
        before = tmp_path / f"before-{turn}"
        shutil.copytree(server.folder, before)
        server.start()
        with Load(server, f"{SEED}-{turn}") as load:
            load.wait_for(60)
            server.kill()
        damage = DAMAGES[(first + turn) % len(DAMAGES)]
        damage(server.folder, before, chance)
        with pytest.raises(RuntimeError, match="is not complete"):
            server.start()
        accepted = server.manage("accept_lost_records", "--reason", damage.__name__)
        assert accepted.returncode == 0, f"{damage.__name__}: {accepted.stderr}"
        server.start()
        recorded = [line for line in lines(server.folder) if b'"AuditRecordsLost"' in line]
        assert damage.__name__.encode() in recorded[-1]
        assert server.client().list_keys()["ResponseMetadata"]["HTTPStatusCode"] == 200
        shutil.rmtree(before)
    server.kill()
    assert server.manage("verify_trail").returncode == 0
