"""moto's server: another implementation of the AWS KMS API."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.answering import Answers
from tests.support.server import free_port


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=2).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def answering() -> Iterator[Callable[..., Answers]]:
    made: list[Answers] = []

    def make(status: int = 200, body: bytes = b'{"Keys": []}', **headers: str) -> Answers:
        made.append(Answers((status, headers, body)))
        return made[-1]

    yield make
    for each in made:
        each.shutdown()
        each.server_close()
