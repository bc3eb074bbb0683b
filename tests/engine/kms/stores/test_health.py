"""The health of an external key store's proxy: asked where somebody looks or a key is used, and not more often than AWS does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import override_settings

from engine.kms.stores import health
from engine.kms.stores.health import ProxyHealth
from engine.store import cache
from engine.xks import connection
from tests.conftest import TestAccount
from tests.support import key_stores
from tests.support.xks_stub import HOST, Stub, answer, sound

REGION = "us-east-1"
CREDENTIAL = {"AccessKeyId": "BETWEEN2TENAND3TENCHARACTERS", "RawSecretAccessKey": "s" * 43}


class Store:
    def __init__(self, account: TestAccount, stub: Stub) -> None:
        self.account, self.stub, self.kms = account, stub, account.client()
        self.id: str = self.kms.create_custom_key_store(
            CustomKeyStoreName="external",
            CustomKeyStoreType="EXTERNAL_KEY_STORE",
            XksProxyConnectivity="PUBLIC_ENDPOINT",
            XksProxyUriEndpoint=f"https://{HOST}",
            XksProxyUriPath="/kms/xks/v1",
            XksProxyAuthenticationCredential=CREDENTIAL,
        )["CustomKeyStoreId"]
        key_stores.connect(self.kms, self.id)

    def look(self) -> ProxyHealth | None:
        cache.synchronise()  # as each request does
        return health.look(self.account.account_id, REGION, [self.id]).get(self.id)

    def checks(self) -> list[dict[str, Any]]:
        """The requestMetadata of each GetHealthStatus that was no part of a call."""
        asked = [orjson.loads(body)["requestMetadata"] for head, body in self.stub.requests if "/health" in head]
        return [each for each in asked if each["kmsOperation"] == "KmsHealthCheck"]


@pytest.fixture
def store(account: TestAccount, tmp_path: Path) -> Iterator[Store]:
    connection.close_idle()
    stub = Stub(tmp_path)
    stub.respond = sound
    with override_settings(
        XKS_PROXIES={HOST: stub.address}, XKS_CA_BUNDLE=str(stub.ca_bundle), XKS_CLIENT_CERTIFICATE="", XKS_SECONDS=5.0
    ):
        yield Store(account, stub)
    stub.close()


def test_looking_asks_the_proxy_and_for_a_while_not_again(store: Store) -> None:
    found = store.look()
    assert found is not None
    assert (found.is_well, found.error, found.vendor) == (True, "", "v")
    assert [each.health_status for each in found.managers] == ["ACTIVE"]
    assert store.look() == found
    (asked,) = store.checks()
    assert asked["kmsRequestId"]


def test_an_old_answer_is_asked_for_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.look()

    def degraded(head: str, body: bytes) -> bytes:
        found = orjson.loads(sound(head, body).partition(b"\r\n\r\n")[2])
        return answer({**found, "ekmFleetDetails": [{"id": "1", "model": "m", "healthStatus": "DEGRADED"}]})

    store.stub.respond = degraded
    monkeypatch.setattr(health, "EVERY", 0.0)
    found = store.look()
    assert found is not None
    assert (found.is_well, found.error) == (False, "")
    assert len(store.checks()) == 2


def test_a_key_that_is_used_has_the_proxy_asked_beside_it(store: Store) -> None:
    made = store.kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store.id, XksKeyId="any")
    for _ in range(3):
        store.kms.encrypt(KeyId=made["KeyMetadata"]["KeyId"], Plaintext=b"secret")
    end = time.monotonic() + 5
    while not store.checks():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(store.checks()) == 1


def test_a_proxy_that_does_not_answer_is_told_and_a_store_that_is_disconnected_is_not_asked(store: Store) -> None:
    store.stub.respond = lambda head, body: None
    found = store.look()
    assert found is not None
    assert (found.is_well, found.error) == (False, "XKS_PROXY_NOT_REACHABLE")
    store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.id)
    assert store.look() is None


def test_a_store_of_another_account_is_not_told(store: Store) -> None:
    assert health.look("999999999999", REGION, [store.id]) == {}
    assert store.checks() == []
