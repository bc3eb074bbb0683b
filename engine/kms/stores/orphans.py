"""Key material in a store's device that is no key's: of a key that is gone, and of one whose making did not come to its end.

It is noted with the change that lets a key go, and before material is made; whoever stores the new key takes the note away again. What is
noted is destroyed after the change, and what a device that is away or disconnected keeps, when the store is connected the next time.
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


def expect(store: KeyStore, key_id: str) -> None:
    """Before material is made in the device: until `claim` it is nobody's, whatever happens."""
    with write():
        row = snapshots.row(store)
        models.OrphanedMaterial.objects.create(store=row, key_id=key_id)


def claim(key_id: str) -> None:
    """With the running transaction's commit, the material is this key's."""
    deleted, _ = models.OrphanedMaterial.objects.filter(key_id=key_id).delete()
    if not deleted:  # the store was connected anew meanwhile, and the material destroyed
        raise AWSError("KMSInternalException", "The key material is not there any more. Retry the request.")


def forget(key_id: str) -> None:
    """There is no such material."""
    with write():
        models.OrphanedMaterial.objects.filter(key_id=key_id).delete()


def note_again(store: KeyStore, key: models.Key) -> None:
    """The material of a key that was not stored. Its note may be gone by now: a connection of the store swept before the device had made
    it. Raises CustomKeyStoreNotFoundException."""
    place = {"account_id": key.account_id, "region": key.region, "key_id": key.key_id}
    with write():
        if not models.Key.objects.filter(**place).exists():
            models.OrphanedMaterial.objects.get_or_create(key_id=key.key_id, defaults={"store": snapshots.row(store)})


def note(row: models.Key) -> None:
    """With the running transaction's commit, the material of this key is nobody's."""
    store = models.CustomKeyStore.objects.filter(store_id=row.custom_key_store_id).first()
    if store is None:
        return
    models.OrphanedMaterial.objects.get_or_create(key_id=row.key_id, defaults={"store": store})
    place, key_id = (store.account_id, store.region, store.store_id), row.key_id
    transaction.on_commit(
        lambda: threading.Thread(target=_sweep_in_thread, args=(place, key_id), daemon=True, name="orphans").start()
    )


def _sweep_in_thread(place: tuple[str, str, str], key_id: str) -> None:
    try:
        store = snapshots.find(*place)
        if store.is_connected:
            sweep(store, key_id)
    except AWSError:
        logger.info("key store %s is gone, and what was left in it is not looked for", place[2])
    except Exception:
        logger.exception("key store %s: material of the deleted key %s is left", place[2], key_id)
    finally:
        connections.close_all()


def sweep(store: KeyStore, key_id: str = "") -> None:
    """Destroy what is left in the device of a store that can be reached, or what is left of one key. Outside of transactions."""
    kind = types.of_type(store.type)
    left = models.OrphanedMaterial.objects.filter(store__store_id=store.store_id)
    for row in left.filter(key_id=key_id) if key_id else left:
        if not kind.destroy_key(store, row.key_id):
            return
        forget(row.key_id)
