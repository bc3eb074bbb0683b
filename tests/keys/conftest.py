"""Keys to look for, in the tests of the list and of its export."""

from __future__ import annotations

import pytest

from tests.conftest import TestAccount


@pytest.fixture
def sample_keys(account: TestAccount) -> dict[str, str]:
    kms = account.client()
    made = {
        "blue": account.create_key(Description="Payments", Tags=[{"TagKey": "team", "TagValue": "blue"}]),
        "red": account.create_key(
            Description="Archive", Tags=[{"TagKey": "team", "TagValue": "red"}], MultiRegion=True
        ),
        "sign": account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"),
        "mac": account.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
    }
    kms.create_alias(AliasName="alias/payments", TargetKeyId=made["blue"])
    kms.enable_key_rotation(KeyId=made["blue"])
    kms.disable_key(KeyId=made["red"])
    return made
