"""The opened key hierarchy of this process: root key from the data folder, domain keys from the database, both kept unwrapped.

`seal` and `open_` protect key material and access-key secrets; each wrap is bound to what it is (kind), whose (account, Region)
and which (key ID, material ID), so that a row moved in the database does not open.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from engine.vault import hierarchy
from engine.vault.models import DomainKey

_domains: dict[tuple[str, str], bytes] = {}


@cache
def root() -> hierarchy.Root:
    """The root key of this installation. Raises RootKeyError (one line) if it is missing or damaged."""
    return hierarchy.load_root(root_path())


def root_path() -> Path:
    return Path(settings.DATA) / "root.key"


def domain_key(account_id: str, region: str) -> bytes:
    """The domain key of an account in a Region, made on first use."""
    found = _domains.get((account_id, region))
    if found is None:
        row = DomainKey.objects.filter(account_id=account_id, region=region).first()
        if row is None:
            row = _new_domain_key(account_id, region)
        found = hierarchy.unwrap_domain_key(root(), account_id, region, bytes(row.wrapped))
        if not transaction.get_connection().in_atomic_block:  # a row of an open transaction may still be rolled back
            _domains[account_id, region] = found
    return found


def _new_domain_key(account_id: str, region: str) -> DomainKey:
    wrapped = hierarchy.new_domain_key(root(), account_id, region)
    try:
        with transaction.atomic():
            return DomainKey.objects.create(
                account_id=account_id, region=region, wrapped=wrapped, root_key_id=root().root_key_id
            )
    except IntegrityError:  # another worker made it first
        return DomainKey.objects.get(account_id=account_id, region=region)


def seal(kind: str, account_id: str, region: str, key_id: str, item_id: str, secret: bytes) -> bytes:
    return hierarchy.wrap(domain_key(account_id, region), kind, account_id, region, key_id, item_id, secret)


def open_(kind: str, account_id: str, region: str, key_id: str, item_id: str, wrapped: bytes) -> bytes:
    return hierarchy.unwrap(domain_key(account_id, region), kind, account_id, region, key_id, item_id, wrapped)
