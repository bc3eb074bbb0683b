"""A witness cosigns what continues, and refuses a log that was rewritten or put back; nobody is told of the log unless it is public."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from engine.trail import log, signed_note
from kmsconsole.management.commands import witness as witness_command
from tests.support import prefork
from tests.support.dripping import dripping
from tests.support.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A public log with a checkpoint, which a stop signs."""
    server = Server(tmp_path_factory.mktemp("log") / "data", KMSCONSOLE_WORKERS="1", KMSCONSOLE_PUBLIC_LOG="on")
    with server:
        for _ in range(5):
            server.client().list_keys()
    return server


@pytest.fixture
def server(stopped: Server, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(stopped.folder, tmp_path / "data")
    with Server(tmp_path / "data", KMSCONSOLE_WORKERS="1", KMSCONSOLE_PUBLIC_LOG="on") as server:
        yield server


def witness(server: Server, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    place = ["--name", "witness.example/audit", "--key", str(folder / "key.pem"), "--state", str(folder / "state.json")]
    return prefork.run("witness", server.url, *place, *more, env={**server.environment, "KMSCONSOLE_DATA": str(folder)})


def restarted(server: Server, *operations: int) -> None:
    """More records and a new checkpoint of them."""
    for _ in range(*operations):
        server.client().list_keys()
    server.stop()
    server.start()


def get(server: Server, address: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{server.url}{address}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def test_what_continues_is_cosigned_and_kept_by_both(server: Server, tmp_path: Path) -> None:
    first = witness(server, tmp_path)
    assert first.returncode == 0, first.stderr
    assert "not kept there" in first.stdout
    key = first.stdout.splitlines()[-1]
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "unchanged" in witness(server, tmp_path).stdout
    server.environment["KMSCONSOLE_WITNESSES"] = key
    restarted(server, 3)
    again = witness(server, tmp_path)
    assert again.returncode == 0, again.stderr
    assert "kept there" in again.stdout
    assert "not kept" not in again.stdout
    _, document = get(server, "/tlog/checkpoint")
    assert signed_note.cosigned_at(document["checkpoint"], signed_note.parse_verifier_key(key)) is not None
    kept = log.parse(signed_note.split(json.loads((tmp_path / "state.json").read_text())["note"])[0])
    assert kept.size == document["size"]


def test_a_log_that_was_put_back_is_refused_and_what_was_seen_stays(
    server: Server, stopped: Server, tmp_path: Path
) -> None:
    restarted(server, 3)
    assert witness(server, tmp_path).returncode == 0
    seen = (tmp_path / "state.json").read_bytes()
    server.stop()
    shutil.rmtree(server.folder)
    shutil.copytree(stopped.folder, server.folder)
    server.start()
    refused = witness(server, tmp_path)
    assert refused.returncode == 1
    assert "REFUSED, nothing was cosigned: the log has" in refused.stderr
    assert (tmp_path / "state.json").read_bytes() == seen
    restarted(server, 20)  # longer than before, and another one
    refused = witness(server, tmp_path)
    assert refused.returncode == 1
    assert "does not know the checkpoint that was seen before" in refused.stderr


def test_another_log_is_refused(server: Server, tmp_path: Path) -> None:
    assert witness(server, tmp_path).returncode == 0
    state = json.loads((tmp_path / "state.json").read_text())
    key = signed_note.parse_verifier_key(witness_key(tmp_path, server))
    other = signed_note.verifier_key(signed_note.parse_verifier_key(state["log_key"]).name, key.key)
    (tmp_path / "state.json").write_text(json.dumps({**state, "log_key": other}))
    refused = witness(server, tmp_path)
    assert refused.returncode == 1
    assert "not genuine" in refused.stderr
    (tmp_path / "state.json").unlink()
    assert "not genuine" in witness(server, tmp_path, "--log-key", other).stderr


def witness_key(folder: Path, server: Server) -> str:
    (folder / "state.json").unlink()
    return witness(server, folder).stdout.splitlines()[-1]


def test_only_cosignatures_of_known_witnesses_are_kept(server: Server) -> None:
    _, document = get(server, "/tlog/checkpoint")
    note = document["checkpoint"].encode()
    for body in (note, b"", b"\xff" * 10):
        request = urllib.request.Request(f"{server.url}/tlog/cosignature", body, {"Content-Type": "text/plain"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 409


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("consistency?from=1000000", 404),
        ("consistency?from=x", 400),
        ("consistency", 400),
        ("records", 404),
        ("cosignature", 405),
    ],
)
def test_wrong_questions_are_refused(server: Server, address: str, status: int) -> None:
    assert get(server, f"/tlog/{address}")[0] == status


def test_nobody_is_told_unless_the_log_is_public(stopped: Server, tmp_path: Path) -> None:
    shutil.copytree(stopped.folder, tmp_path / "data")
    with Server(tmp_path / "data", KMSCONSOLE_WORKERS="1") as server:
        connection = HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/tlog/checkpoint")
        answer = connection.getresponse()
        assert answer.status == 302  # to the sign-in, as any address that the console does not have
        assert b"kmsconsole/log" not in answer.read()
        connection.close()


def asked(address: str, folder: Path) -> str:
    place = {"key": folder / "key.pem", "state": folder / "state.json", "name": "witness.example/audit"}
    with pytest.raises(CommandError) as refused:
        witness_command.Command().handle(url=address, log_key="", ca_file="", **place)
    return str(refused.value)


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({}, b"[" * 200_000, "no document"),
        ({"Content-Encoding": "gzip"}, gzip.compress(bytes(64 << 20)), "no document"),
        ({}, b'{"message": "\\u001b[2Jgenuine"}', "\\x1b[2Jgenuine"),
    ],
    ids=["deep", "bomb", "escape"],
)
def test_a_log_that_answers_anything_is_told_in_one_printable_line(
    tmp_path: Path, headers: dict[str, str], body: bytes, said: str
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = f"HTTP/1.1 500 No\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    tracemalloc.start()
    with dripping(answer) as address:
        told = asked(address, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said in told
    assert told.isprintable()
    assert peak < 8 << 20


def test_a_log_that_answers_drop_by_drop_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_command, "_SECONDS", 0.5)
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as address:
        assert "cannot be reached" in asked(address, tmp_path)
