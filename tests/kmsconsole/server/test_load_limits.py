"""Slow, dead and greedy clients: others are still answered, stalled ones are let go of, bodies are bounded before they are read."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.mixed import workers
from tests.support.rawhttp import Client, request
from tests.support.server import Server

CONNECTIONS = 300

pytestmark = pytest.mark.slow

HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
AWS = (b"/", b"application/x-amz-json-1.1", 1000)
PAGE = (b"/principals/sign-in/", b"application/x-www-form-urlencoded", 1000)
TARGET = b"X-Amz-Target: TrentService.ListKeys\r\n"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker only, so that whoever holds it holds everything."""
    folder = tmp_path_factory.mktemp("narrow") / "data"
    with Server(folder, KMSCONSOLE_WORKERS="1", KMSCONSOLE_CONNECTIONS=str(CONNECTIONS)) as server:
        yield server


def connect(server: Server, sends: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=40)
    connection.sendall(sends)
    return connection


def answer(connection: socket.socket) -> bytes:
    """A whole answer, which may come in pieces."""
    received = b""
    while b"}" not in received:
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    return received


def threads(server: Server) -> int:
    return len(os.listdir(f"/proc/{workers(server)[0]}/task"))


STALLED = {
    "nothing at all": b"",
    "half a header": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A",
    "an AWS request without its body": HEAD % AWS + TARGET + b"\r\n",
    "an AWS request with half a body": HEAD % AWS + TARGET + b"\r\n{",
    "a form with half a body": HEAD % PAGE + b"\r\nuser",
}


def test_many_slow_connections_of_every_kind_hold_up_nobody(narrow: Server) -> None:
    kms = narrow.client()
    kms.list_keys()
    before = threads(narrow)
    slow = [connect(narrow, sends) for sends in STALLED.values() for _ in range(25)]
    time.sleep(0.5)
    began = time.monotonic()
    for _ in range(10):
        with connect(narrow, HEAD % (b"/", b"application/x-amz-json-1.1", 2) + TARGET + b"\r\n{}") as connection:
            assert b"MissingAuthenticationToken" in answer(connection)
    assert time.monotonic() - began < 8  # before any of the slow ones was ended
    for connection in slow:  # the server ends every one of them
        connection.settimeout(30)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            continue
        finally:
            connection.close()
    deadline = time.monotonic() + 10
    while threads(narrow) > before + 60 and time.monotonic() < deadline:  # idle ones are kept for a while
        time.sleep(0.2)
    kms.list_keys()


def test_a_client_that_is_only_slow_is_answered(narrow: Server) -> None:
    connection = connect(narrow, HEAD % (b"/", b"application/x-amz-json-1.1", 2) + TARGET)
    for part in (b"\r\n", b"{", b"}"):
        time.sleep(1)
        connection.sendall(part)
    assert b"MissingAuthenticationToken" in answer(connection)
    connection.close()


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(narrow: Server) -> None:
    connection = connect(
        narrow, HEAD % (b"/principals/sign-in/", b"application/x-www-form-urlencoded", 10**12) + b"\r\n"
    )
    assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    connection.close()
    connection = connect(narrow, HEAD % (b"/", b"application/x-amz-json-1.1", 10**12) + TARGET + b"\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    connection.close()


def test_more_clients_at_once_than_threads_are_all_answered(narrow: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = narrow.client()
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: client.list_keys(), range(200)))
    assert len(answers) == 200


def healthy(server: Server) -> bool:
    with Client(server.port, request("GET /healthz", "Connection: close")) as client:
        return client.answer().status == 200


def test_beyond_its_connections_a_worker_ends_the_silent_ones_and_goes_on(narrow: Server) -> None:
    kms = narrow.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    held = [connect(narrow, b"") for _ in range(CONNECTIONS + 10)]
    try:
        began = time.monotonic()
        for number in range(20):
            assert healthy(narrow)
            assert narrow.client().encrypt(KeyId=key_id, Plaintext=b"%d" % number)["CiphertextBlob"]
        assert time.monotonic() - began < 8  # before any of them was slow
    finally:
        for connection in held:
            connection.close()
    assert healthy(narrow)


def test_requests_that_nobody_has_signed_leave_no_memory_behind(narrow: Server) -> None:
    worker = workers(narrow)[0]

    def unsigned(number: int) -> bytes:
        """As long a head as there may be, in a header that is looked at before anything is checked."""
        scope = f"AWS4-HMAC-SHA256 Credential=AKIA{number:016d}/20260101/us-east-1/kms/aws4_request, SignedHeaders=host"
        dates = [f"X-Amz-Date: {number}" + "d" * 10_000, f"X-{number}-" + "n" * 10_000 + ": y"]
        filling = "f" * 40_000
        return request(
            "POST /",
            "X-Amz-Target: TrentService.Encrypt",
            f"Authorization: {scope};{filling}, Signature={number:064x}",
            *dates,
            body=b"{}",
        )

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            with Client(narrow.port, unsigned(number)) as client:
                assert client.answer().status == 400

    send(0, 20)
    before = resident(worker)
    send(20, 320)
    assert resident(worker) - before < 20 << 20
    assert workers(narrow)[0] == worker


def resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
