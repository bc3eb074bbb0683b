"""`manage.py` in a process forked from one that has everything imported: that is what a start and a command cost most.

One such process a test process. It imports the libraries and our own modules with settings of no installation, and forgets these
settings: what is forked from it reads its own environment, as `python manage.py` does. Only kmsconsole.server.wsgi makes something of
the settings when it is imported, so that it is left out with the command that needs it; another that does so stops every test here.
The tests of the wheel and of deploy/ start a Python of their own.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tests.support import rsa_keys

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    *("argparse", "asyncio", "boto3", "botocore.auth", "botocore.awsrequest", "botocore.model", "botocore.session"),
    *(
        "concurrent.futures.thread",
        "cryptography.x509",
        "cryptography.fernet",
        "cryptography.hazmat.primitives.asymmetric.rsa",
        "http.client",
    ),
    *("cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.serialization.pkcs12"),
    *("django.core.management.base", "django.core.handlers.wsgi", "django.db.models"),
    *("django.db.backends.sqlite3.base", "django.forms", "django.template.loader_tags", "django.urls", "django.views"),
    *("httptools", "importlib.metadata", "logging.config", "multiprocessing.popen_fork", "orjson", "sqlite3", "ssl"),
    *("urllib.request", "uvicorn.main", "uvicorn.protocols.http.httptools_impl", "xml.etree.ElementTree", "zoneinfo"),
)
ROOMS = ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")
SETTINGS = "tests.support.server_settings"
AT_IMPORT = (
    "kmsconsole.server.wsgi",
    "kmsconsole.management.commands.serve",
)  # these read settings when they are imported
SAME_EVERYWHERE = {"DEBUG", "USE_I18N", "LANGUAGES", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME"}


class Process:
    """A forked `manage.py`, with as much of subprocess.Popen as tests of servers use."""

    def __init__(
        self, arguments: list[str], *, cwd: Path, env: dict[str, str], output: BinaryIO, errors: BinaryIO | None = None
    ) -> None:
        self._forks = _forks()
        self.pid = self._forks.start(arguments, cwd, env, [output.fileno(), (errors or output).fileno()])
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._forks.ended(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = 3600 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired("manage.py", timeout or 0)
            self.returncode = self._forks.ended(self.pid, left)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    *arguments: str, env: dict[str, str], cwd: Path = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run of `manage.py` with these arguments, with its output captured."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = Process(list(arguments), cwd=cwd, env=env, output=output, errors=errors)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = [os.pread(file.fileno(), 10_000_000, 0).decode() for file in (output, errors)]
    return subprocess.CompletedProcess(["manage.py", *arguments], code, *said)


class _Forks:
    """The process that has the libraries, seen from the test process."""

    def __init__(self) -> None:
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.support.prefork", str(there.fileno())]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KMSCONSOLE_"))
        }
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
        )
        there.close()
        self._ended: dict[int, int] = {}
        self._started: list[int] = []
        atexit.register(self._stop)

    def start(self, arguments: list[str], cwd: Path, env: dict[str, str], files: list[int]) -> int:
        wanted = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": env}).encode()
        socket.send_fds(self._here, [wanted], files)
        while not self._started:
            self._read()
        return self._started.pop()

    def ended(self, pid: int, timeout: float) -> int | None:
        while pid not in self._ended and select.select([self._here], [], [], timeout)[0]:
            self._read()
            timeout = 0
        return self._ended.get(pid)

    def _read(self) -> None:
        said = self._here.recv(1000)
        if not said:
            raise RuntimeError("the process that servers are forked from has ended")
        kind, pid, *code = json.loads(said)
        if kind == "started":
            self._started.append(pid)
        else:
            self._ended[pid] = code[0]

    def _stop(self) -> None:
        self._here.close()
        self._process.wait()


_made: list[_Forks] = []


def _forks() -> _Forks:
    if not _made:
        _made.append(_Forks())
    return _made[0]


def serve(asked: socket.socket) -> None:
    """Fork what is asked for and tell of its end, until the test process has gone."""
    for name in LIBRARIES:
        __import__(name)
    import_rooms()
    rsa_keys.install()
    _read_models()
    waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    living: set[int] = set()
    while True:
        ready, _, _ = select.select([asked, waking], [], [])
        if waking in ready:
            os.read(waking, 4096)
            _tell_of_ended(asked, living)
        if asked in ready:
            wanted, files, _, _ = socket.recv_fds(asked, 1_000_000, 2)
            if not wanted:
                break
            pid = os.fork()
            if pid == 0:
                for number in (waking, woken, asked.fileno()):
                    os.close(number)
                _become(json.loads(wanted), files)
            living.add(pid)
            for number in files:
                os.close(number)
            asked.send(json.dumps(["started", pid]).encode())
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def modules() -> Iterator[str]:
    """Ours, but those that a program begins with, migrations, settings and AT_IMPORT."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            left_out = {"migrations", "__main__", "settings"} & set(found.name.split("."))
            if not left_out and found.name not in AT_IMPORT:
                yield found.name


def import_rooms() -> None:
    """Import our modules with settings of no installation, and forget these settings. Raises RuntimeError where a module keeps one."""
    import django
    from django.conf import empty, settings
    from django.db import connections

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(KMSCONSOLE_DATA=folder, DJANGO_SETTINGS_MODULE=SETTINGS)
        django.setup()
        middleware = [path.rpartition(".")[0] for path in settings.MIDDLEWARE]
        _forget(settings)
        for name in [*modules(), *middleware]:
            importlib.import_module(name)
        if kept := set(vars(settings)) - {"_wrapped"} - SAME_EVERYWHERE:
            raise RuntimeError(
                f"a module reads {sorted(kept)} when it is imported: see AT_IMPORT in tests/support/prefork.py"
            )
        _read_pages()
        connections.close_all()
    for name in ("kmsconsole.settings", SETTINGS):
        del sys.modules[name]
    _forget(settings)
    settings._wrapped = empty
    connections.__dict__.pop("settings", None)
    connections.__init__()  # type: ignore[misc]  # models ask the default connection how long a table's name may be


def _read_pages() -> None:
    """What the first page of a process reads: all addresses, and the templates that pages share. They are the same with any settings."""
    from django.template.loader import get_template
    from django.urls import reverse

    reverse("home")
    templates = ROOT / "templates"
    for path in (templates / "base.html", *sorted(templates.glob("components/*.html"))):
        get_template(str(path.relative_to(templates)))


def _read_models() -> None:
    """What botocore reads for the first client of a process: servers that are forked have it."""
    from engine.service_models import session

    for service in ("kms", "iam", "sts", "cloudtrail"):
        session().create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


def _forget(settings: Any) -> None:
    """What has been read of the settings, which they remember by name."""
    for name in [name for name in vars(settings) if name != "_wrapped"]:
        del vars(settings)[name]


def _tell_of_ended(asked: socket.socket, living: set[int]) -> None:
    while living:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        living.discard(pid)
        asked.send(json.dumps(["ended", pid, os.waitstatus_to_exitcode(status)]).encode())


def _become(wanted: dict[str, Any], files: list[int]) -> None:
    """In the child: what `python manage.py ARGUMENTS` is."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    sys.argv = ["manage.py", *wanted["arguments"]]
    sys.path[0] = wanted["cwd"]
    code: Any = 1
    try:
        runpy.run_path("manage.py", run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
