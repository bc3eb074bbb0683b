"""A custom key store on PostgreSQL: its state is every worker's, and its keys are used as on SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.kms.contract import refusal
from tests.support import key_stores
from tests.support.server import Server

pytestmark = pytest.mark.slow


def test_a_store_is_connected_used_disconnected_and_connected_again(postgres: Any, tmp_path: Path) -> None:
    database = postgres.database()
    with Server(tmp_path / "data", KMSCONSOLE_DATABASE_URL=database, KMSCONSOLE_WORKERS="2") as server:
        kms = server.client()
        store_id = key_stores.connected_store(kms, key_stores.training_cluster(server))
        key_id = key_stores.key_in(kms, store_id)["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        assert {server.client().decrypt(CiphertextBlob=blob)["Plaintext"] for _ in range(4)} == {b"kept"}
        kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
        codes = {refusal(server.client().decrypt, CiphertextBlob=blob)[0] for _ in range(4)}
        assert codes == {"KMSInvalidStateException"}
        assert key_stores.connect(kms, store_id)["ConnectionState"] == "CONNECTED"
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
