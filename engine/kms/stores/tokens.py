"""The PKCS#11 tokens that this worker uses: one for each store, made at its first use, and what to do while one hangs.

Stores of one token and PIN share its process (engine.hsm.token_process). A change of the store, in whatever worker, drops its token from
here; the next call ends its process. A token that did not answer in time hangs until it answers again. Meanwhile one call at a time waits
for it and all others are refused at once, so that a hanging token never takes the threads that other keys' calls need. A token that is
away is looked for now and then, not by every call.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TypeVar

from django.conf import settings

from engine.hsm import softhsm
from engine.hsm.token import Reason, TokenError
from engine.hsm.token_process import TokenProcess
from engine.kms.stores import snapshots
from engine.kms.stores.snapshots import KeyStore
from engine.store.cache import Cache

SECONDS = 5.0  # that a call may take, waiting included
_LOOK_AGAIN = 0.5  # seconds after which a token that is away is looked for again
_AT_ONCE = 8  # calls of this process that wait for one store: a quarter of the server's threads for devices (kmsconsole.server.asgi)

T = TypeVar("T")


class _Device:
    def __init__(self, token: TokenProcess) -> None:
        self.token = token
        self.hangs = False
        self.away_until = 0.0
        self.turn = threading.Lock()
        self.waiting = threading.BoundedSemaphore(_AT_ONCE)
        weakref.finalize(self, _unused.append, token)


# Tokens that a store does not use any more, to be closed by the next call: whatever runs a finalizer may hold any lock. Another store of
# the same token has it begin anew.
_unused: deque[TokenProcess] = deque(maxlen=1_000)


# By store, place and PIN: with a snapshot from before a change nobody gets the token of after it.
_devices: Cache[tuple[str, str, str, str], _Device] = Cache(
    "key stores' tokens", limit=1_000, weigh=lambda _key, device: 4_000, most=4 << 20
)


def _forget_parents() -> None:
    """In a forked child: the processes are the parent's."""
    _devices.clear()
    _unused.clear()
    _shared.clear()


os.register_at_fork(after_in_child=_forget_parents)


def call(store: KeyStore, work: Callable[[TokenProcess], T], *, look: bool = False) -> T:
    """`work` with the store's token; with `look` it is looked for even if it was away a moment ago. Raises TokenError."""
    while _unused:
        _unused.popleft().close()
    device = _device(store)
    if monotonic() < device.away_until and not look:
        raise TokenError(Reason.GONE)
    hung = device.hangs
    place, refusal = (device.turn, Reason.SLOW) if hung else (device.waiting, Reason.BUSY)
    if not place.acquire(blocking=False):
        raise TokenError(refusal)
    try:
        result = work(device.token)
    except TokenError as error:
        device.hangs = error.reason is Reason.SLOW
        if error.reason is Reason.GONE:
            device.away_until = monotonic() + _LOOK_AGAIN
        raise
    finally:
        place.release()
    device.hangs, device.away_until = False, 0.0
    return result


_looking = threading.BoundedSemaphore(4)


def look_for(module: str, label: str) -> None:
    """Whether a token is there, without a login. Raises TokenError."""
    if not _looking.acquire(blocking=False):  # each takes a thread for as long as a module hangs
        raise TokenError(Reason.BUSY)
    try:
        token = TokenProcess(module, label, "", SECONDS, configuration=_configuration(label))
        try:
            token.find()
        finally:
            token.close()
    finally:
        _looking.release()


# (module, label, PIN) → the process that stores of this token share while one of them uses it.
_shared: weakref.WeakValueDictionary[tuple[str, str, str], TokenProcess] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def _token(module: str, label: str, pin: str) -> TokenProcess:
    with _sharing:
        found = _shared.get((module, label, pin))
        if found is None:
            configuration = _configuration(label)
            found = _shared[module, label, pin] = TokenProcess(module, label, pin, SECONDS, configuration=configuration)
        return found


def _configuration(label: str) -> str:
    """SoftHSM's for a training token: its own, or that of all that were not made apart, which this process takes over."""
    softhsm.use(Path(settings.DATA))
    return softhsm.configuration_apart(Path(settings.DATA), label)


def _device(store: KeyStore) -> _Device:
    if not store.module:
        raise TokenError(Reason.GONE, "the cluster is not registered")

    def make() -> tuple[_Device, list[str]]:
        token = _token(store.module, store.token_label, store.secret)
        return _Device(token), [snapshots.entity(store.store_id)]

    return _devices.get((store.store_id, store.module, store.token_label, store.secret), make)


def forget_all() -> None:
    _devices.clear()
