"""Every operation on every kind of key in every state: one table, that of the KMS Developer Guide ("Key states"), through boto3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.kms import models, regions
from engine.store import transaction
from engine.store.transaction import key_entity
from tests.conftest import TestAccount, new_account
from tests.engine.kms.contract import METHODS, MODEL, refusal
from tests.engine.kms.test_life import bring
from tests.support.long_form import covering

# The numbered answers of the guide.
WORKS = None
ANSWERS: dict[int, tuple[str, str]] = {
    1: ("DisabledException", "{arn} is disabled."),
    3: ("KMSInvalidStateException", "{arn} is pending deletion."),
    4: ("KMSInvalidStateException", "{arn} is not pending deletion."),
    5: ("KMSInvalidStateException", "{arn} is pending import."),
    6: ("UnsupportedOperationException", "{arn} origin is {origin} which is not valid for this operation."),
    7: ("UnsupportedOperationException", ""),
    11: ("KMSInvalidStateException", "{arn} is unavailable."),
    13: ("KMSInvalidStateException", "No available key material pending rotation for the key: {arn}."),
    14: ("UnsupportedOperationException", "{arn} is not a multi-region primary key."),
    15: ("KMSInvalidStateException", "{arn} is creating."),
    16: ("KMSInvalidStateException", "{arn} is updating."),
}
STATES = ("Disabled", "PendingImport", "PendingDeletion", "Unavailable")

# operation → the answer in each of STATES.
TABLE: dict[str, tuple[int | None, ...]] = {
    **dict.fromkeys(
        (
            *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
            *(
                "GenerateDataKeyPair",
                "GenerateDataKeyPairWithoutPlaintext",
                "Sign",
                "Verify",
                "GenerateMac",
                "VerifyMac",
            ),
            *("GetPublicKey", "DeriveSharedSecret", "Encapsulate", "Decapsulate"),
        ),
        (1, 5, 3, 11),
    ),
    "CreateGrant": (1, 5, 3, WORKS),
    "EnableKey": (WORKS, 5, 3, WORKS),
    "DisableKey": (WORKS, 5, 3, WORKS),
    "EnableKeyRotation": (1, 6, 3, 6),
    "DisableKeyRotation": (1, 6, 3, 6),
    "RotateKeyOnDemand": (1, 5, 3, 6),
    "GetKeyRotationStatus": (WORKS, WORKS, WORKS, 6),
    **dict.fromkeys(
        ("ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateKeyDescription", "CreateAlias", "UpdateAlias"),
        (WORKS, WORKS, 3, WORKS),
    ),
    "CancelKeyDeletion": (4, 4, WORKS, 4),
    "GetParametersForImport": (WORKS, WORKS, 3, 6),
    "ImportKeyMaterial": (WORKS, WORKS, 3, 6),
    "DeleteImportedKeyMaterial": (WORKS, WORKS, WORKS, 6),
    **dict.fromkeys(
        (
            *("DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies", "ListResourceTags", "ListGrants"),
            *("ListAliases", "DeleteAlias", "RetireGrant", "RevokeGrant", "GetKeyLastUsage"),
        ),
        (WORKS, WORKS, WORKS, WORKS),
    ),
}
# Beside the table: multi-Region operations have their own tests; these name no key.
ELSEWHERE = {"ReplicateKey", "UpdatePrimaryRegion", "ListKeyRotations"}
NO_KEY = {"CreateKey", "GenerateRandom", "ListKeys", "ListRetirableGrants"} | {
    name for name in MODEL.operation_names if "CustomKeyStore" in name
}

_SYMMETRIC = {
    *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
    *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
}
_SIGNING, _MAC = {"Sign", "Verify", "GetPublicKey"}, {"GenerateMac", "VerifyMac"}


@dataclass(frozen=True)
class Kind:
    """How a kind of key is made, and the cryptographic operations that are for it."""

    parameters: dict[str, Any]
    uses: frozenset[str]
    rotates: bool = False

    @property
    def external(self) -> bool:
        return self.parameters.get("Origin") == "EXTERNAL"


P256 = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
HMAC = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}
KINDS = {
    "symmetric": Kind({}, frozenset(_SYMMETRIC), rotates=True),
    "external": Kind({"Origin": "EXTERNAL"}, frozenset(_SYMMETRIC)),
    "rsa": Kind(
        {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}, frozenset({"Encrypt", "Decrypt", "GetPublicKey"})
    ),
    "signing": Kind(P256, frozenset(_SIGNING)),
    "external signing": Kind({**P256, "Origin": "EXTERNAL"}, frozenset(_SIGNING)),
    "agreement": Kind(
        {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}, frozenset({"DeriveSharedSecret", "GetPublicKey"})
    ),
    "hmac": Kind(HMAC, frozenset(_MAC)),
    "external hmac": Kind({**HMAC, "Origin": "EXTERNAL"}, frozenset(_MAC)),
    "kem": Kind(
        {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
        frozenset({"Encapsulate", "Decapsulate", "GetPublicKey"}),
    ),
}
CRYPTOGRAPHIC = frozenset().union(*(kind.uses for kind in KINDS.values()))
# What changes the key that it is tried on gets one of its own.
CHANGING = {
    *("EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "ImportKeyMaterial"),
    *("DeleteImportedKeyMaterial", "DeleteAlias", "RetireGrant", "RevokeGrant"),
}
IMPORTING = {"GetParametersForImport", "ImportKeyMaterial", "DeleteImportedKeyMaterial"}


def expected(operation: str, name: str, state: str) -> int | None:
    """The number of the answer, or WORKS."""
    kind = KINDS[name]
    if operation in IMPORTING and not kind.external:
        return 6
    if state == "Enabled":
        if operation == "CancelKeyDeletion":
            return 4
        if operation in ("EnableKeyRotation", "DisableKeyRotation") and kind.external:
            return 6
        if operation == "EnableKeyRotation" and not kind.rotates:
            return 7
        if operation == "RotateKeyOnDemand" and not kind.rotates:
            return 13 if kind.uses == _SYMMETRIC else 7
        return WORKS
    return TABLE[operation][STATES.index(state)]


@dataclass
class Made:
    """A key in a state, with what was made with it while it worked."""

    metadata: dict[str, Any]
    material: bytes
    alias: str
    grant: str
    results: dict[str, dict[str, Any]]


class Workshop:
    """Makes keys of a kind in a state, and keeps those that tests only try to use."""

    def __init__(self, account: TestAccount) -> None:
        self.account, self.kms = account, account.client()
        self.kept: dict[tuple[str, str], Made] = {}
        self.count = 0

    def key(self, kind: str, state: str, *, fresh: bool) -> Made:
        if fresh:
            return self.make(kind, state)
        if (kind, state) not in self.kept:
            self.kept[kind, state] = self.make(kind, state)
        return self.kept[kind, state]

    def make(self, name: str, state: str) -> Made:
        kind, kms = KINDS[name], self.kms
        metadata = kms.create_key(**kind.parameters)["KeyMetadata"]
        key_id, material = metadata["KeyId"], b""
        if kind.external:
            material = self.material(name)
            bring(kms, key_id, material)
        self.count += 1
        alias = f"alias/state-{self.count}"
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
        grant = kms.create_grant(KeyId=key_id, GranteePrincipal=self.account.root_arn, Operations=["DescribeKey"])
        made = Made(metadata, material, alias, grant["GrantId"], self.results(key_id, kind.uses))
        if state == "Disabled":
            kms.disable_key(KeyId=key_id)
        elif state == "PendingImport":
            kms.delete_imported_key_material(KeyId=key_id)
        elif state == "PendingDeletion":
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == state
        return made

    @staticmethod
    def material(name: str) -> bytes:
        if name != "external signing":
            return os.urandom(32)
        return ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def results(self, key_id: str, uses: frozenset[str]) -> dict[str, dict[str, Any]]:
        """The parameters that each operation of the key's works with."""
        kms = self.kms
        if "GenerateMac" in uses:
            request = {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
            return {
                "GenerateMac": request,
                "VerifyMac": {**request, "Mac": kms.generate_mac(KeyId=key_id, **request)["Mac"]},
            }
        if "Sign" in uses:
            request = {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
            return {
                "Sign": request,
                "Verify": {**request, "Signature": kms.sign(KeyId=key_id, **request)["Signature"]},
            }
        if "DeriveSharedSecret" in uses:
            public = kms.get_public_key(KeyId=key_id)["PublicKey"]
            return {"DeriveSharedSecret": {"PublicKey": public, "KeyAgreementAlgorithm": "ECDH"}}
        if "Encapsulate" in uses:
            request = {"EncapsulationAlgorithm": "ML_KEM"}
            sealed = kms.encapsulate(KeyId=key_id, **request)["SharedSecretCiphertextBlob"]
            return {"Encapsulate": request, "Decapsulate": {**request, "SharedSecretCiphertextBlob": sealed}}
        algorithm = "SYMMETRIC_DEFAULT" if "ReEncrypt" in uses else "RSAES_OAEP_SHA_256"
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionAlgorithm=algorithm)["CiphertextBlob"]
        return {
            "Encrypt": {"Plaintext": b"x", "EncryptionAlgorithm": algorithm},
            "Decrypt": {"CiphertextBlob": blob, "EncryptionAlgorithm": algorithm},
            "ReEncrypt": {"CiphertextBlob": blob},
            "GenerateDataKey": {"KeySpec": "AES_256"},
            "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
            "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
            "GenerateDataKeyPairWithoutPlaintext": {"KeyPairSpec": "ECC_NIST_P256"},
        }

    def perform(self, operation: str, made: Made) -> Any:
        key_id, kms = made.metadata["KeyId"], self.kms
        if operation == "ImportKeyMaterial" and made.material:
            return bring(kms, key_id, made.material)
        self.count += 1
        rest: dict[str, Any] = {
            "CreateGrant": {"GranteePrincipal": self.account.root_arn, "Operations": ["DescribeKey"]},
            "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
            "UntagResource": {"TagKeys": ["a"]},
            "UpdateKeyDescription": {"Description": "d"},
            "GetParametersForImport": {"WrappingAlgorithm": "RSA_AES_KEY_WRAP_SHA_256", "WrappingKeySpec": "RSA_2048"},
            "ImportKeyMaterial": {"ImportToken": b"x", "EncryptedKeyMaterial": b"x"},
            "PutKeyPolicy": {"Policy": kms.get_key_policy(KeyId=key_id)["Policy"]}
            if operation == "PutKeyPolicy"
            else {},
            "RetireGrant": {"GrantId": made.grant},
            "RevokeGrant": {"GrantId": made.grant},
            **made.results,
        }.get(operation, {})
        key = {
            "CreateAlias": {"AliasName": f"alias/state-{self.count}", "TargetKeyId": key_id},
            "UpdateAlias": {"AliasName": made.alias, "TargetKeyId": key_id},
            "DeleteAlias": {"AliasName": made.alias},
            "ReEncrypt": {"DestinationKeyId": key_id},
        }.get(operation, {"KeyId": key_id})
        return getattr(kms, METHODS[operation])(**key, **rest)


@pytest.fixture(scope="module")
def workshop(prepared: Any) -> Workshop:
    return Workshop(new_account())


def _cases() -> Iterator[tuple[str, str, str]]:
    for operation in TABLE:
        for name, kind in KINDS.items():
            if operation in CRYPTOGRAPHIC and operation not in kind.uses:
                continue
            for state in ("Enabled", "Disabled", "PendingImport", "PendingDeletion"):
                if state != "PendingImport" or kind.external:
                    yield operation, name, state


def test_the_table_has_every_operation_that_is_about_a_key() -> None:
    assert set(TABLE) | ELSEWHERE | NO_KEY == set(MODEL.operation_names)


# Each operation in each state, with each kind of key and with each answer that a state gives a kind; by `make walks` on each kind in
# each state: what an answer depends on is in `expected`, and no more than two of the three together.
CASES = covering(
    _cases(),
    lambda case: (case[0], case[2]),
    lambda case: (case[0], case[1]),
    lambda case: (case[1], case[2], expected(*case)),
)


@pytest.mark.parametrize(("operation", "kind", "state"), CASES)
def test_an_operation_answers_as_the_state_table_says(
    workshop: Workshop, operation: str, kind: str, state: str
) -> None:
    number = expected(operation, kind, state)
    made = workshop.key(kind, state, fresh=number is WORKS and operation in CHANGING)
    if number is WORKS:
        assert workshop.perform(operation, made)
        return
    code, message = ANSWERS[number]
    origin = made.metadata["Origin"]
    assert refusal(workshop.perform, operation, made) == (
        code,
        message.format(arn=made.metadata["Arn"], origin=origin),
    )


@pytest.mark.parametrize("operation", [name for name in TABLE if name not in CRYPTOGRAPHIC - _SYMMETRIC])
def test_a_key_whose_store_is_away_answers_as_the_state_table_says(workshop: Workshop, operation: str) -> None:
    """Keys of stores are symmetric. There are no stores to disconnect yet: the key becomes one of a store in the database."""
    made = workshop.make("symmetric", "Enabled")
    with transaction.write():
        models.Key.objects.filter(key_id=made.metadata["KeyId"]).update(origin="AWS_CLOUDHSM")
        transaction.changed(key_entity(workshop.account.account_id, "us-east-1", made.metadata["KeyId"]))
    assert workshop.kms.describe_key(KeyId=made.metadata["KeyId"])["KeyMetadata"]["KeyState"] == "Unavailable"
    number = TABLE[operation][STATES.index("Unavailable")]
    if number is WORKS:
        assert workshop.perform(operation, made)
        return
    code, message = ANSWERS[number]
    assert refusal(workshop.perform, operation, made) == (
        code,
        message.format(arn=made.metadata["Arn"], origin="AWS_CLOUDHSM"),
    )


# --- multi-Region keys

TRANSIENT = {
    # operation → (parameters, answer while Creating, answer while Updating)
    "Encrypt": ({"Plaintext": b"x"}, 15, WORKS),
    "EnableKey": ({}, 15, 16),
    "DisableKey": ({}, 15, 16),
    "ScheduleKeyDeletion": ({}, 15, 16),
    "TagResource": ({"Tags": [{"TagKey": "a", "TagValue": "b"}]}, 15, WORKS),
    "UpdateKeyDescription": ({"Description": "d"}, 15, WORKS),
    "CreateGrant": ({"GranteePrincipal": "", "Operations": ["Encrypt"]}, 15, WORKS),
    "GetKeyRotationStatus": ({}, 15, WORKS),
    "DescribeKey": ({}, WORKS, WORKS),
    "GetKeyPolicy": ({}, WORKS, WORKS),
    "ReplicateKey": ({"ReplicaRegion": "eu-west-2"}, 14, 16),
    "UpdatePrimaryRegion": ({"PrimaryRegion": "us-east-1"}, 14, 16),
    "RotateKeyOnDemand": ({}, 15, 16),
}


@pytest.mark.parametrize("column", ["Creating", "Updating"])
@pytest.mark.parametrize("operation", TRANSIENT)
def test_a_key_in_transit_answers_so(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch, operation: str, column: str
) -> None:
    here, there = account.client(), account.client(region="eu-west-1")
    key_id = account.create_key(MultiRegion=True)
    monkeypatch.setattr(regions, "CREATING", timedelta(hours=1))
    here.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    if column == "Updating":
        account.move_clock(hours=2)
        here.update_primary_region(KeyId=key_id, PrimaryRegion="eu-west-1")
    metadata = there.describe_key(KeyId=key_id)["KeyMetadata"]
    assert metadata["KeyState"] == column
    parameters, *answers = TRANSIENT[operation]
    number = answers[column == "Updating"]
    rest = {name: value or account.root_arn for name, value in parameters.items()}
    call = getattr(there, METHODS[operation])
    if number is WORKS:
        assert call(KeyId=key_id, **rest)
    else:
        code, message = ANSWERS[number]
        assert refusal(call, KeyId=key_id, **rest) == (code, message.format(arn=metadata["Arn"]))


def test_a_replica_in_transit_is_enabled_soon(account: TestAccount) -> None:
    key_id = account.create_key(MultiRegion=True)
    account.client().replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    account.move_clock(seconds=2)
    there = account.client(region="eu-west-1")
    assert there.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.parametrize(
    ("state", "operation", "number"),
    [
        ("Disabled", "ReplicateKey", 1),
        ("PendingDeletion", "ReplicateKey", 3),
        ("Disabled", "UpdatePrimaryRegion", 1),
        ("PendingDeletion", "UpdatePrimaryRegion", 3),
        ("PendingReplicaDeletion", "ReplicateKey", 3),
        ("PendingReplicaDeletion", "Encrypt", 3),
        ("PendingReplicaDeletion", "EnableKey", 3),
        ("PendingReplicaDeletion", "TagResource", 3),
        ("PendingReplicaDeletion", "ScheduleKeyDeletion", 3),
        ("PendingReplicaDeletion", "DescribeKey", WORKS),
        ("PendingReplicaDeletion", "CancelKeyDeletion", WORKS),
    ],
)
def test_a_primary_key_answers_by_its_state(
    account: TestAccount, state: str, operation: str, number: int | None
) -> None:
    kms = account.client()
    metadata = kms.create_key(MultiRegion=True)["KeyMetadata"]
    key_id = metadata["KeyId"]
    if state == "PendingReplicaDeletion":
        kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    if state == "Disabled":
        kms.disable_key(KeyId=key_id)
    else:
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert described["KeyState"] == state
    assert described.get("PendingDeletionWindowInDays") == (7 if state == "PendingReplicaDeletion" else None)
    parameters = {**TRANSIENT, "CancelKeyDeletion": ({},)}[operation][0]
    if operation == "UpdatePrimaryRegion":
        parameters = {"PrimaryRegion": "eu-west-1"}
    call = getattr(kms, METHODS[operation])
    if number is WORKS:
        assert call(KeyId=key_id, **parameters)
    else:
        code, message = ANSWERS[number]
        assert refusal(call, KeyId=key_id, **parameters) == (code, message.format(arn=metadata["Arn"]))


# --- the end of a key


def test_cancelling_a_deletion_leaves_the_key_disabled(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"


def test_an_external_key_without_material_comes_back_without_it(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_material_that_comes_back_finds_a_disabled_key_disabled(account: TestAccount) -> None:
    kms, key_id, material = account.client(), account.create_key(Origin="EXTERNAL"), os.urandom(32)
    bring(kms, key_id, material)
    kms.disable_key(KeyId=key_id)
    kms.delete_imported_key_material(KeyId=key_id)
    bring(kms, key_id, material)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_key_is_gone_for_good_at_its_deletion_date(account: TestAccount) -> None:
    kms = account.client()
    key_id = account.create_key()
    kms.create_alias(AliasName="alias/gone", TargetKeyId=key_id)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    account.move_clock(days=8)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=key_id)
    assert refusal(kms.decrypt, CiphertextBlob=blob) == (
        "AccessDeniedException",
        f"User: {account.administrator.arn} is not authorized to perform: kms:Decrypt on the resource associated with this "
        "ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a "
        "resource-based policy explicitly denies access",
    )
    assert key_id not in [key["KeyId"] for key in kms.list_keys()["Keys"]]
    assert not [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == "alias/gone"]
