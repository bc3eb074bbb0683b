"""Key material in a store's device whose key is gone. It is noted with the change that lets the key go, and destroyed after it.

A device that is away or disconnected then keeps it until the store is connected the next time.
"""

from __future__ import annotations

import logging
import threading

from django.db import connections, transaction

from engine.kms import models
from engine.kms.stores import snapshots, types
from engine.kms.stores.snapshots import KeyStore
from engine.store.transaction import write
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)


def note(row: models.Key) -> None:
    """With the running transaction's commit, the material of this key is nobody's."""
    store = models.CustomKeyStore.objects.filter(store_id=row.custom_key_store_id).first()
    if store is None:
        return
    models.OrphanedMaterial.objects.get_or_create(key_id=row.key_id, defaults={"store": store})
    transaction.on_commit(lambda: _start(store))


def _start(row: models.CustomKeyStore) -> None:
    threading.Thread(target=_sweep_in_thread, args=(row.account_id, row.region, row.store_id), daemon=True).start()


def _sweep_in_thread(account_id: str, region: str, store_id: str) -> None:
    try:
        sweep(snapshots.find(account_id, region, store_id))
    except AWSError:
        logger.info("key store %s is gone, and what was left in it is not looked for", store_id)
    except Exception:
        logger.exception("key store %s: material of deleted keys is left", store_id)
    finally:
        connections.close_all()


def sweep(store: KeyStore) -> None:
    """Destroy what is left in a connected store's device. Outside of transactions."""
    if not store.is_connected:
        return
    kind = types.of_type(store.type)
    for row in models.OrphanedMaterial.objects.filter(store__store_id=store.store_id):
        if not kind.destroy_key(store, row.key_id):
            return
        with write():
            row.delete()
