"""A real server process (`manage.py serve`) on a free port and a data folder of its own, as a person would start it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.config import Config

from tests.support import clients, migrated, prefork

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
ACCESS_KEY_ID = "AKIAKMSCONSOLETEST01"
SECRET = "kmsconsole/test/secret/access/key/000001"
ACCOUNT = "111122223333"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`with Server(folder) as server:` — started, ready, and stopped at the end. `kill()` and `start()` play a crash.

    Forked from a process that has the libraries (tests.support.prefork), unless another `program` is given.
    A new data folder begins with a migrated database (tests.support.migrated), unless it is to be `bare`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        program: tuple[str, ...] = (),
        command: tuple[str, ...] = ("serve",),
        bare: bool = False,
        cwd: Path = ROOT,
        **environment: str,
    ) -> None:
        self.folder, self.bare, self.program, self.cwd = folder, bare, program, cwd
        self.command = command
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("AWS_", "KMSCONSOLE_", "DJANGO_"))
            },
            "KMSCONSOLE_DATA": str(folder),
            "KMSCONSOLE_LISTEN": f"127.0.0.1:{self.port}",
            "KMSCONSOLE_BOOTSTRAP_PASSWORD": PASSWORD,
            "KMSCONSOLE_BOOTSTRAP_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "KMSCONSOLE_BOOTSTRAP_SECRET_ACCESS_KEY": SECRET,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | prefork.Process | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, ready: Callable[[int, bytes], bool] = lambda status, body: status == 200) -> None:
        """`ready`: what /healthz answers then."""
        if not self.bare and not self.folder.exists() and "KMSCONSOLE_DATABASE_URL" not in self.environment:
            migrated.put_into(self.folder)
        self.log = open(self.folder.parent / f"{self.folder.name}.log", "ab")  # noqa: SIM115
        if self.program or any(
            name.startswith("COVERAGE_PROCESS") for name in os.environ
        ):  # which begins with a Python
            command = [*(self.program or (sys.executable, "manage.py")), *self.command]
            self.process = subprocess.Popen(
                command, cwd=self.cwd, env=self.environment, stdout=self.log, stderr=self.log
            )
        else:
            environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "tests.support.server_settings"}
            self.process = prefork.Process(list(self.command), cwd=self.cwd, env=environment, output=self.log)
        deadline = time.monotonic() + 60
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {self.output()}")
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                    if ready(answer.status, answer.read()):
                        return
            except urllib.error.HTTPError as answer:
                if ready(answer.code, answer.read()):
                    return
                if time.monotonic() > deadline:
                    raise
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM; the exit code. That it takes no more than 5 s is kmsconsole/installation/test_start.py's: here a busy machine may take longer."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.log.close()
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)
        self.log.close()

    def output(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def manage(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command of `manage.py` on this server's data folder."""
        return prefork.run(*arguments, env=self.environment, timeout=timeout)

    def client(self, service: str = "kms", region: str = "us-east-1", **credentials: Any) -> Any:
        """A boto3 client over the socket, the first administrator's unless credentials are given."""
        return clients.make(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=credentials.get("access_key_id", ACCESS_KEY_ID),
            aws_secret_access_key=credentials.get("secret_access_key", SECRET),
            aws_session_token=credentials.get("session_token"),
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        )

    def cli_environment(self, access_key_id: str = ACCESS_KEY_ID, secret: str = SECRET) -> dict[str, str]:
        """The environment in which `aws` speaks to this server: an endpoint and a key are all it needs."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
