"""A key in an external key store, used over HTTP: a server and the reference proxy, each a process of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import key_stores
from tests.support.server import Server
from tests.support.xks import ReferenceProxy


def test_a_server_uses_an_external_key_by_its_proxy(tmp_path: Path) -> None:
    with ReferenceProxy(tmp_path / "training") as proxy, Server(tmp_path / "data", **proxy.environment()) as server:
        kms = server.client("kms")
        store_id = kms.create_custom_key_store(CustomKeyStoreName="external", **proxy.members)["CustomKeyStoreId"]
        assert key_stores.connect(kms, store_id)["ConnectionState"] == "CONNECTED"
        made = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store_id, XksKeyId="training-key-1")
        key_id = made["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
        with ThreadPoolExecutor(8) as threads:
            opened = list(threads.map(lambda _: kms.decrypt(CiphertextBlob=blob)["Plaintext"], range(40)))
        assert opened == [b"secret"] * 40
        secret = proxy.members["XksProxyAuthenticationCredential"]["RawSecretAccessKey"]
        assert secret not in server.output() + proxy.output()
