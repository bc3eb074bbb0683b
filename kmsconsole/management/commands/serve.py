"""`manage.py serve`: console and AWS API on one port, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from engine import quotas
from engine.trail.groupcommit import TrailUnavailable
from engine.vault.hierarchy import RootKeyError
from kmsconsole import bootstrap, metrics
from kmsconsole.bootstrap import FirstAdministrator
from kmsconsole.datafolder import DataFolderError, hold

CONNECTIONS = 1024  # that a worker holds at a time; more wait in the kernel's queue
STOP_SECONDS = 2  # what requests get to end in; with the start of the stop it stays under the 5 s of the contract


class Command(BaseCommand):
    help = "Serve the console and the AWS API on KMSCONSOLE_LISTEN."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--workers", type=int)
        parser.add_argument("--threads", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = _address(settings.LISTEN)
        workers = options["workers"] or _count("KMSCONSOLE_WORKERS", os.cpu_count() or 1)
        threads = options["threads"] or _count("KMSCONSOLE_THREADS", _threads())
        try:
            quotas.configure(settings.QUOTAS)
        except quotas.QuotaError as reason:
            raise CommandError(str(reason)) from reason
        lock = hold(Path(settings.DATA))
        _refuse_busy_port(host, port)
        try:
            administrator = bootstrap.prepare()
        except (RootKeyError, DataFolderError, TrailUnavailable) as reason:
            raise CommandError(str(reason)) from reason
        except (DatabaseError, OSError) as reason:
            remote = isinstance(reason, DatabaseError) and connection.vendor == "postgresql"
            what = "the database of KMSCONSOLE_DATABASE_URL" if remote else f"the data folder {settings.DATA}"
            raise CommandError(f"{what} cannot be used: {' '.join(str(reason).split())}") from reason
        metrics.clear()
        self._greet(administrator)
        bootstrap.close_connections()
        for name in [name for name in os.environ if name.startswith(("KMSCONSOLE_BOOTSTRAP_", "HTTP_"))]:
            del os.environ[name]  # WSGI environments are made of it: no secret, and nothing that looks like a header
        _allow_files(threads + CONNECTIONS)
        os.environ["KMSCONSOLE_SERVER_PID"] = str(os.getpid())
        os.environ["KMSCONSOLE_WORKERS"] = str(workers)
        server = Server(
            "kmsconsole.wsgi:application",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=workers,
            # Threads that wait for a slow client's body cost little; they come when they are needed and go when they are not.
            blocking_threads=threads,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            websockets=False,
            log_level="error",  # type: ignore[arg-type]
            workers_kill_timeout=STOP_SECONDS,
            respawn_failed_workers=True,
        )
        server.serve()
        del lock

    def _greet(self, administrator: FirstAdministrator | None) -> None:
        host, port = _address(settings.LISTEN)
        url = f"http://{host}:{port}/"
        if administrator is not None:
            lines = [f"Account {administrator.account_id} and its administrator are made; this is shown once:"]
            lines.append(f"  console user       {administrator.user_name}")
            for label, value in (
                ("console password", administrator.password),
                ("access key ID", administrator.access_key_id),
                ("secret access key", administrator.secret_access_key),
            ):
                lines.append(f"  {label:<18} {value or '(as given in the environment)'}")
            self.stdout.write("\n".join(lines))
        self.stdout.write(f"kmsconsole: browser {url}   programs AWS_ENDPOINT_URL={url.rstrip('/')}")
        self.stdout.flush()


def _threads() -> int:
    """Each thread that works keeps a connection to PostgreSQL, which has 100 by default; SQLite does not mind."""
    return 32 if connection.vendor == "postgresql" else 256


def _count(name: str, otherwise: int) -> int:
    """A setting that counts something. Raises CommandError if it is no number above zero."""
    value = os.environ.get(name) or str(otherwise)
    if not value.isdecimal() or int(value) < 1:
        raise CommandError(f"{name} must be a number above zero, not {value!r}")
    return int(value)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise CommandError(f"KMSCONSOLE_LISTEN must be address:port, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _allow_files(wanted: int) -> None:
    """Every connection is an open file: take as many as the system lets us have, up to what can be used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    usable = 4 * wanted if hard == resource.RLIM_INFINITY else min(4 * wanted, hard)
    if soft < usable:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usable, hard))


def _refuse_busy_port(host: str, port: int) -> None:
    """One clear line instead of the server's own failure (or of silently sharing the port with another server)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as reason:
            raise CommandError(f"cannot listen on {host}:{port}: {reason.strerror}") from reason
