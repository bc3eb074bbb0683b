"""The opened key hierarchy of this process: root key from the data folder, domain keys from the database, both kept unwrapped.

`seal` and `open_` protect key material and access-key secrets; each wrap is bound to what it is (kind), whose (account, Region)
and which (key ID, material ID), so that a row moved in the database does not open.

Root rotation (`rotate`): the new root key is made durable beside the old one (`root.key.next`), one transaction rewraps every
domain key and names the new root in each row, then the new file takes the old one's place. Whoever opens a domain key takes the
root its row names from either file, so running workers go on at every moment and a crash at any moment is finished or taken back
by `finish_root_rotation`. The old root is kept as `root.key.retired-…`: backups made before the rotation need it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from engine import durable_files
from engine.store import transaction
from engine.vault import hierarchy
from engine.vault.models import DomainKey

_domains: dict[tuple[str, str], bytes] = {}
_roots: dict[str, hierarchy.Root] = {}


@cache
def root() -> hierarchy.Root:
    """The root key of this installation. Raises RootKeyError (one line) if it is missing or damaged."""
    return hierarchy.load_root(root_path())


def root_path() -> Path:
    return Path(settings.DATA) / "root.key"


def next_root_path() -> Path:
    return Path(settings.DATA) / "root.key.next"


def retired_root_path(root_key_id: str) -> Path:
    return Path(settings.DATA) / f"root.key.retired-{root_key_id[:12]}"


_MOST_DOMAINS = 20_000  # Region names are the callers' to choose


def domain_key(account_id: str, region: str, *, make: bool = False) -> bytes:
    """The domain key of an account in a Region. Raises UnwrapError if there is none, unless it is to be made."""
    found = _domains.get((account_id, region))
    if found is None:
        try:
            found = _opened(account_id, region, make)
        except hierarchy.RootKeyError:  # a rotation ended between the row and the file: both are the new ones now
            found = _opened(account_id, region, make)
        if not connection.in_atomic_block:  # a row of an open transaction may still be rolled back
            if len(_domains) >= _MOST_DOMAINS:
                _domains.clear()
            _domains[account_id, region] = found
    return found


def _opened(account_id: str, region: str, make: bool) -> bytes:
    row = DomainKey.objects.filter(account_id=account_id, region=region).first()
    if row is None:
        if not make:
            raise hierarchy.UnwrapError("no domain key")
        row = _new_domain_key(account_id, region)
    return hierarchy.unwrap_domain_key(_root_named(row.root_key_id), account_id, region, bytes(row.wrapped))


def _new_domain_key(account_id: str, region: str) -> DomainKey:
    with transaction.write():
        row = DomainKey.objects.filter(account_id=account_id, region=region).first()
        if row is not None:  # another worker made it first
            return row
        used = used_root_key_id()
        wrapping = root() if used is None else _root_named(used)
        wrapped = hierarchy.new_domain_key(wrapping, account_id, region)
        return DomainKey.objects.create(
            account_id=account_id, region=region, wrapped=wrapped, root_key_id=wrapping.root_key_id
        )


def used_root_key_id() -> str | None:
    """The ID of the root key that wraps the domain keys; None if there are none yet."""
    return DomainKey.objects.values_list("root_key_id", flat=True).order_by("pk").first()


def _root_named(root_key_id: str) -> hierarchy.Root:
    """The root key with this ID. Raises RootKeyError if this node has no such key."""
    found = _roots.get(root_key_id)
    if found is not None:
        return found
    for path in (next_root_path(), root_path()):  # in this order: the next one moves to the other's place
        try:
            loaded = hierarchy.load_root(path)
        except hierarchy.RootKeyError:
            if path == root_path():
                raise
            continue
        if loaded.root_key_id == root_key_id:
            _roots[root_key_id] = loaded
            return loaded
    raise hierarchy.RootKeyError(
        f"the root key {root_path()} is not the one that this data was made with: put that one there"
    )


def prepare_rotation() -> hierarchy.Root:
    """Make the next root key, or take the one that was prepared. Further nodes need a copy of it before `rotate`."""
    path = next_root_path()
    if not path.exists():
        hierarchy.create_root(path)
    return hierarchy.load_root(path)


def rotate(new: hierarchy.Root) -> int:
    """Rewrap every domain key under the next root key, inside the caller's transaction. Returns how many."""
    rows = list(DomainKey.objects.all())
    for row in rows:
        old = _root_named(row.root_key_id)
        row.wrapped = hierarchy.rewrap_domain_key(old, new, row.account_id, row.region, bytes(row.wrapped))
        row.root_key_id = new.root_key_id
    DomainKey.objects.bulk_update(rows, ["wrapped", "root_key_id"])
    return len(rows)


def finish_root_rotation() -> Path | None:
    """Put the next root key in its place if the domain keys are wrapped by it. Returns where the old one was put, if it was."""
    used = used_root_key_id()
    if used is None or not next_root_path().exists():
        return None
    if hierarchy.load_root(next_root_path()).root_key_id != used:
        return None
    retired: Path | None = None
    if root_path().exists():
        retired = retired_root_path(hierarchy.load_root(root_path()).root_key_id)
        retired.unlink(missing_ok=True)
        os.link(root_path(), retired)
    os.replace(next_root_path(), root_path())
    durable_files.sync_folder(root_path().parent)
    root.cache_clear()
    return retired


def seal(kind: str, account_id: str, region: str, key_id: str, item_id: str, secret: bytes) -> bytes:
    return hierarchy.wrap(domain_key(account_id, region, make=True), kind, account_id, region, key_id, item_id, secret)


def open_(kind: str, account_id: str, region: str, key_id: str, item_id: str, wrapped: bytes) -> bytes:
    """Raises UnwrapError for what was not sealed here. Makes no domain key: whose a token says to be is nobody's word."""
    return hierarchy.unwrap(domain_key(account_id, region), kind, account_id, region, key_id, item_id, wrapped)
