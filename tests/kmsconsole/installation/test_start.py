"""The start-up contract: what a person sees who starts, stops and starts again, and what goes wrong in one clear line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.server import ACCESS_KEY_ID, Server

pytestmark = pytest.mark.slow


def attempt(server: Server) -> subprocess.CompletedProcess[str]:
    return server.manage("serve", timeout=30)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_five_seconds_and_goes_on_where_it_was(tmp_path: Path, stop: signal.Signals) -> None:
    server = Server(tmp_path / "data")
    server.start()
    key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
    blob = server.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    assert server.process is not None
    began = time.monotonic()
    server.process.send_signal(stop)
    assert server.process.wait(timeout=5) == 0
    assert time.monotonic() - began < 5
    with server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_the_first_start_prints_what_it_generated_and_later_ones_do_not(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", bare=True)
    for name in list(server.environment):
        if name.startswith("KMSCONSOLE_BOOTSTRAP"):
            del server.environment[name]
    with server:
        assert "secret access key" in server.output()
    first = server.output()
    with server:
        assert "secret access key" not in server.output().removeprefix(first)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("KMSCONSOLE_BOOTSTRAP_ACCOUNT_ID", "1234", "must be 12 digits, not '1234'"),
        ("KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID", "short", "must be 16 to 128 letters, digits and _"),
    ],
)
def test_an_administrator_that_aws_could_not_have_is_refused_in_one_line(
    tmp_path: Path, setting: str, value: str, words: str
) -> None:
    done = attempt(Server(tmp_path / "data", **{setting: value}))
    assert done.returncode != 0
    assert done.stderr.strip().splitlines() == [f"CommandError: {setting} {words}"]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("KMSCONSOLE_BACKEND", "moto", "KMSCONSOLE_BACKEND must be embedded, aws or an http(s) URL, not 'moto'"),
        ("KMSCONSOLE_WORKERS", "many", "KMSCONSOLE_WORKERS must be a number above zero, not 'many'"),
        ("KMSCONSOLE_WORKERS", "0", "KMSCONSOLE_WORKERS must be a number above zero, not '0'"),
        ("KMSCONSOLE_LISTEN", "abc", "KMSCONSOLE_LISTEN must be address:port, not 'abc'"),
        ("KMSCONSOLE_THREADS", "-1", "KMSCONSOLE_THREADS must be a number above zero, not '-1'"),
        ("KMSCONSOLE_LISTEN", "localhost:http", "KMSCONSOLE_LISTEN must be address:port, not 'localhost:http'"),
        ("KMSCONSOLE_LISTEN", "no-such-host.invalid:8000", "cannot listen on no-such-host.invalid:8000: "),
        ("KMSCONSOLE_DATABASE_URL", "postgres://127.0.0.1:1/none", "the database of KMSCONSOLE_DATABASE_URL cannot be used: "),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_said_in_one_line(tmp_path: Path, setting: str, value: str, words: str) -> None:
    done = attempt(Server(tmp_path / "data", **{setting: value}))
    assert done.returncode != 0
    (line,) = done.stderr.strip().splitlines()
    assert words in line


def test_the_sign_in_page_offers_the_account_that_the_first_start_made(tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_BOOTSTRAP_ACCOUNT_ID="444455556666") as server:
        assert server.client("sts").get_caller_identity()["Account"] == "444455556666"
        with urllib.request.urlopen(f"{server.url}/principals/sign-in/") as page:
            assert 'value="444455556666"' in page.read().decode()


def test_the_given_bootstrap_access_key_works(server: Server) -> None:
    identity = server.client("sts").get_caller_identity()
    assert identity["Arn"].endswith(":user/admin")
    assert ACCESS_KEY_ID.startswith("AKIA")


def test_a_busy_port_is_said_in_one_line(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", server.port))
        busy.listen()
        done = attempt(server)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines() == [
        f"CommandError: cannot listen on 127.0.0.1:{server.port}: Address already in use"
    ]


def test_a_missing_root_key_is_never_replaced(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    with server:
        pass
    (tmp_path / "data" / "root.key").unlink()
    done = attempt(server)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "root.key is missing" in done.stderr
    assert not (tmp_path / "data" / "root.key").exists()


def test_a_damaged_root_key_is_said_in_one_line(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    with server:
        pass
    path = tmp_path / "data" / "root.key"
    path.write_text(path.read_text().replace(path.read_text()[30], "0" if path.read_text()[30] != "0" else "1", 1))
    done = attempt(server)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "damaged" in done.stderr


def test_a_data_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    server = Server(tmp_path / "file" / "data")
    done = attempt(server)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cannot be made" in done.stderr


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        second = Server(tmp_path / "data")
        done = attempt(second)
        assert done.returncode != 0
        assert "another server is running" in done.stderr
        assert server.client().list_keys()["Keys"] == []


def test_the_root_key_is_readable_by_its_owner_only(server: Server) -> None:
    assert os.stat(server.folder / "root.key").st_mode & 0o777 == 0o600
