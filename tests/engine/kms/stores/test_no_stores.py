"""An account without custom key stores: what CreateKey and the store operations answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.kms.contract import METHODS, refusal

STORE = "cks-1234567890abcdef0"
UNKNOWN = ("CustomKeyStoreNotFoundException", "")
NOT_OFFERED = "UnsupportedOperationException"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"CustomKeyStoreId": STORE}, "ValidationException"),
        ({"Origin": "EXTERNAL", "CustomKeyStoreId": STORE}, "ValidationException"),
        ({"Origin": "AWS_CLOUDHSM"}, "ValidationException"),
        ({"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "key-1"}, "ValidationException"),
        ({"XksKeyId": "key-1"}, "ValidationException"),
        ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE}, "CustomKeyStoreNotFoundException"),
        (
            {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": STORE, "XksKeyId": "key-1"},
            "CustomKeyStoreNotFoundException",
        ),
        ({"Origin": "AWS_CLOUDHSM", "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, NOT_OFFERED),
        ({"Origin": "EXTERNAL_KEY_STORE", "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, NOT_OFFERED),
        ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE, "MultiRegion": True}, NOT_OFFERED),
    ],
)
def test_no_key_is_made_in_a_store(account: TestAccount, request_: dict[str, Any], code: str) -> None:
    kms = account.client()
    assert refusal(kms.create_key, **request_)[0] == code
    assert kms.list_keys()["Keys"] == []


def test_there_are_no_stores(account: TestAccount) -> None:
    kms = account.client()
    answer = kms.describe_custom_key_stores()
    assert (answer["CustomKeyStores"], answer["Truncated"]) == ([], False)
    assert refusal(kms.describe_custom_key_stores, CustomKeyStoreId=STORE) == UNKNOWN
    assert refusal(kms.describe_custom_key_stores, CustomKeyStoreName="mine") == UNKNOWN


@pytest.mark.parametrize(
    "operation", ["ConnectCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore", "DeleteCustomKeyStore"]
)
def test_a_store_that_is_named_is_not_there(account: TestAccount, operation: str) -> None:
    assert refusal(getattr(account.client(), METHODS[operation]), CustomKeyStoreId=STORE) == UNKNOWN


def test_store_operations_need_permission_too(account: TestAccount) -> None:
    kms = account.create_user("nobody").client()
    for call, request_ in (
        (kms.describe_custom_key_stores, {}),
        (kms.create_custom_key_store, {"CustomKeyStoreName": "mine"}),
        (kms.delete_custom_key_store, {"CustomKeyStoreId": STORE}),
    ):
        assert refusal(call, **request_)[0] == "AccessDeniedException"


def test_random_bytes_come_from_no_store(account: TestAccount) -> None:
    kms = account.client()
    assert refusal(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId=STORE) == UNKNOWN
    assert refusal(kms.generate_random)[0] == "ValidationException"
