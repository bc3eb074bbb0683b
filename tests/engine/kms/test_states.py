"""What each operation answers in each key state: the table of the KMS Developer Guide, row by row, through boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import TestAccount

DISABLED = ("DisabledException", "{arn} is disabled.")
PENDING_DELETION = ("KMSInvalidStateException", "{arn} is pending deletion.")
PENDING_IMPORT = ("KMSInvalidStateException", "{arn} is pending import.")
NOT_PENDING = ("KMSInvalidStateException", "{arn} is not pending deletion.")
EXTERNAL = ("UnsupportedOperationException", "{arn} origin is EXTERNAL which is not valid for this operation.")
WORKS = None

# operation → parameters beyond KeyId, then the answer when Disabled, PendingImport, PendingDeletion
ROWS: dict[str, tuple[dict[str, Any], Any, Any, Any]] = {
    "encrypt": ({"Plaintext": b"x"}, DISABLED, PENDING_IMPORT, PENDING_DELETION),
    "generate_data_key": ({"KeySpec": "AES_256"}, DISABLED, PENDING_IMPORT, PENDING_DELETION),
    "generate_data_key_without_plaintext": ({"KeySpec": "AES_256"}, DISABLED, PENDING_IMPORT, PENDING_DELETION),
    "generate_data_key_pair": ({"KeyPairSpec": "ECC_NIST_P256"}, DISABLED, PENDING_IMPORT, PENDING_DELETION),
    "generate_data_key_pair_without_plaintext": (
        {"KeyPairSpec": "ECC_NIST_P256"},
        DISABLED,
        PENDING_IMPORT,
        PENDING_DELETION,
    ),
    "create_grant": (
        {"GranteePrincipal": "{root}", "Operations": ["Encrypt"]},
        DISABLED,
        PENDING_IMPORT,
        PENDING_DELETION,
    ),
    "enable_key": ({}, WORKS, PENDING_IMPORT, PENDING_DELETION),
    "disable_key": ({}, WORKS, PENDING_IMPORT, PENDING_DELETION),
    "enable_key_rotation": ({}, DISABLED, EXTERNAL, PENDING_DELETION),
    "disable_key_rotation": ({}, DISABLED, EXTERNAL, PENDING_DELETION),
    "schedule_key_deletion": ({}, WORKS, WORKS, PENDING_DELETION),
    "cancel_key_deletion": ({}, NOT_PENDING, NOT_PENDING, WORKS),
    "tag_resource": ({"Tags": [{"TagKey": "a", "TagValue": "b"}]}, WORKS, WORKS, PENDING_DELETION),
    "untag_resource": ({"TagKeys": ["a"]}, WORKS, WORKS, PENDING_DELETION),
    "update_key_description": ({"Description": "d"}, WORKS, WORKS, PENDING_DELETION),
    "describe_key": ({}, WORKS, WORKS, WORKS),
    "get_key_policy": ({}, WORKS, WORKS, WORKS),
    "list_grants": ({}, WORKS, WORKS, WORKS),
    "list_key_policies": ({}, WORKS, WORKS, WORKS),
    "list_resource_tags": ({}, WORKS, WORKS, WORKS),
    "get_key_rotation_status": ({}, WORKS, WORKS, WORKS),
}


def disabled_key(kms: Any) -> dict[str, Any]:
    key = kms.create_key()["KeyMetadata"]
    kms.disable_key(KeyId=key["KeyId"])
    return key


def pending_import_key(kms: Any) -> dict[str, Any]:
    return kms.create_key(Origin="EXTERNAL")["KeyMetadata"]


def pending_deletion_key(kms: Any) -> dict[str, Any]:
    key = kms.create_key()["KeyMetadata"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    return key


STATES = {"Disabled": disabled_key, "PendingImport": pending_import_key, "PendingDeletion": pending_deletion_key}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", ROWS)
def test_an_operation_answers_as_the_state_table_says(account: TestAccount, operation: str, state: str) -> None:
    kms = account.client()
    key = STATES[state](kms)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == state
    more, *answers = ROWS[operation]
    expected = dict(zip(STATES, answers, strict=True))[state]
    parameters = {
        name: value.replace("{root}", account.root_arn) if isinstance(value, str) else value
        for name, value in more.items()
    }
    if expected is WORKS:
        assert getattr(kms, operation)(KeyId=key["KeyId"], **parameters)
        return
    with pytest.raises(ClientError) as refused:
        getattr(kms, operation)(KeyId=key["KeyId"], **parameters)
    code, message = expected
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["Error"]["Message"] == message.format(arn=key["Arn"])


def test_cancelling_a_deletion_leaves_the_key_disabled(kms: Any) -> None:
    key = pending_deletion_key(kms)
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_key_is_gone_for_good_at_its_deletion_date(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key()
    kms.create_alias(AliasName="alias/gone", TargetKeyId=key_id)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    account.move_clock(days=8)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=key_id)
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=blob)
    assert key_id not in [key["KeyId"] for key in kms.list_keys()["Keys"]]
    assert not [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == "alias/gone"]
