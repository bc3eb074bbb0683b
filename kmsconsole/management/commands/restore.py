"""`manage.py restore FILE`: an installation made of a backup, in an empty data folder (or database)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.vault import root_files
from kmsconsole.installation import backup
from kmsconsole.installation.datafolder import DataFolderError, hold, secure


class Command(BaseCommand):
    help = (
        "Make an installation of a backup. The data folder (or the database) must be empty and no server running on it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--root-key", type=Path, help="the root.key or root.json that the backup was made with")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            held = hold(Path(settings.DATA))
            secure(Path(settings.DATA))
        except DataFolderError as reason:
            raise CommandError(str(reason)) from reason
        try:
            restored = backup.restore(options["file"], root_key=options["root_key"])
        except backup.BackupError as reason:
            raise CommandError(str(reason)) from reason
        except (DatabaseError, OSError) as reason:
            raise CommandError(f"the backup cannot be restored: {reason}") from reason
        del held
        self.stdout.write(f"{options['file']} is restored to {settings.DATA}.")
        if restored.missing:
            self.stdout.write(
                f"The audit trail is older than this data folder's checkpoint: {restored.missing}. A start refuses that until "
                "`kmsconsole accept_lost_records` has recorded it."
            )
        if not root_files.present():
            self.stdout.write(
                f"Put the root key with ID {restored.root_key_id} (its root.key or root.json) into {settings.DATA} before you start the "
                "server."
            )
