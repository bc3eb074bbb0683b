"""Connecting a custom key store: begun by a call, ended by a thread, so that no call and no transaction waits for a device."""

from __future__ import annotations

import logging
import threading

from django.db import connections, transaction

from engine import clock
from engine.kms import models
from engine.kms.stores import orphans, snapshots, types
from engine.kms.stores.snapshots import CONNECTED, CONNECTING, FAILED
from engine.store import cache
from engine.store.transaction import write
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)


def begin(row: models.CustomKeyStore, attempt: str) -> None:
    """With the running transaction's commit, the store is CONNECTING and a thread is at it. `attempt`: the ID of the request that asks."""
    row.connection_state, row.connection_error = CONNECTING, ""
    row.attempt, row.attempted = attempt, clock.real_now()
    row.save(update_fields=["connection_state", "connection_error", "attempt", "attempted"])
    snapshots.announce(row, keys=False)
    place = (row.account_id, row.region, row.store_id)
    transaction.on_commit(
        lambda: threading.Thread(target=_connect, args=(place, attempt), daemon=True, name="connect").start()
    )


def end(row: models.CustomKeyStore, state: str, error: str = "") -> None:
    """In the caller's transaction. Its keys' states are others if it is connected now, or was."""
    keys = CONNECTED in (state, row.connection_state)
    row.connection_state, row.connection_error = state, error
    row.attempt, row.attempted = "", None
    row.save(update_fields=["connection_state", "connection_error", "attempt", "attempted"])
    snapshots.announce(row, keys=keys)


def _connect(place: tuple[str, str, str], attempt: str) -> None:
    try:
        _end_attempt(place, attempt, _try(place))
    except AWSError:
        logger.info("key store %s was deleted while it was being connected", place[2])
    except Exception:
        logger.exception("connecting the key store %s did not end", place[2])  # its time runs out: FAILED
    finally:
        connections.close_all()


def _try(place: tuple[str, str, str]) -> str:
    cache.synchronise()
    store = snapshots.find(*place)
    try:
        error = types.of_type(store.type).connect(store)
        if not error:  # before keys can be made in it: their material is an orphan for a moment, too
            orphans.sweep(store)
        return error
    except Exception:
        logger.exception("the key store %s cannot be connected", store.store_id)
        return "INTERNAL_ERROR"


def _end_attempt(place: tuple[str, str, str], attempt: str, error: str) -> None:
    """Unless it was disconnected, or begun anew, meanwhile."""
    with write():
        row = snapshots.rows(*place[:2]).filter(store_id=place[2]).first()
        if row is not None and row.connection_state == CONNECTING and row.attempt == attempt:
            end(row, FAILED if error else CONNECTED, error)
