"""The opened key hierarchy of this process: root key from the data folder, domain keys from the database, both kept unwrapped.

`seal` and `open_` protect key material and access-key secrets; each wrap is bound to what it is (kind), whose (account, Region)
and which (key ID, material ID), so that a row moved in the database does not open.

Root rotation, and with it each change of what protects the root key: the new root key's file is made durable beside the old one
(`root.key.next` or `root.json.next`), then its handover; one transaction rewraps every domain key and names the new root in each row;
then the new file takes the old one's place. Whoever opens a domain key takes the root its row names, from either file or by the
handover, so running workers go on at every moment and a crash at any moment is finished or taken back by `finish_root_rotation`.
The old file is kept as `root.….retired-…`: backups made before the rotation need it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from engine import durable_files
from engine.store import transaction
from engine.vault import hierarchy, root_files
from engine.vault.models import DomainKey
from engine.vault.root_files import root_path
from engine.vault.root_providers import Ask

_domains: dict[tuple[str, str], bytes] = {}
_roots: dict[str, hierarchy.RootKey] = {}


@cache
def root() -> hierarchy.RootKey:
    """The root key of this installation. Raises RootKeyError (one line) if it is missing, damaged or cannot be opened."""
    return opened(root_files.read(root_path()))


def opened(file: root_files.RootFile, ask: Ask | None = None) -> hierarchy.RootKey:
    """The root key of a file, asked for once a process. Raises RootKeyError."""
    found = _roots.get(file.root_key_id)
    if found is None:
        found = _roots[file.root_key_id] = file.open(ask or settings.ROOT_SECRET)
    return found


_MOST_DOMAINS = 20_000  # Region names are the callers' to choose
_TOLD_EACH = 500  # domain keys, between two words of progress


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


def adopt(root_key: hierarchy.RootKey) -> None:
    """A root key that this process was given (a server that was unsealed)."""
    _roots[root_key.root_key_id] = root_key


def _root_named(root_key_id: str) -> hierarchy.RootKey:
    """The root key with this ID. Raises RootKeyError if this node has no such key."""
    found = _roots.get(root_key_id) or _root_of_a_file(root_key_id)
    if found is None:
        raise hierarchy.RootKeyError(
            f"the root key {root_path()} is not the one that this data was made with: put that one there"
        )
    _roots[root_key_id] = found
    return found


def _root_of_a_file(root_key_id: str) -> hierarchy.RootKey | None:
    """From a plain file, by a handover, or as its provider opens it."""
    read = []
    for path in (
        *root_files.present(".next"),
        *root_files.present(),
    ):  # in this order: the next one moves to the other's place
        try:
            file = root_files.read(path)
        except hierarchy.RootKeyError:
            if path == root_path():
                raise
            continue
        if file.root_key_id == root_key_id:
            read.append(file)
    plain = next((file.opened for file in read if file.opened is not None), None)
    handed_over = plain or root_files.handed_over(root_key_id, _roots)
    if handed_over is None and not read:
        root_files.read(root_path())  # says that it is missing, if it is
    return handed_over or (opened(read[0]) if read else None)


def prepare_rotation(
    provider: str = root_files.FILE, parameters: Mapping[str, Any] | None = None, ask: Ask | None = None
) -> tuple[hierarchy.RootKey, tuple[str, ...]]:
    """Make the next root key, or take the one that was prepared alike, and what is to be handed out: shares. Further nodes need copies of
    its file and of the handover before `rotate`."""
    used = used_root_key_id()
    old = root() if used is None else _root_named(used)
    ask = ask or settings.ROOT_SECRET
    prepared = root_files.present(".next")
    if prepared and root_files.read(prepared[0]).is_made_by(provider, parameters or {}):
        new = opened(root_files.read(prepared[0]), ask)
        handed_out: tuple[str, ...] = ()
    else:
        for path in prepared:  # nothing is wrapped by it: finish_root_rotation was asked
            path.unlink()
        new, handed_out = root_files.create(provider, parameters or {}, ask, suffix=".next")
        _roots[new.root_key_id] = new
    root_files.hand_over(old, new)
    return new, handed_out


def rotate(new: hierarchy.RootKey, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Rewrap every domain key under the next root key, inside the caller's transaction. Returns how many."""
    rows = list(DomainKey.objects.all())
    for number, row in enumerate(rows, 1):
        old = _root_named(row.root_key_id)
        row.wrapped = hierarchy.rewrap_domain_key(old, new, row.account_id, row.region, bytes(row.wrapped))
        row.root_key_id = new.root_key_id
        if number % _TOLD_EACH == 0 or number == len(rows):
            progress(number, len(rows))
    DomainKey.objects.bulk_update(rows, ["wrapped", "root_key_id"], batch_size=_TOLD_EACH)
    return len(rows)


def finish_root_rotation() -> Path | None:
    """Put the next root key in its place if the domain keys are wrapped by it. Returns where the old one was put, if it was."""
    used = used_root_key_id()
    if used is None:
        return None
    for path in root_files.present(".next"):
        if root_files.read(path).root_key_id == used:
            retired = [_retire(each) for each in root_files.present()]
            os.replace(path, path.with_suffix(""))
            return _without_unused(used) or next(iter(retired), None)
    return _without_unused(used)


def _without_unused(used: str) -> Path | None:
    """Of two files (the provider was changed) the one that is not in use goes, when it is kept as a retired one."""
    retired = None
    present = root_files.present()
    if len(present) > 1:
        for path in present:
            if root_files.read(path).root_key_id != used:
                retired = _retire(path)
                path.unlink()
    durable_files.sync_folder(root_path().parent)
    root.cache_clear()
    return retired


def _retire(path: Path) -> Path:
    """A second name for a file that is about to lose its own. Safe to repeat."""
    retired = root_files.retired_root_path(root_files.read(path).root_key_id, path.name)
    retired.unlink(missing_ok=True)
    os.link(path, retired)
    durable_files.sync_folder(path.parent)
    return retired


def seal(kind: str, account_id: str, region: str, key_id: str, item_id: str, secret: bytes) -> bytes:
    return hierarchy.wrap(domain_key(account_id, region, make=True), kind, account_id, region, key_id, item_id, secret)


def open_(kind: str, account_id: str, region: str, key_id: str, item_id: str, wrapped: bytes) -> bytes:
    """Raises UnwrapError for what was not sealed here. Makes no domain key: whose a token says to be is nobody's word."""
    return hierarchy.unwrap(domain_key(account_id, region), kind, account_id, region, key_id, item_id, wrapped)
