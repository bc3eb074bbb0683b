"""CreateKey in a custom key store: its checks, and the material in the store's device, made before the key's transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from engine.context import CallContext
from engine.kms import models
from engine.kms.stores import orphans, snapshots, types, use
from engine.kms.stores.snapshots import ORIGINS, KeyStore
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)


def check(context: CallContext, parameters: Mapping[str, Any], origin: str) -> KeyStore | None:
    """The store that a new key is to be in; None if in none. Raises what CreateKey answers about stores."""
    in_store = origin in ORIGINS
    if "CustomKeyStoreId" not in parameters:
        if in_store:
            raise AWSError("ValidationException", f"CustomKeyStoreId is required when Origin is {origin}.")
        if "XksKeyId" in parameters:
            raise AWSError("ValidationException", "XksKeyId is only valid with Origin EXTERNAL_KEY_STORE.")
        return None
    if not in_store:
        raise AWSError(
            "ValidationException", "CustomKeyStoreId is only valid with Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE."
        )
    store = snapshots.find(context.account_id, context.region, parameters["CustomKeyStoreId"])
    if store.type != origin:
        raise AWSError(
            "ValidationException", f"Origin {origin} is not valid for a custom key store of type {store.type}."
        )
    types.of_type(store.type).check_new_key(store, parameters)
    use.refuse_unless_connected(store)
    return store


def make_material(
    context: CallContext, store: KeyStore, key: models.Key, parameters: Mapping[str, Any]
) -> dict[str, str]:
    """Speaks to the device. Answers columns of the key. What is made is an orphan until `claim_material`."""
    kind = types.of_type(store.type)
    if kind.OWN_MATERIAL:  # then nothing is made in the device
        return kind.create_key(store, key, parameters, context)
    orphans.expect(store, key.key_id)
    try:
        return kind.create_key(store, key, parameters, context)
    except AWSError as error:
        if error.code != "DependencyTimeoutException":  # after which it may yet be made
            orphans.forget(key.key_id)
        raise


def claim_material(store: KeyStore | None, key: models.Key) -> None:
    """In the transaction that stores the key."""
    if store is not None and not has_own_material(store):
        orphans.claim(key.key_id)


def has_own_material(store: KeyStore | None) -> bool:
    """Whether a key in the store has material of this service's too."""
    return store is not None and types.of_type(store.type).OWN_MATERIAL


def destroy_material(store: KeyStore, key: models.Key) -> None:
    """Of a key that was not made after all; a device that is away keeps it until the store is connected the next time. Where nobody
    knows whether the commit reached the database, the note of the material says it: that of a key that was made is gone."""
    if has_own_material(store):
        return
    try:
        orphans.note_again(store, key)
        orphans.sweep(store, key.key_id)
    except (AWSError, DatabaseError):
        logger.exception(
            "key store %s: material of the key %s, which was not made, may be left", store.store_id, key.key_id
        )
