"""The PKCS#11 tokens that this process uses: one for each store, made at its first use, and what to do while one hangs.

A token that did not answer in time hangs until it answers again. Meanwhile one call at a time waits for it and all others are refused
at once, so that a hanging token never takes the threads that other keys' calls need.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from engine.hsm import softhsm
from engine.hsm.token import Reason, Token, TokenError
from engine.kms.stores.snapshots import KeyStore

SECONDS = 5.0  # that a call may take, waiting included
_AT_ONCE = 16  # calls of this process that wait for one token: fewer than it has threads
_MOST = 1_000  # tokens; whoever has more begins anew

T = TypeVar("T")


class _Device:
    def __init__(self, token: Token) -> None:
        self.token = token
        self.hangs = False
        self.turn = threading.Lock()
        self.waiting = threading.BoundedSemaphore(_AT_ONCE)


_devices: dict[str, _Device] = {}
_lock = threading.Lock()
os.register_at_fork(after_in_child=_devices.clear)  # its threads are the parent's


def call(store: KeyStore, work: Callable[[Token], T]) -> T:
    """`work` with the store's token. Raises TokenError."""
    device = _device(store)
    hung = device.hangs
    place, refusal = (device.turn, Reason.SLOW) if hung else (device.waiting, Reason.BUSY)
    if not place.acquire(blocking=False):
        raise TokenError(refusal)
    try:
        result = work(device.token)
    except TokenError as error:
        device.hangs = error.reason is Reason.SLOW
        raise
    finally:
        place.release()
    device.hangs = False
    return result


def look_for(module: str, label: str) -> None:
    """Whether a token is there, without a login. Raises TokenError."""
    softhsm.use(Path(settings.DATA))
    Token(module, label, "", SECONDS).find()


def _device(store: KeyStore) -> _Device:
    if not store.module:
        raise TokenError(Reason.GONE, "the cluster is not registered")
    device = _devices.get(store.store_id)
    if device is not None and _is_of(device.token, store):
        return device
    softhsm.use(Path(settings.DATA))
    with _lock:
        device = _devices.get(store.store_id)
        if device is None or not _is_of(device.token, store):
            if device is not None:
                device.token.close()
            if len(_devices) >= _MOST:
                _close_all()
            device = _devices[store.store_id] = _Device(Token(store.module, store.token_label, store.secret, SECONDS))
        return device


def _is_of(token: Token, store: KeyStore) -> bool:
    return (token.module, token.label, token.pin) == (store.module, store.token_label, store.secret)


def let_go_of_all() -> None:
    with _lock:
        _close_all()


def _close_all() -> None:
    for each in _devices.values():
        each.token.close()
    _devices.clear()


def let_go(store: KeyStore) -> None:
    """Close what is open of a store's token."""
    with _lock:
        device = _devices.pop(store.store_id, None)
    if device is not None:
        device.token.close()
