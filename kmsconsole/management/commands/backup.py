"""`manage.py backup FILE`: everything but the root key in one file, while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from kmsconsole.installation import backup


class Command(BaseCommand):
    help = "Write a consistent backup of database and audit trail to a new file, while the server runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--with-root-key",
            action="store_true",
            help="put the root key in too: whoever has the file can then open everything in it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = backup.make(options["file"].resolve(), with_root_key=options["with_root_key"])
        except backup.BackupError as reason:
            raise CommandError(str(reason)) from reason
        except DatabaseError as reason:
            raise CommandError(f"the database cannot be read: {reason}") from reason
        self.stdout.write(f"{made.path}: {made.bytes} bytes")
        if made.with_root_key:
            self.stdout.write("The root key is in it: keep the file as you would keep the keys themselves.")
        else:
            self.stdout.write(
                "What opens the root key is not in it: keep that elsewhere (a copy of root.key, say), without it nothing opens."
            )
