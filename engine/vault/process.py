"""Work in a process of its own, for a library that does not survive a fork or may hang: what comes back is bytes or one sentence."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

from engine.vault.hierarchy import RootKeyError


def in_a_process(work: Callable[[], bytes], *, seconds: float) -> bytes:
    """What `work` returns in a forked process. Raises RootKeyError: what it raised there, or that it did not answer."""
    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe(duplex=False)
    process = forking.Process(target=_work, args=(work, there), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(seconds):
            raise RootKeyError(f"what protects the root key did not answer within {seconds:.0f} seconds")
        kind, answer = here.recv_bytes(1), here.recv_bytes(1 << 16)
    except EOFError as reason:
        process.join()
        raise RootKeyError(f"what protects the root key failed (exit code {process.exitcode})") from reason
    finally:
        here.close()
        process.kill()
        process.join()
    if kind == b"!":
        raise RootKeyError(answer.decode())
    return answer


def _work(work: Callable[[], bytes], answer_to: Connection) -> None:
    try:
        kind, answer = b"=", work()
    except RootKeyError as reason:
        kind, answer = b"!", str(reason).encode()
    answer_to.send_bytes(kind)
    answer_to.send_bytes(answer)
