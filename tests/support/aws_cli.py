"""The AWS CLI in processes forked from one that has loaded it: what a command costs most is importing it, and tests run dozens of them.

The command is the CLI's own, from its arguments and environment to its exit code. `folder()` is for the front of PATH: its `aws` passes
both on, with its input and outputs, and waits. `run` is for many commands without a shell: the CLI in this process, loaded once for each
environment.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
_SHIM = """#!{python} -IS
import json, os, socket, sys
def is_open(number):
    try:
        return os.fstat(number)
    except OSError:
        return None
files = [number for number in map(int, os.listdir("/proc/self/fd")) if is_open(number)]  # bash's <(...) is one of them
there = socket.socket(socket.AF_UNIX)
there.connect({address!r})
wanted = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), files]).encode()
socket.send_fds(there, [len(wanted).to_bytes(4, "big")], files)
there.sendall(wanted)
code = there.recv(1)
sys.exit(code[0] if code else "the AWS CLI ended without an exit code")
"""


@cache
def folder() -> Path:
    """A folder with an `aws`, whose process ends with this one."""
    made = Path(tempfile.mkdtemp(prefix=f"kmsconsole-test-{os.getpid()}-aws-"))
    address = str(made / "socket")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.aws_cli", str(listening.fileno())],
        cwd=ROOT,
        stdin=subprocess.PIPE,  # closed by the end of this process, which ends that one
        pass_fds=[listening.fileno()],
    )
    listening.close()
    atexit.register(process.wait)
    atexit.register(process.stdin.close)  # type: ignore[union-attr]
    shim = made / "aws"
    shim.write_text(_SHIM.format(python=Path(sys.executable).resolve(), address=address))
    shim.chmod(0o755)
    return made


def run(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `aws` with these arguments."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        code = _driver(tuple(sorted(environment.items()))).main(list(arguments))
    return code, output.getvalue(), errors.getvalue()


@cache
def _driver(environment: tuple[tuple[str, str], ...]) -> Any:
    """It keeps the credentials that it has found, so there is one for each environment."""
    import awscli.clidriver

    os.environ["AWS_DATA_PATH"] = str(Path(awscli.__file__).parent / "data")  # as importing it sets it, once
    return awscli.clidriver.create_clidriver()


def serve(listening: socket.socket) -> None:
    """Fork a CLI for each connection, until the test process has gone."""
    import awscli.clidriver
    import awscli.handlers
    import botocore.session

    # All of them find what the first of these has read of the services' models.
    loader = botocore.session.create_loader(os.environ["AWS_DATA_PATH"])
    botocore.session.create_loader = lambda *_: loader
    session = awscli.clidriver.create_clidriver().session
    for service in ("kms", "iam", "sts", "cloudtrail"):
        session.create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    gc.freeze()

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
        assert listening in ready
        asked, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _become(asked, awscli.clidriver.main)
        asked.close()


def _become(asked: socket.socket, main: Any) -> None:
    """In the child: what `aws` with these arguments is."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, received, _, _ = socket.recv_fds(asked, 4, 100)
    wanted = b""
    while len(wanted) < int.from_bytes(size, "big"):
        wanted += asked.recv(1 << 20)
    arguments, environment, cwd, numbers = json.loads(wanted)
    beside = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 500) for file in (asked.detach(), *received)]
    asked = socket.socket(fileno=beside[0])
    os.closerange(3, 500)
    for file, number in zip(beside[1:], numbers, strict=True):
        os.dup2(file, number)
    models = os.environ["AWS_DATA_PATH"]  # where the CLI found its own when it was loaded
    os.environ.clear()
    os.environ.update({**environment, "AWS_DATA_PATH": models})
    os.chdir(cwd)
    sys.argv = ["aws", *arguments]
    code: Any = 1
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asked.sendall(bytes([code if isinstance(code, int) else int(code is not None)]))
        os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
