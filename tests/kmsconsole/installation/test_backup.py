"""Backups: taken under load they hold one moment, restored they open all that was made before; never over existing data."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.postgres import Postgres
from tests.support.server import Server

pytestmark = pytest.mark.slow


class Load:
    """Keys made, used, rotated and described by four threads until it is stopped; remembers what was acknowledged, and when."""

    def __init__(self, server: Server) -> None:
        self._server, self._stop = server, threading.Event()
        self.ciphertexts: list[tuple[float, bytes, bytes]] = []
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _work(self, number: int) -> None:
        kms = self._server.client()
        try:
            for turn in range(10_000):
                if self._stop.is_set():
                    return
                key_id = kms.create_key(Description=f"{number}/{turn}")["KeyMetadata"]["KeyId"]
                for part in range(4):
                    plaintext = f"{number}/{turn}/{part}".encode()
                    sealed = kms.encrypt(KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
                    self.ciphertexts.append((time.monotonic(), sealed, plaintext))
                kms.rotate_key_on_demand(KeyId=key_id)
        except BaseException as error:
            self.failures.append(error)


def restored(server: Server, archive: Path, folder: Path, **environment: str) -> Server:
    """A server on what a backup holds, not yet started."""
    folder.mkdir(parents=True)
    shutil.copy(server.folder / "root.key", folder / "root.key")
    other = Server(folder, **environment)
    done = other.manage("restore", str(archive))
    assert done.returncode == 0, done.stdout + done.stderr
    return other


def check_restore_of_a_backup_under_load(server: Server, tmp_path: Path, **environment: str) -> None:
    archive = tmp_path / "backup.tar"
    with Load(server) as load:
        while len(load.ciphertexts) < 15:
            assert not load.failures
            time.sleep(0.02)
        began = time.monotonic()
        done = server.manage("backup", str(archive))
        assert done.returncode == 0, done.stderr
        time.sleep(0.2)
    assert load.failures == []
    before = [(blob, plaintext) for when, blob, plaintext in load.ciphertexts if when < began]
    assert len(before) >= 15
    assert len(before) < len(load.ciphertexts), "nothing went on while the backup was taken"
    with restored(server, archive, tmp_path / "restored", **environment) as other:
        kms = other.client()
        for blob, plaintext in before:
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext
        found = other.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "EventVoided"}]
        )["Events"]
        assert found == []  # database and trail are of one moment
        checked = other.manage("verify_trail")
        assert checked.returncode == 0, checked.stderr


def test_a_backup_under_load_opens_everything_made_before_it(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        check_restore_of_a_backup_under_load(server, tmp_path)


def test_a_backup_under_load_on_postgresql_opens_everything_made_before_it(postgres: Postgres, tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_DATABASE_URL=postgres.database()) as server:
        check_restore_of_a_backup_under_load(server, tmp_path, KMSCONSOLE_DATABASE_URL=postgres.database(empty=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(server that has stopped, its backup without and with the root key, a ciphertext of it)"""
    folder = tmp_path_factory.mktemp("made")
    with Server(folder / "data") as server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        blob = server.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        assert server.manage("backup", str(folder / "plain.tar")).returncode == 0
        assert server.manage("backup", "--with-root-key", str(folder / "whole.tar")).returncode == 0
    return server, folder / "plain.tar", folder / "whole.tar", blob


def test_a_backup_is_its_owners_alone_and_holds_no_root_key_unless_asked(made: Any) -> None:
    server, plain, whole, _ = made
    key = (server.folder / "root.key").read_bytes()
    assert plain.stat().st_mode & 0o777 == whole.stat().st_mode & 0o777 == 0o600
    assert key.splitlines()[1] not in plain.read_bytes()
    assert key.splitlines()[1] in whole.read_bytes()
    with tarfile.open(plain) as archive:
        assert sorted(archive.getnames()) == ["database.sqlite3", "journal", "manifest.json"]
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["format"] == "kmsconsole-backup-1"
    assert manifest["records"] >= 2


def test_a_backup_never_replaces_a_file(made: Any) -> None:
    server, plain, _, _ = made
    beside = plain.with_name("next.tar.part")
    beside.write_bytes(b"somebody's")
    before = plain.read_bytes()
    done = server.manage("backup", str(plain))
    assert done.returncode != 0
    assert "never replaces" in done.stderr
    assert plain.read_bytes() == before
    assert server.manage("backup", str(plain.with_name("next.tar"))).returncode == 0
    assert beside.read_bytes() == b"somebody's"


def test_a_backup_with_the_root_key_is_all_that_a_new_place_needs(made: Any, tmp_path: Path) -> None:
    _, _, whole, blob = made
    other = Server(tmp_path / "new")
    done = other.manage("restore", str(whole))
    assert done.returncode == 0, done.stderr
    with other:
        assert other.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_without_a_root_key_it_says_which_is_needed_and_does_not_start(made: Any, tmp_path: Path) -> None:
    server, plain, _, blob = made
    other = Server(tmp_path / "new")
    done = other.manage("restore", str(plain))
    assert done.returncode == 0, done.stderr
    assert "Put the root key with ID" in done.stdout
    refused = other.manage("serve")
    assert refused.returncode != 0
    assert "is missing" in refused.stderr
    shutil.copy(server.folder / "root.key", tmp_path / "new" / "root.key")
    with other:
        assert other.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_it_refuses_another_root_key_existing_data_a_running_server_and_damage(made: Any, tmp_path: Path) -> None:
    server, plain, _, _ = made
    with Server(tmp_path / "other") as other:
        running = other.manage("restore", str(plain))
        assert "another server is running" in running.stderr
    existing = other.manage("restore", str(plain))
    assert "is not the one of this backup" in existing.stderr
    stranger = Server(tmp_path / "a").manage("restore", str(plain), "--root-key", str(tmp_path / "other" / "root.key"))
    assert "is not the one of this backup" in stranger.stderr
    occupied = server.manage("restore", str(plain))
    assert "restore only into an empty data folder" in occupied.stderr
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "kmsconsole.sqlite3-wal").write_bytes(b"changes of a database that was here")
    left = Server(tmp_path / "c").manage("restore", str(plain))
    assert "restore only into an empty data folder" in left.stderr
    content = bytearray(plain.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(content)
    damaged = Server(tmp_path / "b").manage("restore", str(tmp_path / "damaged.tar"))
    assert "is damaged" in damaged.stderr
    (tmp_path / "nothing.tar").write_bytes(b"no archive at all")
    nothing = Server(tmp_path / "b").manage("restore", str(tmp_path / "nothing.tar"))
    assert "is not a backup" in nothing.stderr
    for done in (running, existing, stranger, occupied, left, damaged, nothing):
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "b" / "kmsconsole.sqlite3").exists()


def test_records_after_the_backup_are_not_in_it_and_the_restored_one_goes_on(made: Any, tmp_path: Path) -> None:
    server, plain, _, _ = made
    with restored(server, plain, tmp_path / "again") as other:
        kms = other.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        with pytest.raises(ClientError):
            kms.describe_key(KeyId="00000000-0000-4000-8000-000000000000")
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"]
        assert other.manage("verify_trail").returncode == 0
