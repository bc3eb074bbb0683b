"""Clusters over SoftHSM tokens, and an account with a connected store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from engine.kms.stores import tokens
from tests.conftest import TestAccount
from tests.support import key_stores
from tests.support.key_stores import Cluster
from tests.support.softhsm import SoftHsm

_labels = itertools.count(1)


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(made.configuration))
        yield made


@pytest.fixture
def new_cluster(softhsm: SoftHsm) -> Callable[..., Cluster]:
    def make(certificate: str = "") -> Cluster:
        return key_stores.make_cluster(softhsm, f"token {next(_labels)} of {id(softhsm):x}"[:32], certificate)

    return make


@pytest.fixture
def cluster(new_cluster: Callable[..., Cluster]) -> Cluster:
    return new_cluster()


@dataclass
class Store:
    """An account with a store that is connected, and a key in it."""

    account: TestAccount
    kms: Any
    cluster: Cluster
    store_id: str
    key_id: str

    @property
    def key_state(self) -> str:
        state: str = self.kms.describe_key(KeyId=self.key_id)["KeyMetadata"]["KeyState"]
        return state

    def disconnect(self) -> None:
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=self.store_id)

    def connect(self) -> dict[str, Any]:
        return key_stores.connect(self.kms, self.store_id)

    def encrypt(self, plaintext: bytes = b"secret", **parameters: Any) -> bytes:
        blob: bytes = self.kms.encrypt(KeyId=self.key_id, Plaintext=plaintext, **parameters)["CiphertextBlob"]
        return blob

    def decrypt(self, blob: bytes, **parameters: Any) -> bytes:
        plaintext: bytes = self.kms.decrypt(CiphertextBlob=blob, **parameters)["Plaintext"]
        return plaintext


@pytest.fixture
def store(account: TestAccount, cluster: Cluster) -> Iterator[Store]:
    kms = account.client()
    store_id = key_stores.connected_store(kms, cluster)
    yield Store(account, kms, cluster, store_id, key_stores.key_in(kms, store_id)["KeyId"])
    tokens.forget_all()
