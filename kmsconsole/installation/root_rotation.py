"""A new root key while the server runs, under the same provider or another one. Told step by step; each step can be the last.

Commands call it (`rotate_root`, `change_root_provider`). What is wrapped by what, and why a crash loses nothing: engine.vault.domain_keys.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from engine import clock
from engine.iam.models import Account
from engine.store import transaction
from engine.trail import record, recorder
from engine.vault import domain_keys, root_files
from engine.vault.hierarchy import RootKeyError
from kmsconsole.installation import root_secret

Tell = Callable[[str], None]
Confirm = Callable[[tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to protect the new root key; None: what protects the old one."""

    provider: str
    parameters: Mapping[str, Any]


def run(wanted: Wanted | None, tell: Tell, confirm: Confirm, *, prepare: bool = False) -> None:
    """`confirm` hands out what people are to keep (shares), and returns when they have it.

    Raises RootKeyError, UnwrapError, DatabaseError, TrailUnavailable or OSError; nothing has changed then, or the next run finishes it.
    """
    with _alone():
        _run(wanted, tell, confirm, prepare)


@contextmanager
def _alone() -> Iterator[None]:
    """One command at a time: a second one would take the next root key of the first for one that was left over."""
    with open(Path(settings.DATA) / "root.lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as reason:
            raise RootKeyError("another rotation or change of provider is under way") from reason
        yield


def _run(wanted: Wanted | None, tell: Tell, confirm: Confirm, prepare: bool) -> None:
    used = domain_keys.used_root_key_id()
    if used is None:
        raise RootKeyError("nothing is protected by a root key yet: start the server once")
    retired = domain_keys.finish_root_rotation()
    if retired is not None:
        _end(retired, "The rotation that was under way is finished.", tell)
        return
    current = root_files.read(root_files.root_path())
    new_secret = root_secret.ask_new if wanted or root_secret.is_given("new") else settings.ROOT_SECRET
    wanted = wanted or Wanted(current.provider, current.parameters())
    tell(f"1/4 make the next root key, protected by {wanted.provider}")
    new, handed_out = domain_keys.prepare_rotation(wanted.provider, wanted.parameters, new_secret)
    if handed_out:
        confirm(handed_out)
    path = root_files.next_root_path()
    if prepare:
        tell(
            f"{path} is made (ID {new.root_key_id}). Copy it and {root_files.handover_path()} to each other node's data folder, "
            "then run the same command without --prepare."
        )
        return
    tell("2/4 rewrap the domain keys, in one transaction")
    with transaction.write():
        count = domain_keys.rotate(new, lambda done, of: tell(f"    {done} of {of}"))
        events = [_event(account, used, new.root_key_id, wanted.provider) for account in _accounts()]
        recorder.record_change(events)
    tell(f"3/4 put {path.name} in its place")
    retired = domain_keys.finish_root_rotation()
    _end(retired, f"{count} domain keys are wrapped by the new root key (ID {new.root_key_id}).", tell)


def _end(retired: Path | None, what: str, tell: Tell) -> None:
    if _server_runs():
        tell(
            f"4/4 the server that runs goes on by {root_files.handover_path().name}, which opens with the old root key only; its next start "
            "removes that file"
        )
    else:
        root_files.forget_handover()
        tell("4/4 no server runs: nothing is left to hand over")
    tell(what)
    tell(f"It is protected by {root_files.read(root_files.root_path()).words()}.")
    if retired is not None:
        tell(
            f"The old root key is kept as {retired}: backups made before need it. Move it off this machine, and delete it when none is left."
        )


def _server_runs() -> bool:
    lock = Path(settings.DATA) / "serve.lock"
    if not lock.exists():
        return False
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _accounts() -> list[str]:
    return list(Account.objects.order_by("account_id").values_list("account_id", flat=True))


def _event(account_id: str, old: str, new: str, provider: str) -> bytes:
    return record.service_event(
        record.ServiceEvent(
            account_id=account_id,
            region="us-east-1",
            source="kms.amazonaws.com",
            name="RootKeyRotated",
            now=clock.now(account_id),
            details={"previousRootKeyID": old, "rootKeyID": new, "provider": provider},
        )
    )
