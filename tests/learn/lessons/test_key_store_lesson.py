"""The lesson of custom key stores is ticked step by step by what happens to a real store over SoftHSM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from engine.kms.stores import tokens
from tests.conftest import TestAccount
from tests.support import key_stores
from tests.support.softhsm import SoftHsm


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftHsm]:
    made = SoftHsm(tmp_path)
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    yield made
    tokens.forget_all()


def test_from_a_store_to_a_key_that_is_away_and_back(account: TestAccount, signed_in: Client, softhsm: SoftHsm) -> None:
    kms = account.client()

    def done() -> int:
        answer: Any = signed_in.get("/learn/custom-key-store/")
        ticked = [step.proof is not None for step in answer.context["steps"]]
        assert ticked == sorted(ticked, reverse=True)  # one after the other
        return sum(ticked)

    account.create_key()
    assert done() == 0
    cluster = key_stores.make_cluster(softhsm, f"lesson {account.account_id}")
    store_id = kms.create_custom_key_store(**cluster.request())["CustomKeyStoreId"]
    assert done() == 1
    key_stores.connect(kms, store_id)
    assert done() == 2
    key_id = key_stores.key_in(kms, store_id)["KeyId"]
    assert done() == 3
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    assert done() == 4
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    assert done() == 5
    with pytest.raises(ClientError, match="KMSInvalidStateException"):
        kms.decrypt(CiphertextBlob=blob)
    assert done() == 6
    key_stores.connect(kms, store_id)
    assert done() == 6
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"
    assert done() == 7
