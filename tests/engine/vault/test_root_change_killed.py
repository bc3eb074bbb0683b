"""A change of what protects the root key, killed at each of its steps: the server goes on, nothing is lost, and it is finished later."""

from __future__ import annotations

import itertools
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import prefork
from tests.support.server import Server

pytestmark = pytest.mark.slow
PASSPHRASE = "a long enough passphrase"
_MOST = 60  # steps; there are far fewer


def change(server: Server, provider: str, **environment: str) -> Any:
    given = {**server.environment, "KMSCONSOLE_NEW_ROOT_SECRET": PASSPHRASE, **environment}
    return prefork.run("change_root_provider", provider, env=given)


def provider_of(folder: Path) -> str:
    (path,) = [folder / name for name in ("root.json", "root.key") if (folder / name).exists()]
    return str(json.loads(path.read_text())["provider"]) if path.suffix == ".json" else "file"


def root_key_id(folder: Path) -> str:
    """Of the root key that wraps the domain keys."""
    with closing(sqlite3.connect(folder / "kmsconsole.sqlite3")) as database:
        ((found,),) = database.execute("SELECT DISTINCT root_key_id FROM vault_domainkey")
    return str(found)


def test_it_is_killed_at_every_step_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = Server(folder, KMSCONSOLE_ROOT_SECRET=PASSPHRASE, KMSCONSOLE_WORKERS="2")
    server.start()
    kms = server.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    wanted = itertools.cycle(["passphrase", "file"])
    killed, before, provider = 0, root_key_id(folder), next(wanted)
    for step in range(1, _MOST):
        done = change(server, provider, DJANGO_SETTINGS_MODULE="tests.support.killed_settings", TEST_KILL_AT=str(step))
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        server.client(region=f"eu-test-{step}").create_key()  # a domain key that is made in the midst of it
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        if step % 2 == 0:
            again = change(server, provider)
            assert again.returncode == 0, again.stdout + again.stderr
        elif root_key_id(folder) != before:  # the next start finishes it
            server.kill()
            server.start()
        else:  # nothing has changed yet: begin anew
            for path in folder.glob("root.*.next"):
                path.unlink()
            continue
        before, provider = root_key_id(folder), next(wanted)
        assert provider_of(folder) != provider
        assert not list(folder.glob("root.*.next"))
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert killed > 10
    server.kill()
    with server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        for each in range(1, killed + 2):
            assert len(server.client(region=f"eu-test-{each}").list_keys()["Keys"]) == 1
        assert server.manage("check").returncode == 0
    assert not (folder / "root.handover").exists()
