"""The types of custom key stores: a module for each, with the functions of StoreType. A type that is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.context import CallContext
from engine.kms import models
from engine.kms.stores import cloudhsm, external
from engine.kms.stores.snapshots import AWS_CLOUDHSM, EXTERNAL_KEY_STORE, KeyInStore, KeyStore
from engine.wire.errors import AWSError


class StoreType(Protocol):
    """What a type of store is made of. What speaks to a device or a proxy says so: it is called outside of transactions and of event
    loops, answers within a bounded time, and raises AWSError."""

    WHILE_CONNECTED: frozenset[
        str
    ]  # of the type's own members, what UpdateCustomKeyStore takes in the state CONNECTED too
    OWN_MATERIAL: bool  # whether a key has material of this service's too, beside the device's

    def check(self, call: CallContext, parameters: Mapping[str, Any]) -> None:
        """Refuse what CreateCustomKeyStore cannot make a store of; no device is asked."""

    def check_update(self, store: KeyStore, parameters: Mapping[str, Any]) -> None:
        """Refuse what UpdateCustomKeyStore cannot make of a store; no device is asked."""

    def try_out(self, parameters: Mapping[str, Any], store: KeyStore | None, call: CallContext) -> None:
        """Ask the device whether a store can be made, or updated (`store`), as CreateCustomKeyStore and UpdateCustomKeyStore do."""

    def put(self, row: models.CustomKeyStore, parameters: Mapping[str, Any]) -> None:
        """Put a request's members into the row, secrets sealed."""

    def connect(self, store: KeyStore) -> str:
        """Connect by asking the device: "" or a ConnectionErrorCode."""

    def describe(self, store: KeyStore) -> dict[str, Any]:
        """The type's own members of CustomKeyStoresListEntry."""

    def check_new_key(self, store: KeyStore, parameters: Mapping[str, Any]) -> None:
        """Refuse what CreateKey cannot make in this store; no device is asked."""

    def create_key(
        self, store: KeyStore, key: models.Key, parameters: Mapping[str, Any], call: CallContext
    ) -> dict[str, str]:
        """Make, or look for, the material of a key that is not stored yet in the device. Answers columns of models.Key."""

    def destroy_key(self, store: KeyStore, key_id: str) -> bool:
        """Destroy the key's material in the device: whether that is done, now or before."""

    def seal(
        self,
        store: KeyStore,
        key: KeyInStore,
        plaintext: bytes,
        encryption_context: Mapping[str, str] | None,
        call: CallContext,
    ) -> bytes:
        """A ciphertext blob, by the device."""

    def unseal(
        self,
        store: KeyStore,
        key: KeyInStore,
        blob: bytes,
        encryption_context: Mapping[str, str] | None,
        call: CallContext,
    ) -> bytes:
        """The plaintext of a blob that names this key, by the device. Raises InvalidCiphertextException, also for another format."""

    def random(self, store: KeyStore, length: int) -> bytes:
        """Random bytes of the device."""


_TYPES: dict[str, StoreType] = {AWS_CLOUDHSM: cloudhsm, EXTERNAL_KEY_STORE: external}


def of_type(name: str) -> StoreType:
    """Raises UnsupportedOperationException for a type that is not built."""
    found = _TYPES.get(name)
    if found is None:
        raise AWSError("UnsupportedOperationException", f"Custom key stores of type {name} are not available here.")
    return found
