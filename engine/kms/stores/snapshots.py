"""Custom key stores as operations see them: snapshots of stored facts with the secret opened, cached per worker.

How the connection stands is computed: an attempt to connect that nobody ends (its worker died) has failed after a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine import clock
from engine.kms import models
from engine.store.cache import Cache
from engine.store.transaction import changed, key_entity
from engine.vault import domain_keys
from engine.wire.errors import AWSError

AWS_CLOUDHSM, EXTERNAL_KEY_STORE = "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"
ORIGINS = (AWS_CLOUDHSM, EXTERNAL_KEY_STORE)  # of keys in such stores, named as the types are

CONNECTED, CONNECTING, DISCONNECTED, FAILED = "CONNECTED", "CONNECTING", "DISCONNECTED", "FAILED"
ATTEMPT = timedelta(seconds=60)  # after which one that has not ended never will


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A custom key store at one moment. `secret` is KeyStorePassword, or the secret key of the proxy's credential."""

    account_id: str
    region: str
    store_id: str
    name: str
    type: str
    stored_state: str
    stored_error: str
    attempt: str  # the ID of the request that has it connected
    attempted: datetime | None
    created: datetime
    cloudhsm_cluster_id: str
    module: str  # of the cluster; empty if the cluster is not registered any more
    token_label: str
    trust_anchor: str
    xks_connectivity: str
    xks_uri_endpoint: str
    xks_uri_path: str
    xks_vpc_service_name: str
    xks_vpc_service_owner: str
    xks_access_key_id: str
    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        return FAILED if self._was_given_up else self.stored_state

    @property
    def error(self) -> str:
        return "INTERNAL_ERROR" if self._was_given_up else self.stored_error

    @property
    def is_connected(self) -> bool:
        return self.stored_state == CONNECTED

    @property
    def _was_given_up(self) -> bool:
        if self.stored_state != CONNECTING or self.attempted is None:
            return False
        return clock.real_now() - self.attempted > ATTEMPT


class KeyInStore(Protocol):
    """What a type of store needs to know of a key; engine.kms.key_snapshots.KmsKey is one."""

    @property
    def account_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def custom_key_store_id(self) -> str: ...
    @property
    def xks_key_id(self) -> str: ...
    @property
    def current_material_id(self) -> str: ...
    @property
    def materials(self) -> Mapping[str, Any]: ...


_stores: Cache[str, KeyStore] = Cache("key stores", limit=500, weigh=lambda _id, store: 8_000, most=4 << 20)


def find(account_id: str, region: str, store_id: str) -> KeyStore:
    """Raises CustomKeyStoreNotFoundException."""
    store = _stores.get(store_id, lambda: (_load(store_id), [entity(store_id)]))
    if (store.account_id, store.region) != (account_id, region):
        raise not_found()
    return store


def rows(account_id: str, region: str) -> Any:
    return models.CustomKeyStore.objects.filter(account_id=account_id, region=region)


def row(store: KeyStore) -> models.CustomKeyStore:
    """The stored row behind a snapshot, for an operation that changes it (inside its transaction)."""
    found = models.CustomKeyStore.objects.filter(store_id=store.store_id).first()
    if found is None:
        raise not_found()
    return found


def connected(store_id: str) -> bool:
    """Whether a store is CONNECTED, as it is stored now."""
    return models.CustomKeyStore.objects.filter(store_id=store_id, connection_state=CONNECTED).exists()


def not_found() -> AWSError:
    return AWSError("CustomKeyStoreNotFoundException", "")


def snapshot(stored: models.CustomKeyStore) -> KeyStore:
    cluster = models.CloudHsmCluster.objects.filter(cluster_id=stored.cloudhsm_cluster_id).first()
    return KeyStore(
        account_id=stored.account_id,
        region=stored.region,
        store_id=stored.store_id,
        name=stored.name,
        type=stored.type,
        stored_state=stored.connection_state,
        stored_error=stored.connection_error,
        attempt=stored.attempt,
        attempted=stored.attempted,
        created=stored.created,
        cloudhsm_cluster_id=stored.cloudhsm_cluster_id,
        module=cluster.module if cluster else "",
        token_label=cluster.token_label if cluster else "",
        trust_anchor=stored.trust_anchor,
        xks_connectivity=stored.xks_connectivity,
        xks_uri_endpoint=stored.xks_uri_endpoint,
        xks_uri_path=stored.xks_uri_path,
        xks_vpc_service_name=stored.xks_vpc_service_name,
        xks_vpc_service_owner=stored.xks_vpc_service_owner,
        xks_access_key_id=stored.xks_access_key_id,
        secret=_open(stored),
    )


def _load(store_id: str) -> KeyStore:
    stored = models.CustomKeyStore.objects.filter(store_id=store_id).first()
    if stored is None:
        raise not_found()
    return snapshot(stored)


_KIND, _ITEM = "key-store-secret", "secret"  # what it is sealed as


def seal(stored: models.CustomKeyStore, secret: str) -> None:
    """Give the row its secret, sealed as key material is."""
    stored.secret = domain_keys.seal(_KIND, stored.account_id, stored.region, stored.store_id, _ITEM, secret.encode())


def _open(stored: models.CustomKeyStore) -> str:
    sealed = bytes(stored.secret)
    if not sealed:
        return ""
    return domain_keys.open_(_KIND, stored.account_id, stored.region, stored.store_id, _ITEM, sealed).decode()


def entity(store_id: str) -> str:
    return f"store:{store_id}"


def announce(stored: models.CustomKeyStore, *, keys: bool) -> None:
    """The store is another with the running transaction's commit; with `keys`, its keys' states are too."""
    entities = [entity(stored.store_id)]
    if keys:
        key_ids = models.Key.objects.filter(custom_key_store_id=stored.store_id).values_list("key_id", flat=True)
        entities += [key_entity(stored.account_id, stored.region, key_id) for key_id in key_ids]
    changed(*entities)
