"""Secrets that a page has to keep for the engine's process to use later: sealed under the account's domain key, bound to what they are for."""

from __future__ import annotations

from engine.vault import domain_keys

_REGION = "us-east-1"  # where what belongs to the whole account is kept


def seal(account_id: str, purpose: str, name: str, secret: str) -> bytes:
    return domain_keys.seal(f"console:{purpose}", account_id, _REGION, name, name, secret.encode())


def open_(account_id: str, purpose: str, name: str, sealed: bytes) -> str:
    """Raises an error of the vault if it was sealed for something else."""
    return domain_keys.open_(f"console:{purpose}", account_id, _REGION, name, name, sealed).decode()
