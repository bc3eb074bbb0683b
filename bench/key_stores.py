"""`python -m bench.key_stores [seconds]`: what keys in custom key stores cost beside the service's own, and other keys' Encrypt while a
store hangs.

One server. The CloudHSM store is a SoftHSM token, the external one the reference proxy over HTTPS on this machine, over a SoftHSM token
too: what a device and a network take comes on top. Prints the tables.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from bench import inprocess
from bench.presign import write_script
from tests.support.server import ACCESS_KEY_ID, ROOT, SECRET, Server

POOL = 200
CONNECTIONS = (1, 4)
OPERATIONS = ("Encrypt", "Decrypt", "GenerateDataKey")
_CALLERS, _EVERY = (
    6,
    0.05,
)  # threads that go on using the store that hangs, and the seconds that each rests between calls


def run(folder: Path, seconds: int, measure: Any) -> list[str]:
    from tests.support import key_stores
    from tests.support.softhsm import hanging
    from tests.support.xks import ReferenceProxy

    place = folder / "stores"
    place.mkdir()
    with ReferenceProxy(place / "proxy") as proxy, _server(place, proxy.environment()) as server:
        kms = server.client()
        cluster = key_stores.training_cluster(server)
        in_token = key_stores.connected_store(kms, cluster)
        external = kms.create_custom_key_store(CustomKeyStoreName="external", **proxy.members)["CustomKeyStoreId"]
        assert key_stores.connect(kms, external)["ConnectionState"] == "CONNECTED"
        keys = {
            "AWS_KMS": kms.create_key()["KeyMetadata"]["KeyId"],
            "AWS_CLOUDHSM": key_stores.key_in(kms, in_token)["KeyId"],
            "EXTERNAL_KEY_STORE": kms.create_key(
                Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=external, XksKeyId="training-key-1"
            )["KeyMetadata"]["KeyId"],
        }
        for _ in range(_CALLERS):  # each worker begins what it needs at its first call
            for key_id in keys.values():
                server.client().encrypt(KeyId=key_id, Plaintext=b"x")

        def script(origin: str, operation: str) -> Path:
            calls = _calls(kms, keys[origin], operation)
            return write_script(folder, f"{origin}-{operation}", server.url, Credentials(ACCESS_KEY_ID, SECRET), calls)

        lines = _throughput(script, server.url, seconds, measure)
        assert proxy.process is not None
        # The same calls go on beside each row.
        hangs = {
            "none": _nothing(),
            "the CloudHSM key store": hanging(cluster.folder),
            "the external key store": _stopped(proxy.process.pid),
        }
        head = ["", "| store that hangs, used by others | Encrypt/s of a key without store | p50 ms | p99 ms |"]
        head.append("|---|---:|---:|---:|")
        print("\n".join(head), flush=True)
        lines += head
        own = script("AWS_KMS", "Encrypt")
        for name, hang in hangs.items():
            with _used(server, [keys["AWS_CLOUDHSM"], keys["EXTERNAL_KEY_STORE"]]), hang:
                measure(own, server.url, CONNECTIONS[-1], 1)
                figure = measure(own, server.url, CONNECTIONS[-1], max(seconds, 2))
            _all_answered(name, figure)
            lines.append(f"| {name} | {figure.rate:,.0f} | {figure.p50:.2f} | {figure.p99:.2f} |")
            print(lines[-1], flush=True)
    return lines


def _server(place: Path, environment: dict[str, Any]) -> Server:
    return Server(place / "data", KMSCONSOLE_QUOTAS="off", **environment)


def _throughput(script: Any, url: str, seconds: int, measure: Any) -> list[str]:
    lines = ["| origin | operation | connections | req/s | p50 ms | p99 ms |", "|---|---|---:|---:|---:|---:|"]
    print("\n".join(lines), flush=True)
    for origin in ("AWS_KMS", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"):
        for operation in OPERATIONS:
            written = script(origin, operation)
            for connections in CONNECTIONS:
                figure = measure(written, url, connections, seconds)
                _all_answered(f"{origin} {operation}", figure)
                lines.append(
                    f"| {origin} | {operation} | {connections} | {figure.rate:,.0f} | {figure.p50:.2f} | {figure.p99:.2f} |"
                )
                print(lines[-1], flush=True)
    return lines


def _all_answered(name: str, figure: Any) -> None:
    if figure.failures:
        raise SystemExit(f"{name}: {figure.failures} requests were not answered with 200")


def _calls(kms: Any, key_id: str, operation: str) -> list[tuple[str, dict[str, Any]]]:
    """A pool of calls with distinct bodies."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for number in range(POOL):
        context, plaintext = {"tenant": f"t{number}"}, os.urandom(64)
        if operation == "Encrypt":
            given: dict[str, Any] = {"KeyId": key_id, "Plaintext": base64.b64encode(plaintext).decode()}
        elif operation == "Decrypt":
            sealed = kms.encrypt(KeyId=key_id, Plaintext=plaintext, EncryptionContext=context)["CiphertextBlob"]
            given = {"CiphertextBlob": base64.b64encode(sealed).decode()}
        else:
            given = {"KeyId": key_id, "KeySpec": "AES_256"}
        calls.append((operation, {**given, "EncryptionContext": context}))
    return calls


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _used(server: Server, key_ids: list[str]) -> Iterator[None]:
    """Others that go on using these keys, whatever they are answered."""
    over = threading.Event()

    def use(key_id: str) -> None:
        client = server.client()
        while not over.wait(_EVERY):
            with suppress(ClientError):
                client.encrypt(KeyId=key_id, Plaintext=b"x")

    threads = [threading.Thread(target=use, args=(key_ids[at % len(key_ids)],)) for at in range(_CALLERS)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join()


def main() -> None:
    from bench.run import measure

    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    inprocess.prepare()
    with tempfile.TemporaryDirectory(prefix="kmsconsole-bench-", dir=ROOT) as name:
        run(Path(name), seconds, measure)


if __name__ == "__main__":
    main()
