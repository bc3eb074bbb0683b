"""Keys in stores, used: what the cryptographic operations call. All of it speaks to a device, so it runs in threads alone.

In an event loop it raises DeviceCall before anything has happened; a server begins the call anew in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from django.core.exceptions import SynchronousOnlyOperation

from engine.context import CallContext
from engine.kms.stores import snapshots, types
from engine.kms.stores.snapshots import KeyInStore, KeyStore
from engine.wire.errors import AWSError


class DeviceCall(SynchronousOnlyOperation):
    """The call waits for a device: it is for a thread, and for one that other calls do not need."""


def seal(call: CallContext, key: KeyInStore, plaintext: bytes, encryption_context: Mapping[str, str] | None) -> bytes:
    """A ciphertext blob of a key in a store, whose state the caller has looked at."""
    _refuse_event_loop()
    store = snapshots.find(key.account_id, key.region, key.custom_key_store_id)
    return types.of_type(store.type).seal(store, key, plaintext, encryption_context, call)


def unseal(call: CallContext, key: KeyInStore, blob: bytes, encryption_context: Mapping[str, str] | None) -> bytes:
    """The plaintext of a blob that names a key in a store, whose state the caller has looked at."""
    _refuse_event_loop()
    store = snapshots.find(key.account_id, key.region, key.custom_key_store_id)
    return types.of_type(store.type).unseal(store, key, blob, encryption_context, call)


def random(account_id: str, region: str, store_id: str, length: int) -> bytes:
    """Source: AWS KMS API Reference, GenerateRandom, CustomKeyStoreId."""
    _refuse_event_loop()
    store = snapshots.find(account_id, region, store_id)
    if store.type != snapshots.AWS_CLOUDHSM:
        raise AWSError("UnsupportedOperationException", "GenerateRandom is not supported in an external key store.")
    refuse_unless_connected(store)
    return types.of_type(store.type).random(store, length)


def refuse_unless_connected(store: KeyStore) -> None:
    if not store.is_connected:
        raise AWSError(
            "CustomKeyStoreInvalidStateException",
            f"The custom key store {store.store_id} is {store.state}, not {snapshots.CONNECTED}.",
        )


def _refuse_event_loop() -> None:
    """As Django refuses its database in an event loop, which DJANGO_ALLOW_ASYNC_UNSAFE allows (for an interactive loop in the thread)."""
    if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise DeviceCall
