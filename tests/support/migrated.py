"""An SQLite database with every migration applied, made once for all test processes of a checkout's state and copied by each server.

Migrating takes longer than everything else that a first start does. What a first start makes itself (root key, administrator, trail)
it still makes: the copy holds tables and no row of an account.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from hashlib import sha256
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[2]
NAME = "kmsconsole.sqlite3"


def put_into(place: Path) -> None:
    """Give a data folder that has nothing yet a migrated database."""
    place.mkdir(mode=0o700, parents=True)
    copy_to(place)


def copy_to(place: Path) -> None:
    shutil.copy(_database(), place / NAME)


@cache  # a server is started some hundred times
def folder() -> Path:
    """Where what is made once of these migrations is kept."""
    digest = sha256(django.__version__.encode())
    for path in _migrations():
        digest.update(path.read_bytes())
    made = Path(tempfile.gettempdir()) / f"kmsconsole-migrated-{os.getuid()}-{digest.hexdigest()[:16]}"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


@cache
def _database() -> Path:
    made = folder() / NAME
    with open(folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=folder()) as scratch:
                migrate(scratch)
                _checkpointed(Path(scratch) / NAME).replace(made)
    return made


def migrate(data: str, **environment: str) -> None:
    """Apply every migration to the database of a data folder, or to the one that the environment names."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KMSCONSOLE_")}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**inherited, "KMSCONSOLE_DATA": data, **environment},
        check=True,
    )


def _migrations() -> list[Path]:
    """Those of our packages; looking for them through .venv and node_modules too takes longer than a server's start."""
    packages = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    return sorted(path for package in packages for path in package.glob("**/migrations/*.py"))


def _checkpointed(database: Path) -> Path:
    """All of it in the one file that is copied."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database
