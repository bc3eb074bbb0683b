"""How external key stores' proxies are: GetHealthStatus, asked again where somebody looks, or uses a key, and the last answer is old.

AWS asks every few minutes by itself. Here a few threads for all stores ask on those two occasions, and what a worker was answered last is
kept in its memory. A store that nobody looks at and nobody uses is not asked.
Source: AWS, "AWS KMS External Key Store Proxy API Specification", GetHealthStatus (kmsOperation KmsHealthCheck).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.conf import settings
from django.db import connections

from engine import clock
from engine.context import new_id
from engine.kms.stores import proxies, snapshots
from engine.kms.stores.snapshots import EXTERNAL_KEY_STORE, KeyStore
from engine.wire.errors import AWSError
from engine.xks import client
from engine.xks.answers import Manager
from engine.xks.client import RequestMetadata
from engine.xks.failures import XksError

logger = logging.getLogger(__name__)

EVERY = 120.0  # seconds after which an answer is old
_OPERATION = "KmsHealthCheck"
_THREADS = 4
_MOST = 500  # stores that are remembered


@dataclass(frozen=True, slots=True)
class ProxyHealth:
    """What a proxy answered, and when. `error`: as a ConnectionErrorCode, with AWS's sentence; empty if it is well."""

    checked: datetime
    milliseconds: int
    error: str = ""
    message: str = ""
    vendor: str = ""
    model: str = ""
    manager_vendor: str = ""
    managers: tuple[Manager, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether it answered, and every external key manager behind it is active."""
        return not self.error and all(each.health_status == "ACTIVE" for each in self.managers)


@dataclass(frozen=True, slots=True)
class _Known:
    asked: float
    health: ProxyHealth


_Place = tuple[str, ...]  # a store as it is configured: after a change nothing is known of it
_known: dict[_Place, _Known] = {}
_under_way: dict[_Place, Future[None]] = {}
_lock = threading.Lock()
_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="xks-health")


def _after_fork() -> None:
    global _threads, _lock
    _threads, _lock = ThreadPoolExecutor(_THREADS, thread_name_prefix="xks-health"), threading.Lock()
    _under_way.clear()


os.register_at_fork(after_in_child=_after_fork)


def look(account_id: str, region: str, store_ids: Iterable[str]) -> dict[str, ProxyHealth]:
    """Store ID → the health of its proxy, of those that are connected external stores. Old answers are asked for anew, all at once, and
    waited for as long as a call may take; what is not known by then is left out."""
    asked = {}
    for store_id in store_ids:
        with suppress(AWSError):  # it was deleted meanwhile
            store = snapshots.find(account_id, region, store_id)
            if store.type == EXTERNAL_KEY_STORE and store.is_connected:
                asked[store_id] = store
    wait(filter(None, [_ask(store) for store in asked.values()]), timeout=2 * settings.XKS_SECONDS)
    known = {store_id: _known.get(_place(store)) for store_id, store in asked.items()}
    return {store_id: found.health for store_id, found in known.items() if found is not None}


def used(store: KeyStore) -> None:
    """A key of the store is used: ask its proxy beside that, if the last answer is old. Nothing waits for it."""
    found = _known.get(_place(store))
    if found is None or monotonic() - found.asked > EVERY:
        _ask(store)


def _place(store: KeyStore) -> _Place:
    return (store.store_id, store.xks_uri_endpoint, store.xks_uri_path, store.xks_access_key_id, store.secret)


def _ask(store: KeyStore) -> Future[None] | None:
    """The question that is under way, begun if the last answer is old."""
    place = _place(store)
    with _lock:
        found = _known.get(place)
        if found is not None and monotonic() - found.asked <= EVERY:
            return None
        asking = _under_way.get(place)
        if asking is None:
            asking = _under_way[place] = _threads.submit(_answer, store, place)
        return asking


def _answer(store: KeyStore, place: _Place) -> None:
    try:
        health = of_proxy(store)
        if not health.is_well:
            logger.warning("key store %s: the proxy's health is %s", store.store_id, health.error or "degraded")
        with _lock:
            if len(_known) >= _MOST:
                _known.pop(next(iter(_known)))
            _known[place] = _Known(monotonic(), health)
    finally:
        with _lock:
            _under_way.pop(place, None)
        connections.close_all()


def of_proxy(store: KeyStore) -> ProxyHealth:
    """Ask the proxy of an external key store now."""
    began = monotonic()
    try:
        found = client.health(proxies.proxy(store), RequestMetadata(_OPERATION, new_id()), proxies.network())
    except XksError as error:
        told = error.failure.value
        return ProxyHealth(clock.real_now(), _milliseconds(began), told.connection, told.message)
    return ProxyHealth(
        clock.real_now(),
        _milliseconds(began),
        vendor=found.vendor,
        model=found.model,
        manager_vendor=found.manager_vendor,
        managers=found.managers,
    )


def _milliseconds(began: float) -> int:
    return round((monotonic() - began) * 1000)
