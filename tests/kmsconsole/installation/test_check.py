"""`manage.py check` tells what is wrong with an installation, and what to do; with a good one it ends with 0."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kmsconsole.installation import environment
from kmsconsole.installation.environment import VARIABLES
from tests.support import key_stores, prefork
from tests.support.postgres import Postgres
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.slow


def check(server: Server, **environment: str) -> subprocess.CompletedProcess[str]:
    return prefork.run("check", env={**server.environment, **environment})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One that has been started once, and stopped."""
    server = Server(tmp_path_factory.mktemp("used") / "data")
    with server:
        server.client().create_key()
        server.client().create_key()
    return server


@pytest.fixture
def installation(stopped: Server, tmp_path: Path) -> Server:
    """A copy of that installation."""
    shutil.copytree(stopped.folder, tmp_path / "data")
    return Server(tmp_path / "data")


def test_a_new_folder_and_a_good_installation_are_fine(tmp_path: Path, installation: Server) -> None:
    fresh = check(Server(tmp_path / "fresh"))
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr
    assert "the first start makes root key" in fresh.stdout
    good = check(installation)
    assert good.returncode == 0, good.stdout + good.stderr
    for said in ("SQLite, whole, WAL", "opens every domain key", "2 records", "no server running"):
        assert said in good.stdout
    with installation:
        assert "a server is running" in check(installation).stdout


def test_key_stores_and_whether_their_token_answers_are_told(installation: Server) -> None:
    with installation:
        cluster = key_stores.training_cluster(installation)
        store_id = key_stores.connected_store(installation.client(), cluster)
        good = check(installation)
    assert good.returncode == 0, good.stdout + good.stderr
    assert f"{cluster.cluster_id}, token {cluster.label}" in good.stdout
    assert ": the token answers" in good.stdout
    assert f"store ({store_id}, AWS_CLOUDHSM)" in good.stdout
    assert "us-east-1: CONNECTED" in good.stdout
    shutil.move(cluster.folder, installation.folder / "away")
    assert ": the token is not there" in check(installation).stdout


def damage_database(folder: Path) -> None:
    path = folder / "kmsconsole.sqlite3"
    content = bytearray(path.read_bytes())
    content[4096:40960] = os.urandom(40960 - 4096)
    path.write_bytes(content)


def cut_trail(folder: Path) -> None:
    path = folder / "trail" / "journal"
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")


def change_trail(folder: Path) -> None:
    (folder / "trail" / "lock").unlink()
    path = folder / "trail" / "journal"
    path.write_bytes(path.read_bytes().replace(b'"eventVersion"', b'"eventversion"', 1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: folder.chmod(0o755), "is open to others"),
        (lambda folder: (folder / "root.key").chmod(0o644), "root.key is open to others"),
        (lambda folder: (folder / "root.key").unlink(), "root.key is missing"),
        (lambda folder: (folder / "root.key").write_text("x"), "root.key is damaged"),
        (damage_database, "database:"),
        (cut_trail, "is missing: number 2"),
        (change_trail, "does not follow the chain"),
    ],
)
def test_damage_is_told_with_its_remedy(installation: Server, damage: Callable[[Path], None], said: str) -> None:
    damage(installation.folder)
    done = check(installation)
    assert done.returncode != 0
    assert said in done.stdout
    assert "→" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_setting_that_does_not_exist_or_cannot_be_read_is_told(installation: Server) -> None:
    done = check(installation, KMSCONSOLE_QUOTAZ="1")
    assert done.returncode == 0
    assert "KMSCONSOLE_QUOTAZ is not a setting" in done.stdout
    done = check(installation, KMSCONSOLE_QUOTAS="fast")
    assert done.returncode != 0
    assert "'fast' is not default, aws, off" in done.stdout


def test_a_postgresql_that_would_lose_answers_is_told(postgres: Postgres, tmp_path: Path) -> None:
    server = Server(tmp_path / "data", KMSCONSOLE_DATABASE_URL=postgres.database())
    with server:
        pass
    done = check(server)  # the tests' own server runs without fsync
    assert "PostgreSQL runs with fsync=off" in done.stdout
    assert done.returncode != 0
    unreachable = check(server, KMSCONSOLE_DATABASE_URL="postgres://kms@127.0.0.1:1/none")
    assert "database: it cannot be read" in unreachable.stdout
    assert unreachable.returncode != 0
    assert "Traceback" not in unreachable.stderr


def test_settings_are_read_in_one_module() -> None:
    reading = re.compile(
        r"environ\b[^\n]{0,20}KMSCONSOLE_|getenv\([^\n]{0,20}KMSCONSOLE_|KMSCONSOLE_[A-Z_]+[\"'] in os\.environ"
    )
    here = Path(environment.__file__)
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in (
            "engine",
            "console",
            "keys",
            "principals",
            "playground",
            "access",
            "audit",
            "learn",
            "kmsconsole",
        )
        for path in (ROOT / folder).rglob("*.py")
        if path != here and reading.search(path.read_text())
    ]
    assert found == []


def test_every_setting_is_in_the_documentation() -> None:
    documented = (ROOT / "docs" / "operations.md").read_text()
    for name, meaning in VARIABLES.items():
        assert f"| `{name}` | {meaning} |" in documented, f"{name} is not in docs/operations.md as in the table"
