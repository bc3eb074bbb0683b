"""No room on the disk, a trail that cannot be written, a database that is locked: calls fail as AWS fails, nothing is half done, and
when the cause is gone all goes on by itself, without a restart.
"""

from __future__ import annotations

import contextlib
import random
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.mixed import Load, Trail, check, workers
from tests.support.server import Server

pytestmark = pytest.mark.slow


def refusal(call: Any, **parameters: Any) -> dict[str, Any]:
    """The first refusal of a call that is made up to 3,000 times (what was written ahead may take some records)."""
    for _ in range(3000):
        try:
            call(**parameters)
        except ClientError as error:
            return dict(error.response)
    raise AssertionError("it was never refused")


def is_internal_failure(answer: dict[str, Any]) -> bool:
    return (
        answer["Error"]["Code"] == "KMSInternalException"
        and answer["Error"]["Message"] == "The request failed because of an internal error. Retry the request."
        and answer["ResponseMetadata"]["HTTPStatusCode"] == 500
    )


def until_answered(call: Any, **parameters: Any) -> Any:
    deadline = time.monotonic() + 60
    while True:
        try:
            return call(**parameters)
        except ClientError:
            assert time.monotonic() < deadline, "it did not recover"
            time.sleep(0.05)


def verified(server: Server) -> bool:
    done = server.manage("verify_trail")
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def test_a_full_disk_fails_calls_and_room_mends_them(small_disk: Path) -> None:
    server = Server(small_disk / "data", KMSCONSOLE_WORKERS="2")
    trail, chance = Trail(server), random.Random(1)
    with server:
        kms = server.client()
        with Load(server, "before") as load:
            load.wait_for(20)
        assert load.said.refused == [] or not any("Internal" in each for each in load.said.refused)
        for turn in range(2):
            fill(small_disk / "filler")
            answer = refusal(kms.update_key_description, KeyId=kms_key(trail), Description="x" * 8000)
            assert is_internal_failure(answer), answer
            with Load(server, f"full-{turn}") as starved:
                time.sleep(0.5)
            (small_disk / "filler").unlink()
            until_answered(kms.create_key, Description="there is room", Policy=open_policy())
            check(server, trail, starved.said, chance)
            check(server, trail, load.said, chance)
        assert verified(server)


def kms_key(trail: Trail) -> str:
    trail.look()
    return next(iter(trail.story()[0]))


def open_policy() -> str:
    from tests.faults.mixed import key_policy

    return key_policy("first")


def test_a_trail_that_cannot_be_written_fails_calls_and_is_written_again_afterwards(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_WORKERS="2")
    with server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"before")["CiphertextBlob"]
        limits = {worker: resource.prlimit(worker, resource.RLIMIT_FSIZE) for worker in workers(server)}
        for worker, (_, hard) in limits.items():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (64, hard))  # no file may be written beyond its 64th byte
        for call, parameters in (
            (kms.encrypt, {"KeyId": key_id, "Plaintext": b"x"}),
            (kms.decrypt, {"CiphertextBlob": sealed}),
            (kms.disable_key, {"KeyId": key_id}),
            (kms.create_key, {}),
            (kms.describe_key, {"KeyId": "alias/not-there"}),
        ):
            with pytest.raises(ClientError) as refused:
                call(**parameters)
            assert is_internal_failure(dict(refused.value.response))
        for worker, limit in limits.items():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, limit)
        assert until_answered(kms.decrypt, CiphertextBlob=sealed)["Plaintext"] == b"before"
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
        assert [key["KeyId"] for key in kms.list_keys()["Keys"]] == [key_id]
        kms.disable_key(KeyId=key_id)
        assert verified(server)


def test_a_read_only_trail_is_said_in_one_line_at_the_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    with server:
        pass
    trail = str(tmp_path / "data" / "trail")
    mounted = subprocess.run(["mount", "--bind", trail, trail], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", trail], check=True)
        done = server.manage("serve")
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Read-only" in done.stderr
    finally:
        subprocess.run(["umount", trail], check=True)
    with server:
        assert server.client().list_keys()["Keys"] == []


def test_a_locked_database_fails_changes_after_the_timeout_and_holds_up_nothing_else(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_WORKERS="1", KMSCONSOLE_DATABASE_TIMEOUT="1")
    with server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        holder = sqlite3.connect(tmp_path / "data" / "kmsconsole.sqlite3", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(ClientError) as refused:
            kms.disable_key(KeyId=key_id)
        assert is_internal_failure(dict(refused.value.response))
        assert 0.9 < time.monotonic() - began < 25
        kms.encrypt(KeyId=key_id, Plaintext=b"x")  # what changes nothing waits for nothing
        holder.execute("ROLLBACK")
        holder.close()
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
        kms.disable_key(KeyId=key_id)
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is False
        assert verified(server)
