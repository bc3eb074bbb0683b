"""The key policy that the wizard writes, statement by statement as AWS's console writes it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from engine.public.key_policies import account_statement
from engine.public.vocabulary import kind_of_key

POLICY_ID = "key-consolepolicy-3"

_ADMINISTER = [
    "kms:Create*",
    "kms:Describe*",
    "kms:Enable*",
    "kms:List*",
    "kms:Put*",
    "kms:Update*",
    "kms:Revoke*",
    "kms:Disable*",
    "kms:Get*",
    "kms:Delete*",
]
_ADMINISTER_MORE = ["kms:TagResource", "kms:UntagResource"]
_DELETION = ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"]

# What users of a key may do, by the key's kind.
_USE: dict[str, list[str]] = {
    "symmetric": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "ENCRYPT_DECRYPT": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:DescribeKey", "kms:GetPublicKey"],
    "SIGN_VERIFY": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign", "kms:Verify"],
    "GENERATE_VERIFY_MAC": ["kms:DescribeKey", "kms:GenerateMac", "kms:VerifyMac"],
    "KEY_AGREEMENT": ["kms:DescribeKey", "kms:GetPublicKey", "kms:DeriveSharedSecret"],
    "ENCAPSULATE_DECAPSULATE": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Encapsulate", "kms:Decapsulate"],
}


def wizard_policy(
    account_id: str,
    *,
    spec: str,
    usage: str,
    origin: str,
    multi_region: bool,
    administrators: Sequence[str],
    users: Sequence[str],
    other_accounts: Sequence[str],
    administrators_delete: bool,
) -> str:
    """The policy as JSON text. `administrators` and `users` are ARNs, `other_accounts` account IDs."""
    statements: list[dict[str, Any]] = [account_statement(account_id)]
    if administrators:
        actions = _ADMINISTER + (["kms:ImportKeyMaterial"] if origin == "EXTERNAL" else []) + _ADMINISTER_MORE
        actions += _DELETION if administrators_delete else []
        actions += ["kms:ReplicateKey", "kms:UpdatePrimaryRegion"] if multi_region else []
        actions += ["kms:RotateKeyOnDemand"]
        statements.append(_statement("Allow access for Key Administrators", administrators, actions))
    everyone = [*users, *(f"arn:aws:iam::{other}:root" for other in other_accounts)]
    if everyone:
        statements.append(_statement("Allow use of the key", everyone, _USE[kind_of_key(spec, usage)]))
        if usage != "GENERATE_VERIFY_MAC":
            attachment = _statement(
                "Allow attachment of persistent resources",
                everyone,
                ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            )
            attachment["Condition"] = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
            statements.append(attachment)
    return json.dumps({"Version": "2012-10-17", "Id": POLICY_ID, "Statement": statements}, indent=2)


def _statement(sid: str, principals: Sequence[str], actions: list[str]) -> dict[str, Any]:
    who: str | list[str] = principals[0] if len(principals) == 1 else list(principals)
    what: str | list[str] = actions[0] if len(actions) == 1 else actions
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": who}, "Action": what, "Resource": "*"}


def account_ids(text: str) -> tuple[list[str], list[str]]:
    """(account IDs, what is none) of a text with IDs separated by spaces, commas or lines."""
    words = re.split(r"[\s,;]+", text.strip()) if text.strip() else []
    return [word for word in words if re.fullmatch(r"\d{12}", word)], [
        w for w in words if not re.fullmatch(r"\d{12}", w)
    ]
