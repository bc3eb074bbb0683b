"""What a worker's memory and its honest clients bear under attack, from this machine alone and for a bounded time.

Memory: resident bytes of the workers before and after requests that nobody signed, each with as long a head as there may be.
Connections: how signed Encrypt calls and /healthz fare while half-made requests fill every worker, beside the quiet figures.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.server import ACCESS_KEY_ID, ROOT, SECRET, Server

UNSIGNED = 1_000
HEAD = 63 << 10  # bytes
CONNECTIONS = 2_048  # that each worker holds
WORKERS = 2
ATTACKING = WORKERS * CONNECTIONS * 3 // 2
SECONDS = 4.0  # of each measurement


@dataclass(frozen=True)
class Figure:
    calls: int
    errors: int
    p50: float  # milliseconds
    p99: float


def resident(server: Server) -> int:
    assert server.process is not None
    listed = subprocess.run(
        ["ps", "-o", "rss=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    return sum(int(line) for line in listed.stdout.split()) << 10


def unsigned(number: int) -> bytes:
    """A call that is refused for its signature, with a head that differs from every other in its long parts."""
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA{number:016d}/20260101/us-east-1/kms/aws4_request, SignedHeaders=host"
    lines = [
        "POST / HTTP/1.1",
        "Host: 127.0.0.1",
        "X-Amz-Target: TrentService.Encrypt",
        f"X-Amz-Date: {number}{'d' * 8000}",
        f"X-{number}-{'n' * 8000}: y",
        "Content-Length: 2",
    ]
    head = "\r\n".join([*lines, f"Authorization: {scope};", "", ""])
    filling = "f" * (HEAD - len(head) - 80)
    lines.append(f"Authorization: {scope};{filling}, Signature={number:064x}")
    return "\r\n".join([*lines, "", "{}"]).encode()


def memory(server: Server) -> tuple[int, int]:
    """Resident bytes of all workers before and after."""
    for number in range(20):
        _send(server.port, unsigned(number))
    before = resident(server)
    for number in range(20, 20 + UNSIGNED):
        _send(server.port, unsigned(number))
    return before, resident(server)


def _send(port: int, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        connection.recv(4096)


def hold(port: int, wanted: int, stop: Event, reached: Event) -> None:
    """A process that opens connections, begins a request on each and says no more; for each that was dropped it opens another."""
    held: list[socket.socket] = []
    while not stop.is_set():
        for each in [each for each in held if _gone(each)]:
            held.remove(each)
            each.close()
        while len(held) < wanted and not stop.is_set():
            try:
                made = socket.create_connection(("127.0.0.1", port), timeout=5)
                made.setblocking(False)
                made.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: TrentService.Encrypt\r\n")
                held.append(made)
            except OSError:
                break
        reached.set()
        stop.wait(0.5)


@contextmanager
def half_made(port: int, wanted: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    stop, reached = context.Event(), context.Event()
    attacker = context.Process(target=hold, args=(port, wanted, stop, reached), daemon=True)
    attacker.start()
    try:
        if not reached.wait(60):
            raise SystemExit("the attack did not begin")
        yield
    finally:
        stop.set()
        attacker.join(timeout=30)
        attacker.kill()


def _gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def health(port: int) -> Callable[[], bool]:
    def call() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    return call


def encrypt(port: int, key_id: str) -> Callable[[], bool]:
    """A new connection for each call: one that was there before the attack shows nothing."""
    body = json.dumps({"KeyId": key_id, "Plaintext": "aGVsbG8="})
    signer = SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET), "kms", "us-east-1")

    def call() -> bool:
        request = AWSRequest(
            "POST",
            f"http://127.0.0.1:{port}/",
            data=body,
            headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Encrypt"},
        )
        signer.add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", "/", body, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status == 200 and b"CiphertextBlob" in answer.read()
        finally:
            connection.close()

    return call


def measure(call: Callable[[], bool], seconds: float = SECONDS) -> Figure:
    times, errors = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            errors += not call()
        except (OSError, http.client.HTTPException):
            errors += 1
        times.append(time.perf_counter() - began)
    times.sort()
    return Figure(len(times), errors, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000)


def run(folder: Path) -> list[str]:
    """The tables."""
    place = folder / "attack"
    place.mkdir()
    with Server(place / "data", KMSCONSOLE_WORKERS=str(WORKERS)) as server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        before, after = memory(server)
        calls = {"Encrypt, signed": encrypt(server.port, key_id), "/healthz": health(server.port)}
        quiet = {name: measure(call) for name, call in calls.items()}
        with half_made(server.port, ATTACKING):
            attacked = {name: measure(call) for name, call in calls.items()}
    rows = [f"| {name} | {_shown(quiet[name])} | {_shown(attacked[name])} |" for name in calls]
    return [
        f"{WORKERS} workers held {before / 1e6:.0f} MB, and {after / 1e6:.0f} MB after {UNSIGNED:,} unsigned requests with heads of "
        f"{HEAD >> 10} KiB.",
        "",
        f"Each call on a new connection, quiet and while another process of the same address begins a request on each of {ATTACKING:,}",
        f"connections and says no more. A worker holds {CONNECTIONS:,}, half of them for one address; for each that it ends another is opened.",
        "",
        "| call | quiet: calls | errors | p50 ms | p99 ms | attacked: calls | errors | p50 ms | p99 ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]


def _shown(figure: Figure) -> str:
    return f"{figure.calls:,} | {figure.errors} | {figure.p50:.2f} | {figure.p99:.2f}"


if __name__ == "__main__":
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="kmsconsole-bench-") as _folder:
        sys.stdout.write("\n".join(run(Path(_folder))) + "\n")
