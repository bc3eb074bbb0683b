"""The server is killed (SIGKILL) while it works: whatever it acknowledged is there after the restart, and the chain is whole."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from engine.trail.journal import read
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.slow


@dataclass
class Acknowledged:
    """What the server said yes to before it died."""

    keys: list[str] = field(default_factory=list)
    ciphertexts: list[tuple[bytes, bytes]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def work(server: Server, said: Acknowledged, stop: threading.Event, number: int) -> None:
    kms = server.client()
    try:
        for turn in range(10_000):
            if stop.is_set():
                return
            created = kms.create_key(Description=f"{number}/{turn}")
            said.keys.append(created["KeyMetadata"]["KeyId"])
            said.requests.append(created["ResponseMetadata"]["RequestId"])
            for part in range(5):
                plaintext = f"{number}/{turn}/{part}".encode()
                sealed = kms.encrypt(KeyId=created["KeyMetadata"]["KeyId"], Plaintext=plaintext)
                said.ciphertexts.append((sealed["CiphertextBlob"], plaintext))
                said.requests.append(sealed["ResponseMetadata"]["RequestId"])
    except (BotoCoreError, ClientError):
        return  # the server is gone: what was not answered is not acknowledged


@pytest.mark.parametrize("keys", [3, 15])
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path, keys: int) -> None:
    server = Server(tmp_path / "data")
    server.start()
    said, stop = Acknowledged(), threading.Event()
    threads = [threading.Thread(target=work, args=(server, said, stop, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(said.keys) < keys and time.monotonic() < deadline:
        time.sleep(0.01)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert len(said.keys) >= keys, "the server was too slow to acknowledge anything before it was killed"

    with server:
        kms = server.client()
        for key_id in said.keys:
            assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"]
        for ciphertext, plaintext in said.ciphertexts:
            assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == plaintext
        recorded = {
            json.loads(entry.record).get("requestID") for entry in read(tmp_path / "data" / "trail" / "journal")
        }
        assert set(said.requests) <= recorded

    checked = subprocess.run(
        [sys.executable, "manage.py", "verify_trail"], cwd=ROOT, env=server.environment, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
