"""`manage.py serve`: console and AWS API on one port, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import os
import resource
import socket
import time
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from engine import throttling
from engine.trail import checkpoint_timer, recorder
from engine.trail.groupcommit import TrailUnavailable
from engine.vault import domain_keys
from engine.vault.hierarchy import RootKeyError
from kmsconsole.installation import bootstrap, environment, root_secret
from kmsconsole.installation.bootstrap import FirstAdministrator
from kmsconsole.installation.datafolder import DataFolderError, hold, secure
from kmsconsole.installation.environment import Address
from kmsconsole.server import background, http_protocol, metrics, sealed, supervisor, worker
from kmsconsole.server.asgi import Application
from kmsconsole.server.connection_table import Limits
from kmsconsole.server.http_protocol import HttpProtocol
from kmsconsole.server.wsgi import application

logger = logging.getLogger(__name__)

BACKLOG = 1024  # connections that wait in the kernel's queue until a worker takes them
_OTHER_FILES = 128  # that a worker has open besides connections and what its threads use
STOP_SECONDS = 2  # what requests get to end in; with the start of the stop it stays under the 5 s of the contract


class Command(BaseCommand):
    help = "Serve the console and the AWS API on KMSCONSOLE_LISTEN."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--workers", type=int)
        parser.add_argument("--threads", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = settings.KMSCONSOLE.listen
        workers = options["workers"] or settings.KMSCONSOLE.workers
        threads = options["threads"] or settings.KMSCONSOLE.threads
        try:
            throttling.configure(settings.QUOTAS)
        except throttling.QuotaError as reason:
            raise CommandError(str(reason)) from reason
        lock = hold(Path(settings.DATA))
        try:
            secure(Path(settings.DATA))
        except DataFolderError as reason:
            raise CommandError(str(reason)) from reason
        _refuse_busy_port(host, port)
        limits, doors = _limits(threads), []
        try:
            sealed_root = bootstrap.sealed_root()
            if sealed_root is not None:
                doors = _listen(host, port, 1)
                self.stdout.write(f"kmsconsole: sealed; enter shares at {_url(settings.KMSCONSOLE.listen)}unseal/")
                self.stdout.flush()
                domain_keys.adopt(sealed.unseal(sealed_root, doors[0], limits))
            administrator = bootstrap.prepare()
            _hold_for_sinks()
            if sealed_root is not None:
                bootstrap.record_unsealed(sealed_root)
        except sealed.Stopped:
            return
        except (RootKeyError, DataFolderError, TrailUnavailable) as reason:
            raise CommandError(str(reason)) from reason
        except (DatabaseError, OSError) as reason:
            remote = isinstance(reason, DatabaseError) and connection.vendor == "postgresql"
            what = "the database of KMSCONSOLE_DATABASE_URL" if remote else f"the data folder {settings.DATA}"
            raise CommandError(f"{what} cannot be used: {' '.join(str(reason).split())}") from reason
        metrics.clear()
        self._greet(administrator)
        bootstrap.close_connections()
        environment.forget_bootstrap()
        root_secret.forget()
        server = os.getpid()
        doors = _listen(host, port, workers, doors)
        worker.freeze_heap()

        def work(place: int) -> None:
            if place < workers:
                _serve(doors, place, threads, limits, server)
            else:
                background.run(server)

        supervisor.run(workers + 1, work, stop_seconds=STOP_SECONDS + 1)
        try:
            checkpoint_timer.move()  # of what was recorded since the last second
        except TrailUnavailable as reason:  # it was taken away meanwhile
            raise CommandError(str(reason)) from reason
        finally:
            if settings.SINKS:
                recorder.hold_after(0.0)  # commands may record; the sinks get it at the next start
            checkpoint_timer.sign_at_the_end()
        del lock

    def _greet(self, administrator: FirstAdministrator | None) -> None:
        listen = settings.KMSCONSOLE.listen
        url = _url(listen)
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


def _hold_for_sinks() -> None:
    """From now on records wait for required sinks no longer than these allow, whether or not the process that sends ever runs."""
    if settings.SINKS and connection.vendor == "postgresql":
        raise CommandError("KMSCONSOLE_SINKS streams the journal of the data folder; with PostgreSQL there is none")
    required = [sink.max_lag_seconds for sink in settings.SINKS if sink.required]
    recorder.hold_after(time.monotonic() + min(required) if required else 0.0)


def _url(listen: Address) -> str:
    return f"http://{listen.url_host}:{listen.port}/"


def _listen(host: str, port: int, workers: int, doors: list[socket.socket] | None = None) -> list[socket.socket]:
    """Beside the `doors` that are open, a socket for each worker, all of one port: the kernel deals new connections out among them. They are the server's own, so that
    nobody is refused while a worker is replaced."""
    doors = list(doors or ())
    if not doors:
        _refuse_busy_port(host, port)
    for _ in range(workers - len(doors)):
        door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.bind((host, port))
        door.listen(BACKLOG)
        doors.append(door)
    return doors


def _serve(doors: list[socket.socket], place: int, threads: int, limits: Limits, server: int) -> None:
    """What a worker does, from its start to its end."""
    worker.begin(place, len(doors), server)
    http_protocol.configure(limits)
    for other in doors:
        if other is not doors[place]:
            other.close()
    config = uvicorn.Config(
        Application(application, threads),
        http=HttpProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,  # whoever connects is whose address is judged and recorded
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[doors[place]])


def _limits(threads: int) -> Limits:
    """What each worker allows its clients. Every connection is an open file: as many as the system lets us have, up to four times
    what can be used, since workers come and go."""
    given = settings.KMSCONSOLE
    connections = given.connections
    wanted = 4 * (threads + connections)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    usable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < usable:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usable, hard))
    allowed = max(max(soft, usable) - 2 * threads - _OTHER_FILES, 1)
    if allowed < connections:
        logger.warning("a worker may open %d files only: it holds %d connections", max(soft, usable), allowed)
        connections = allowed
    share = max(connections // 2, 1)
    return Limits(
        connections=connections,
        per_address=min(given.connections_per_address or share, connections),
        seconds=given.request_seconds,
    )


def _refuse_busy_port(host: str, port: int) -> None:
    """One clear line instead of the server's own failure (or of silently sharing the port with another server)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as reason:
            raise CommandError(f"cannot listen on {host}:{port}: {reason.strerror}") from reason
