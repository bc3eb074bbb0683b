"""A PostgreSQL server for tests, from Debian's packages: a cluster in a temporary folder, run as an unprivileged user.

Data is on disk as in production but without fsync, since no test cuts the power. Skips nothing: where the packages are missing the
tests that ask for it fail and say so (tests/install_system_packages.sh installs them).
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.support.server import free_port

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
    """`with Postgres() as postgres:` — a running cluster; `database()` makes an empty database and returns its URL."""

    def __init__(self, *settings: str) -> None:
        self.port = free_port()
        self._settings = ("fsync=off", "full_page_writes=off", "max_connections=200", *settings)
        self._folder = Path(tempfile.mkdtemp(prefix="kmsconsole-pg-"))
        self._user = _user()
        self._numbers = itertools.count(1)
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)

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
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "kms", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder} " + " ".join(f"-c {each}" for each in self._settings)
        self._run(
            "pg_ctl", "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", mode, "stop")

    def pause(self) -> None:
        """Freeze every process of the server, as a hung disk or host would."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        master = int((self._folder / "data" / "postmaster.pid").read_text().split("\n")[0])
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

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"kms{next(self._numbers)}"
        deadline = time.monotonic() + 10
        while True:
            try:
                with self.connect() as connection:
                    connection.execute(f"CREATE DATABASE {name}")
                return self.url(name)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
