"""What can be asked of a key: the actions of AWS KMS that are about one key, in the columns of the access matrix.

The operations come from botocore's service model; which are about a key, and their actions, from the engine's table of operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from console.awsmodel import service_model
from engine.public.vocabulary import CRYPTOGRAPHIC, actions_of, actions_of_kind, is_about_key, kind_of_key


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


def columns(spec: str, usage: str) -> tuple[Column, ...]:
    """The matrix's columns for a key: its use first, then its administration."""
    return (*_USE.get(kind_of_key(spec, usage), ()), *_ADMINISTRATION)


@cache
def key_actions() -> tuple[str, ...]:
    """Every action about a key, as kms:Name, sorted."""
    names = filter(is_about_key, service_model("kms").operation_names)
    return tuple(sorted(f"kms:{action}" for name in names for action in actions_of(name)))


def actions_for(spec: str, usage: str) -> list[str]:
    """The actions that make sense for a key of this kind: its own cryptography, and all administration."""
    own = actions_of_kind(kind_of_key(spec, usage))
    others = {action for name in CRYPTOGRAPHIC for action in actions_of(name)}
    return [action for action in key_actions() if action[4:] in own or action[4:] not in others]


def main_actions(spec: str, usage: str) -> list[str]:
    """The actions of the matrix's use columns."""
    return [column.action for column in _USE.get(kind_of_key(spec, usage), ())]
