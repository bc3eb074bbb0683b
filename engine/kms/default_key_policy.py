"""The default key policy: the account's IAM policies decide. Source: KMS Developer Guide, "Default key policy". Pure."""

from __future__ import annotations

import json
from typing import Any


def default_key_policy(account_id: str, partition: str = "aws") -> str:
    """The policy of a key that is created through the API without one."""
    document = {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [account_statement(account_id, partition)],
    }
    return json.dumps(document, indent=2)


def account_statement(account_id: str, partition: str = "aws") -> dict[str, Any]:
    """The statement with which every key policy should begin: it leaves the key to the account's root user and IAM policies."""
    return {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
