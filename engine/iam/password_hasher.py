"""The password hash: Django's scrypt, by no more threads at a time than a worker has cores to spare.

A hash takes a core for a quarter of a second, on purpose. When a whole class signs in at once, its hashes would take turns with all pages of
the worker; so they take turns with each other, and a page waits for one of them at most. All of them together last as long as before.
"""

from __future__ import annotations

import functools
import os
import threading

from django.contrib.auth.hashers import ScryptPasswordHasher


class Scrypt(ScryptPasswordHasher):
    def encode(self, password: str, salt: str, n: int | None = None, r: int | None = None, p: int | None = None) -> str:
        with turns():
            return str(super().encode(password, salt, n, r, p))


@functools.cache
def turns() -> threading.Semaphore:
    """Of this process, from its first hash on: a worker has taken its core by then (kmsconsole.server.worker)."""
    return threading.Semaphore(max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1)


os.register_at_fork(after_in_child=turns.cache_clear)  # a server's first hash is before its workers
