"""The key policy that KMS writes by itself. Pure."""

from __future__ import annotations

from engine.kms.default_key_policy import account_statement, default_key_policy

__all__ = [
    "account_statement",
    "default_key_policy",
]
