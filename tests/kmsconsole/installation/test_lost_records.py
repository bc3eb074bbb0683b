"""The record cannot be lost unseen: a trail that is removed, emptied, cut, exchanged or rolled back is refused at the start, told by
every command that looks, and gone on with only by a command that records it. So is a database that is gone."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.long_form import LONG
from tests.support.postgres import Postgres
from tests.support.server import Server

# How a trail can be lost, and who tells it, have nothing to do with each other: a start tells each loss, the commands that look tell the
# first of its kind here, and each by `make walks`.
LOOKING = ("verify_trail", "check")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """An installation with two changes and then, more than a second later, calls that changed nothing; and then it was stopped."""
    server = Server(tmp_path_factory.mktemp("used") / "data", KMSCONSOLE_WORKERS="1")
    with server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/first", TargetKeyId=key_id)
        for _ in range(20):
            kms.encrypt(KeyId=key_id, Plaintext=b"x")
    return server


@pytest.fixture
def used(stopped: Server, tmp_path: Path) -> Server:
    """A copy of that installation."""
    shutil.copytree(stopped.folder, tmp_path / "data")
    return Server(tmp_path / "data", KMSCONSOLE_WORKERS="1")


def lines(trail: Path) -> list[bytes]:
    """The journal's lines, without the zeros behind them."""
    return (trail / "journal").read_bytes().rstrip(b"\0").splitlines(keepends=True)


def records(server: Server) -> int:
    return len(lines(server.folder / "trail"))


def remove(trail: Path) -> None:
    (trail / "journal").unlink()


def remove_all(trail: Path) -> None:
    shutil.rmtree(trail)


def empty(trail: Path) -> None:
    (trail / "journal").write_bytes(b"")


def cut_a_call(trail: Path) -> None:
    (trail / "journal").write_bytes(b"".join(lines(trail)[:-1]))


