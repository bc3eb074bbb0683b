"""What can be asked of a key: the actions of AWS KMS that are about one key, in the columns of the access matrix.

The actions themselves come from botocore's service model; those that are permission only, or are two for one operation, are named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from console.awsmodel import service_model

# Operations that are not about a key of one's account, with what stands for them where they are.
_WITHOUT_KEY = {
    "CreateKey",
    "GenerateRandom",
    "ListKeys",
    "ListAliases",
    "ListRetirableGrants",
    "RetireGrant",
    "ReEncrypt",
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "UpdateCustomKeyStore",
}
_PERMISSION_ONLY = ("ReEncryptFrom", "ReEncryptTo")

# Which cryptographic actions a key of a usage has.
CRYPTOGRAPHIC: dict[str, tuple[str, ...]] = {
    "symmetric": (
        "Encrypt",
        "Decrypt",
        "ReEncryptFrom",
        "ReEncryptTo",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
    ),
    "ENCRYPT_DECRYPT": ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"),
    "SIGN_VERIFY": ("Sign", "Verify", "GetPublicKey"),
    "GENERATE_VERIFY_MAC": ("GenerateMac", "VerifyMac"),
    "KEY_AGREEMENT": ("DeriveSharedSecret", "GetPublicKey"),
    "ENCAPSULATE_DECAPSULATE": ("Encapsulate", "Decapsulate", "GetPublicKey"),
}


@dataclass(frozen=True, slots=True)
class Column:
    label: Any
    action: str


_ADMINISTRATION = (
    Column(_("View"), "kms:DescribeKey"),
    Column(_("Administer"), "kms:DisableKey"),
    Column(_("Change policy"), "kms:PutKeyPolicy"),
    Column(_("Delete"), "kms:ScheduleKeyDeletion"),
    Column(_("Grant"), "kms:CreateGrant"),
)
_USE: dict[str, tuple[Column, ...]] = {
    "symmetric": (
        Column(_("Encrypt"), "kms:Encrypt"),
        Column(_("Decrypt"), "kms:Decrypt"),
        Column(_("Data keys"), "kms:GenerateDataKey"),
    ),
    "ENCRYPT_DECRYPT": (Column(_("Encrypt"), "kms:Encrypt"), Column(_("Decrypt"), "kms:Decrypt")),
    "SIGN_VERIFY": (Column(_("Sign"), "kms:Sign"), Column(_("Verify"), "kms:Verify")),
    "GENERATE_VERIFY_MAC": (Column(_("Make MAC"), "kms:GenerateMac"), Column(_("Verify MAC"), "kms:VerifyMac")),
    "KEY_AGREEMENT": (Column(_("Derive secret"), "kms:DeriveSharedSecret"),),
    "ENCAPSULATE_DECAPSULATE": (
        Column(_("Encapsulate"), "kms:Encapsulate"),
        Column(_("Decapsulate"), "kms:Decapsulate"),
    ),
}


def _kind(spec: str, usage: str) -> str:
    return "symmetric" if spec == "SYMMETRIC_DEFAULT" else usage


def columns(spec: str, usage: str) -> tuple[Column, ...]:
    """The matrix's columns for a key: its use first, then its administration."""
    return (*_USE.get(_kind(spec, usage), ()), *_ADMINISTRATION)


@cache
def key_actions() -> tuple[str, ...]:
    """Every action about a key, as kms:Name, sorted."""
    names = set(service_model("kms").operation_names) - _WITHOUT_KEY
    return tuple(sorted(f"kms:{name}" for name in {*names, *_PERMISSION_ONLY}))


def actions_for(spec: str, usage: str) -> list[str]:
    """The actions that make sense for a key of this kind: its own cryptography, and all administration."""
    own = CRYPTOGRAPHIC.get(_kind(spec, usage), ())
    others = {name for names in CRYPTOGRAPHIC.values() for name in names}
    return [action for action in key_actions() if action[4:] in own or action[4:] not in others]


def main_actions(spec: str, usage: str) -> list[str]:
    """The actions of the matrix's use columns."""
    return [column.action for column in _USE.get(_kind(spec, usage), ())]
