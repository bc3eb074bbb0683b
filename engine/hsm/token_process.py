"""A PKCS#11 token in a process of its own: what a Token does, without anything that it does reaching other tokens.

Calls into one PKCS#11 module go one after the other in a process, to look for a token ends the logins of the module's others, and a
library may hang or crash. So each token has a process, begun at its first call. Its calls go one after the other; whoever waits does so
for a bounded time. What did not answer in time is waited for by the next call; after half a minute its process is ended and the next
call begins another. The process ends with the one that began it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any

from engine.hsm.token import SECONDS, KeyName, Reason, Token, TokenError

GIVE_UP = 30.0  # seconds after which a process that does not answer is ended
_MOST = 32  # processes that one process has at a time; one that rests makes room
_ROOT = Path(__file__).resolve().parents[2]
_NO_LIMIT = 10_000_000.0  # seconds: whoever asks waits no longer than it wants to


class TokenProcess:
    """The token `label` of a PKCS#11 `module`, as its user with `pin`. Every method raises TokenError.

    `configuration`: SoftHSM's for this token, where it has one of its own (engine.hsm.softhsm).
    """

    def __init__(self, module: str, label: str, pin: str, seconds: float = SECONDS, *, configuration: str = "") -> None:
        self.label = label
        self._configuration = configuration
        self._login = (module, label, pin)
        self._seconds = seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._late: float | None = None  # since when an answer is awaited that came too late for whoever asked
        self.used = 0.0

    def check(self) -> None:
        """Look for the token and log in anew, whatever was logged in before."""
        self._call("check")

    def find(self) -> None:
        """Look for the token without a login."""
        self._call("find")

    def random(self, length: int) -> bytes:
        found: bytes = self._call("random", length)
        return found

    def generate(self, key_id: bytes, label: str) -> None:
        self._call("generate", key_id, label)

    def has(self, key_id: bytes) -> bool:
        return bool(self._call("has", key_id))

    def destroy(self, key_id: bytes) -> None:
        self._call("destroy", key_id)

    def encrypt(self, key_id: KeyName, plaintext: bytes, additional_data: bytes) -> tuple[bytes, bytes, bytes]:
        found: tuple[bytes, bytes, bytes] = self._call("encrypt", key_id, plaintext, additional_data)
        return found

    def decrypt(self, key_id: KeyName, nonce: bytes, ciphertext: bytes, tag: bytes, additional_data: bytes) -> bytes:
        found: bytes = self._call("decrypt", key_id, nonce, ciphertext, tag, additional_data)
        return found

    def close(self) -> None:
        """End the process unless a call is under way. A later call begins another."""
        if self._turn.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._turn.release()

    def _call(self, name: str, *arguments: Any) -> Any:
        deadline = monotonic() + self._seconds
        if not self._turn.acquire(timeout=self._seconds):
            raise TokenError(Reason.SLOW)
        try:
            reason, found = self._answer(name, arguments, deadline)
        except (EOFError, OSError) as error:
            self._end()
            raise TokenError(Reason.FAILED, "its process ended") from error
        finally:
            self._turn.release()
        if reason:
            raise TokenError(Reason[reason], found)
        return found

    def _answer(self, name: str, arguments: tuple[Any, ...], deadline: float) -> Any:
        self._await_late(deadline)
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._begin()
        connection = self._connection
        assert connection is not None
        self.used = monotonic()
        connection.send((name, arguments))
        if not connection.poll(max(0.0, deadline - monotonic())):
            self._late = monotonic()
            raise TokenError(Reason.SLOW)
        return connection.recv()

    def _await_late(self, deadline: float) -> None:
        if self._late is None or self._connection is None:
            return
        try:
            if self._connection.poll(max(0.0, deadline - monotonic())):
                self._connection.recv()
                self._late = None
                return
        except (EOFError, OSError):
            self._end()
            return
        if monotonic() - self._late > GIVE_UP:
            self._end()
        raise TokenError(Reason.SLOW)

    def _begin(self) -> None:
        _make_room(self)
        here, there = Pipe()
        with there:
            environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
            if self._configuration:
                environment["SOFTHSM2_CONF"] = self._configuration
            command = [sys.executable, "-P", "-m", __name__, str(there.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 (this Python, this module)
                command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[there.fileno()]
            )
        self._connection = here
        here.send(self._login)  # not by the command line, which everyone can read

    def _end(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = self._late = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()
        with _lock:
            _running.pop(self, None)


_running: dict[TokenProcess, None] = {}
_lock = threading.Lock()


def _make_room(token: TokenProcess) -> None:
    with _lock:
        others = sorted((each for each in _running if each is not token), key=lambda each: each.used)
        _running[token] = None
    for each in others[: max(0, len(others) + 1 - _MOST)]:
        each.close()


def _forget_parents() -> None:
    """In a forked child: neither to be used nor to be ended."""
    global _lock
    _lock = threading.Lock()
    _running.clear()


os.register_at_fork(after_in_child=_forget_parents)


def _serve(connection: Connection) -> None:
    """Do what is asked, one after the other, until whoever asks is gone."""
    asked: SimpleQueue[tuple[str, tuple[Any, ...]]] = SimpleQueue()
    module, label, pin = connection.recv()
    token = Token(module, label, pin, seconds=_NO_LIMIT)

    def read() -> None:
        try:
            while True:
                asked.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # also while the module hangs

    threading.Thread(target=read, daemon=True).start()
    while True:
        name, arguments = asked.get()
        try:
            answer = ("", getattr(token, name)(*arguments))
        except TokenError as error:
            answer = (error.reason.name, error.detail)
        connection.send(answer)


if __name__ == "__main__":
    # A server's signals reach all of its processes: this one is needed until its worker has answered what it has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _serve(Connection(int(sys.argv[1])))
