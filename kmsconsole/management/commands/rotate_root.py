"""`manage.py rotate_root`: a new root key for this installation, while it runs. Keys, ciphertexts and programs notice nothing.

With several nodes: `--prepare` first, copy `root.key.next` to the data folder of each other node, then without it; afterwards on
each other node once more, which only puts the file in its place (their next start does the same).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine import clock
from engine.iam.models import Account
from engine.store import transaction
from engine.trail import record, recorder
from engine.trail.groupcommit import TrailUnavailable
from engine.vault import domain_keys, hierarchy


class Command(BaseCommand):
    help = "Make a new root key and rewrap all domain keys with it, while the server runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="only make root.key.next, to be copied to other nodes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(options["prepare"])
        except (hierarchy.RootKeyError, hierarchy.UnwrapError, TrailUnavailable, DatabaseError, OSError) as reason:
            raise CommandError(f"the root key was not rotated: {reason}") from reason

    def _handle(self, prepare: bool) -> None:
        used = domain_keys.used_root_key_id()
        if used is None:
            raise CommandError("nothing is protected by a root key yet: start the server once")
        retired = domain_keys.finish_root_rotation()
        if retired is not None:
            self._say(retired, "The rotation that was under way is finished.")
            return
        new = domain_keys.prepare_rotation()
        if prepare:
            self.stdout.write(
                f"{domain_keys.next_root_path()} is made (ID {new.root_key_id}). Copy it to each other node's data folder, "
                "then run rotate_root."
            )
            return
        with transaction.write():
            count = domain_keys.rotate(new)
            recorder.record_change([_event(account, used, new.root_key_id) for account in _accounts()])
        retired = domain_keys.finish_root_rotation()
        self._say(retired, f"{count} domain keys are wrapped by the new root key (ID {new.root_key_id}).")

    def _say(self, retired: Path | None, what: str) -> None:
        self.stdout.write(what)
        if retired is not None:
            self.stdout.write(
                f"The old root key is kept as {retired}: backups made before need it. Delete it when none is left."
            )


def _accounts() -> list[str]:
    return list(Account.objects.order_by("account_id").values_list("account_id", flat=True))


def _event(account_id: str, old: str, new: str) -> bytes:
    return record.service_event(
        record.ServiceEvent(
            account_id=account_id,
            region="us-east-1",
            source="kms.amazonaws.com",
            name="RootKeyRotated",
            now=clock.now(account_id),
            details={"previousRootKeyID": old, "rootKeyID": new},
        )
    )
