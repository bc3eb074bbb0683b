"""A PostgreSQL server for tests, from Debian's packages: a cluster in a temporary folder, run as an unprivileged user.

Data is on disk as in production but without fsync, since no test cuts the power. A cluster is the copy of one that is made once for
all test processes of a checkout's state, with a database that has every migration applied (as tests.support.migrated). Skips nothing: where the packages are missing the
tests that ask for it fail and say so (tests/install_system_packages.sh installs them).
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.support import migrated
from tests.support.server import free_port

MIGRATED = "migrated"  # the database that each is a copy of
_USERS = ("postgres", "nobody")  # whom the server runs as when the tests run as root, which PostgreSQL refuses


def _binaries() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL's initdb is not installed: run tests/install_system_packages.sh")
    return Path(found).resolve().parent


def _user() -> str | None:
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _USERS if name in names)


class Postgres:
    """`with Postgres() as postgres:` — a running cluster; `database()` makes a migrated database and returns its URL."""

    def __init__(self, *settings: str, empty: bool = False) -> None:
        self._empty = empty
        self.port = free_port()
        self._settings = ("fsync=off", "full_page_writes=off", "max_connections=200", *settings)
        self._folder = Path(tempfile.mkdtemp(prefix="kmsconsole-pg-"))
        self._user = _user()
        self._numbers = itertools.count(1)
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)

    @property
    def data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(_binaries() / program), *arguments],
            user=self._user,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # no pipe: the server would hold it open
            stderr=subprocess.DEVNULL,
        )
        if done.returncode:
            log = self._folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text()[-2000:] if log.exists() else done.returncode}")

    def __enter__(self) -> Postgres:
        if self._empty:
            self._run("initdb", "-D", str(self.data), "-U", "kms", "-A", "trust", "-E", "UTF8", "--no-sync")
        else:
            subprocess.run(["cp", "-a", "--reflink=auto", _cluster(), self.data], check=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder} " + " ".join(f"-c {each}" for each in self._settings)
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def pause(self) -> None:
        """Freeze every process of the server, as a hung disk or host would."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        master = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(master)], capture_output=True, text=True).stdout
        for process in [master, *map(int, children.split())]:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue

    def url(self, name: str) -> str:
        return f"postgres://kms@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(name), autocommit=True)

    def database(self, *, empty: bool = False) -> str:
        """The URL of a new database, in which every migration is applied, unless it is to be `empty`."""
        name = f"kms{next(self._numbers)}"
        deadline = time.monotonic() + 10
        while True:
            try:
                with self.connect() as connection:
                    connection.execute(
                        f"CREATE DATABASE {name} TEMPLATE {'template1' if empty or self._empty else MIGRATED}"
                    )
                return self.url(name)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@cache
def _cluster() -> Path:
    """The data of a stopped cluster with the database MIGRATED."""
    folder = migrated.folder() / "postgresql"
    with open(migrated.folder() / "postgresql.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with Postgres(empty=True) as postgres:
                with postgres.connect() as connection:
                    connection.execute(f"CREATE DATABASE {MIGRATED}")
                with tempfile.TemporaryDirectory() as scratch:
                    migrated.migrate(scratch, KMSCONSOLE_DATABASE_URL=postgres.url(MIGRATED))
                postgres.stop()
                subprocess.run(["cp", "-a", postgres.data, folder.with_suffix(".new")], check=True)
                postgres.start()
            folder.with_suffix(".new").rename(folder)
    return folder