def cut_half(trail: Path) -> None:
    (trail / "journal").write_bytes(b"".join(lines(trail)[: len(lines(trail)) // 2]))


def cut_half_and_forget(trail: Path) -> None:
    cut_half(trail)
    (trail / "lock").unlink()
    (trail / "changes").unlink()
    (trail / "index.sqlite3").unlink(missing_ok=True)


LOSSES = [remove, remove_all, empty, cut_a_call, cut_half, cut_half_and_forget]


def refusal(server: Server) -> str:
    """What a start says that refuses."""
    with pytest.raises(RuntimeError, match="the server ended with 1") as refused:
        server.start()
    said = str(refused.value)
    assert "Traceback" not in said
    return said


def commands(server: Server, *names: str) -> dict[str, tuple[int, str]]:
    """(exit code, what it says) of each of several commands."""
    said = {}
    for name in names:
        done = server.manage(name)
        assert "Traceback" not in done.stderr
        said[name] = (done.returncode, done.stdout + done.stderr)
    return said


@pytest.mark.parametrize("lose", LOSSES)
def test_a_start_refuses_and_commands_say_how_many_records_of_which_time_are_gone(
    used: Server, lose: Callable[[Path], None]
) -> None:
    had = records(used)
    lose(used.folder / "trail")
    left = records(used) if (used.folder / "trail" / "journal").exists() else 0
    said = commands(used, *(LOOKING if lose is cut_half or LONG else ()), "serve")
    gone = f"{had - left} records are missing: numbers {left + 1} to {had}, recorded between "
    if had - left == 1:
        gone = f"1 record is missing: number {had}, recorded between "
    for code, text in said.values():
        assert code == 1
        assert gone in text
        assert time.strftime("and %Y-") in text
    assert "accept_lost_records" in said["serve"][1]


def test_a_trail_of_another_installation_is_refused(used: Server, tmp_path: Path) -> None:
    other = Server(tmp_path / "other", KMSCONSOLE_WORKERS="1")
    with other:
        for _ in range(40):
            other.client().list_keys()
    shutil.copy(other.folder / "trail" / "journal", used.folder / "trail" / "journal")
    for code, text in commands(used, "serve", "verify_trail", "check").values():
        assert code == 1
        assert "is not the one that was recorded: the trail was exchanged before" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE store_trailmark SET checkpoint = ''", "the stored checkpoint of the audit trail is gone"),
        ("DELETE FROM store_trailmark", "the stored checkpoint of the audit trail is gone"),
        (
            "DELETE FROM store_trailmark; DELETE FROM trail_signingkey",
            "the stored checkpoint of the audit trail is gone",
        ),
        ("UPDATE store_trailmark SET checkpoint = 'x'", "is not genuine: it has no signature"),
        ("UPDATE store_trailmark SET checkpoint = replace(checkpoint, 'time 2', 'time 1')", "is not genuine"),
        ("UPDATE trail_signingkey SET public_key = replace(public_key, 'a', 'b')", "does not open"),
    ],
)
def test_a_checkpoint_that_is_gone_or_forged_is_refused(used: Server, change: str, said: str) -> None:
    import sqlite3

    with sqlite3.connect(used.folder / "kmsconsole.sqlite3") as database:
        database.executescript(change)
    database.close()
    for code, text in commands(used, "serve", *(LOOKING if said == "is not genuine" or LONG else ())).values():
        assert code == 1
        assert said in text


def test_an_installation_from_before_checkpoints_gets_its_first_at_a_start(used: Server) -> None:
    import sqlite3

    with sqlite3.connect(used.folder / "kmsconsole.sqlite3") as database:
        database.executescript(
            "DROP TABLE trail_signingkey; UPDATE store_trailmark SET checkpoint = '', reached = 0;"
            "DROP TABLE trail_cosignature; DROP TABLE trail_logcheckpoint; DROP TABLE trail_verification;"
            "DELETE FROM django_migrations WHERE app = 'trail' AND name >= '0002_checkpoints'"
        )
    database.close()
    with used:
        pass
    ((code, text),) = commands(used, "verify_trail").values()
    assert (code, text.partition(":")[0]) == (0, "whole")


@pytest.mark.parametrize("hint", [b"\xff" * 80, b"\x01" * 80, b""], ids=["ones", "far beyond the end", "nothing"])
def test_what_workers_share_of_the_journals_end_is_a_hint_and_no_more(used: Server, hint: bytes) -> None:
    number = records(used)
    (used.folder / "trail" / "lock").write_bytes(hint)
    with used:
        pass
    assert records(used) >= number
    ((code, text),) = commands(used, "verify_trail").values()
    assert (code, text.partition(":")[0]) == (0, "whole")


def test_going_on_without_the_lost_records_is_recorded_and_only_then_a_start_serves(used: Server) -> None:
    had = records(used)
    cut_half(used.folder / "trail")
    left = records(used)
    refusal(used)
    assert used.manage("accept_lost_records").returncode != 0  # without a reason
    done = used.manage("accept_lost_records", "--reason", "the disk was replaced")
    assert done.returncode == 0, done.stderr
    assert f"{had - left} records are missing: numbers {left + 1} to {had}" in done.stdout
    assert len(list((used.folder / "trail").glob("journal.found-*"))) == 1
    with used:
        found = events(used)
        assert used.manage("verify_trail").returncode == 0
    lost = next(event for event in found if event["eventName"] == "AuditRecordsLost")["serviceEventDetails"]
    assert lost["reason"] == "the disk was replaced"
    assert lost["missing"].startswith(f"{had - left} records are missing")
    assert f"\n{had}\n" in lost["checkpointNotReached"]
    again = used.manage("accept_lost_records", "--reason", "once more")
    assert again.returncode == 1
    assert "nothing is missing" in again.stderr


def events(server: Server) -> list[dict[str, Any]]:
    pages = server.client("cloudtrail").get_paginator("lookup_events").paginate()
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


@pytest.mark.parametrize("lose", [remove, empty, cut_half])
def test_events_are_found_after_a_loss_was_accepted_though_the_index_was_of_the_longer_trail(
    used: Server, lose: Callable[[Path], None]
) -> None:
    with used:
        events(used)  # the index holds all
    lose(used.folder / "trail")
    assert used.manage("accept_lost_records", "--reason", "a test").returncode == 0
    with used:
        assert [event["eventName"] for event in events(used)].count("AuditRecordsLost") == 1


@pytest.fixture
def running(used: Server) -> Iterator[Server]:
    used.start()
    yield used
    used.kill()


@pytest.mark.parametrize("lose", [remove, empty, cut_half])
def test_a_running_server_answers_no_call_more_when_its_trail_is_taken_away(
    running: Server, lose: Callable[[Path], None]
) -> None:
    kms = running.client()
    kms.list_keys()
    lose(running.folder / "trail")
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            kms.list_keys()
        assert refused.value.response["Error"]["Code"] == "KMSInternalException"


def test_a_running_server_whose_trail_was_exchanged_notices_within_seconds(running: Server) -> None:
    journal = running.folder / "trail" / "journal"
    shutil.copy(journal, journal.with_suffix(".copy"))
    os.replace(journal.with_suffix(".copy"), journal)

    def call_for_ten_seconds() -> None:
        for _ in range(100):
            running.client().list_keys()
            time.sleep(0.1)

    with pytest.raises(ClientError, match="KMSInternalException"):
        call_for_ten_seconds()


def test_calls_that_change_nothing_move_the_checkpoint_within_a_second_or_two(running: Server) -> None:
    kms = running.client()
    for _ in range(30):
        kms.list_keys()
    time.sleep(2.5)
    running.kill()
    had = records(running)
    cut_a_call(running.folder / "trail")
    assert f"1 record is missing: number {had}" in refusal(running)


@pytest.mark.parametrize("gone", ["file", "empty", "with the journal"])
def test_a_database_that_is_gone_is_never_made_anew_beside_what_is_left(used: Server, gone: str) -> None:
    for each in used.folder.glob("kmsconsole.sqlite3*"):
        each.unlink()
    if gone == "empty":
        (used.folder / "kmsconsole.sqlite3").touch()
    if gone == "with the journal":
        shutil.rmtree(used.folder / "trail")
    before = sorted(path.name for path in used.folder.iterdir())
    for code, text in commands(used, "serve", "check").values():
        assert code == 1
        assert "kmsconsole.sqlite3 is missing or empty" in text
    assert sorted(path.name for path in used.folder.iterdir()) == before


def test_an_emptied_database_of_this_version_is_refused_too(used: Server, tmp_path: Path) -> None:
    """As after `manage.py migrate` on a new file: tables, and nothing in them."""
    for each in used.folder.glob("kmsconsole.sqlite3*"):
        each.unlink()
    elsewhere = Server(tmp_path / "elsewhere")
    assert elsewhere.manage("migrate").returncode == 0
    shutil.copy(elsewhere.folder / "kmsconsole.sqlite3", used.folder)
    assert "is missing or empty, and the audit journal of an installation is there" in refusal(used)


def test_a_database_that_is_older_than_the_trail_is_refused_and_what_it_lacks_is_voided(
    used: Server, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for each in used.folder.glob("kmsconsole.sqlite3*"):
        shutil.copy(each, older)
    with used:
        made = [used.client().create_key()["KeyMetadata"]["KeyId"] for _ in range(3)]
    for each in used.folder.glob("kmsconsole.sqlite3*"):
        each.unlink()
    shutil.copytree(older, used.folder, dirs_exist_ok=True)
    for code, text in commands(used, "serve", "check").values():
        assert code == 1
        assert "the database is older than the audit trail: 3 changes, recorded between" in text
    assert used.manage("accept_lost_records", "--reason", "a test").returncode == 0
    with used:
        found = events(used)
        assert len(used.client().list_keys()["Keys"]) == 1
    assert sum(event.get("voided", False) for event in found) == len(made)
    assert [event["eventName"] for event in found].count("AuditRecordsLost") == 1


@pytest.fixture
def on_postgresql(postgres: Postgres, tmp_path: Path) -> Server:
    """Stopped, with a trail of six records."""
    server = Server(tmp_path / "data", KMSCONSOLE_WORKERS="1", KMSCONSOLE_DATABASE_URL=postgres.database())
    with server:
        server.client().create_key()
        for _ in range(5):
            server.client().list_keys()
    return server


def test_on_postgresql_a_trail_that_was_rolled_back_is_refused_and_gone_on_with(on_postgresql: Server) -> None:
    import psycopg

    server = on_postgresql
    with psycopg.connect(server.environment["KMSCONSOLE_DATABASE_URL"]) as database:
        database.execute("DELETE FROM trail_event WHERE sequence > 2")
        database.execute(
            "UPDATE trail_head SET sequence = 2, digest = (SELECT digest FROM trail_event WHERE sequence = 2)"
        )
    for code, text in commands(server, "serve", "verify_trail", "check").values():
        assert code == 1
        assert "account 111122223333: 4 records are missing: numbers 3 to 6, recorded between" in text
    assert server.manage("accept_lost_records", "--reason", "a test").returncode == 0
    with server:
        assert [event["eventName"] for event in events(server)].count("AuditRecordsLost") == 1
        assert server.manage("verify_trail").returncode == 0


def test_on_postgresql_a_trail_that_is_taken_away_while_a_server_runs_is_noticed_by_the_next_call_and_at_the_start(
    on_postgresql: Server,
) -> None:
    import psycopg

    server = on_postgresql
    with server:  # whose checkpoint is of all six
        kms = server.client()
        kms.list_keys()
        with psycopg.connect(server.environment["KMSCONSOLE_DATABASE_URL"]) as database:
            for table in ("trail_resource", "trail_event", "trail_head", "trail_logcheckpoint"):
                database.execute(f"DELETE FROM {table}")
        for call in (kms.list_keys, kms.create_key):
            with pytest.raises(ClientError) as refused:
                call()
            assert refused.value.response["Error"]["Code"] == "KMSInternalException"
        kept = (server.folder / "trail.checkpoint").read_text()
        time.sleep(1.2)  # the checkpoint would be moved meanwhile
        assert (server.folder / "trail.checkpoint").read_text() == kept
    assert "records are missing: numbers 1 to " in refusal(server)


def test_a_data_folder_is_closed_to_other_users_at_the_start(used: Server) -> None:
    used.folder.chmod(0o755)
    for path in used.folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (used.folder / "notes.txt").write_text("not ours")
    (used.folder / "notes.txt").chmod(0o644)
    with used:
        used.client().list_keys()
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [used.folder, *used.folder.rglob("*")]}
    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {"notes.txt": "0o644"}


def test_a_new_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    careless = (
        "import os; os.umask(0); import runpy, sys; sys.argv = ['manage.py', 'serve']; runpy.run_path('manage.py', "
        "run_name='__main__')"
    )
    server = Server(tmp_path / "new", bare=True, program=(sys.executable, "-c", careless), command=())
    with server:
        server.client().create_key()
        server.client("cloudtrail").lookup_events()
        modes = {path.name: path.stat().st_mode & 0o077 for path in [server.folder, *server.folder.rglob("*")]}
    assert {name for name, mode in modes.items() if mode} == set()


def test_a_folder_that_all_users_share_is_no_data_folder(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert "is one that all users share" in refusal(Server(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_a_backup_whose_journal_does_not_reach_its_databases_checkpoint_is_not_restored(
    used: Server, tmp_path: Path
) -> None:
    import hashlib
    import io
    import tarfile

    saved = tmp_path / "backup.tar"
    assert used.manage("backup", str(saved), "--with-root-key").returncode == 0
    with tarfile.open(saved) as archive:
        members = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}  # type: ignore[union-attr]
    entries = members["journal"].splitlines(keepends=True)
    members["journal"] = b"".join(entries[:5])
    manifest = json.loads(members.pop("manifest.json"))
    manifest["records"], manifest["lastHash"] = 5, entries[4].split(b" ")[1].decode()
    manifest["members"]["journal"] = {
        "bytes": len(members["journal"]),
        "sha256": hashlib.sha256(members["journal"]).hexdigest(),
    }
    with tarfile.open(tmp_path / "forged.tar", "w") as archive:
        for name, content in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    target = Server(tmp_path / "restored")
    done = target.manage("restore", str(tmp_path / "forged.tar"))
    assert done.returncode == 1
    assert f"{len(entries) - 5} records are missing" in done.stderr
    assert target.manage("restore", str(saved)).returncode == 0
    assert target.manage("verify_trail").returncode == 0
