"""CreateKey in a custom key store: its checks, and the material in the store's device, made before the key's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.context import CallContext
from engine.kms import models
from engine.kms.stores import snapshots, types, use
from engine.kms.stores.snapshots import ORIGINS, KeyStore
from engine.wire.errors import AWSError


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
    """Speaks to the device. Answers columns of the key."""
    return types.of_type(store.type).create_key(store, key, parameters, context)


def has_own_material(store: KeyStore | None) -> bool:
    """Whether a key in the store has material of this service's too."""
    return store is not None and types.of_type(store.type).OWN_MATERIAL


def destroy_material(store: KeyStore, key: models.Key) -> None:
    """Of a key that was not made after all, as far as the device answers."""
    types.of_type(store.type).destroy_key(store, key.key_id)
