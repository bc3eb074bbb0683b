"""`manage.py export_trail FILE`: every record of the audit trail with what proves it, for the stand-alone verifier (docs/proofs.md).

It holds the records of all accounts, and so is for whoever runs the machine; with PostgreSQL each account has a trail, named by --account.
What the retention rule removed is told by its signed statements. `-` writes to standard output.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from engine.trail import log_export, log_proofs, log_records
from engine.trail.segment_archive import SegmentUnreachable
from engine.vault.hierarchy import RootKeyError

_FAILURES = (*log_proofs.FAILURES, SegmentUnreachable, RootKeyError, DatabaseError)


class Command(BaseCommand):
    help = "Export the whole audit trail with its proofs, for the stand-alone verifier."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", help="where to; - is standard output")
        parser.add_argument("--account", default="", help="whose trail, with PostgreSQL")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor == "postgresql" and not options["account"]:
            raise CommandError("with PostgreSQL each account has a trail of its own: name one with --account")
        lines = _failing_in_words(log_export.whole(log_records.of_account(options["account"])))
        if options["file"] == "-":
            self.stdout.writelines(lines)
            return
        path = Path(options["file"])
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as reason:
            raise CommandError(f"{path} cannot be made: {reason.strerror}") from reason
        try:
            with path.open("w", encoding="utf-8") as out:
                out.writelines(lines)
        except (CommandError, OSError):
            path.unlink()  # a part of an export proves nothing
            raise


def _failing_in_words(lines: Iterator[str]) -> Iterator[str]:
    try:
        yield from lines
    except _FAILURES as reason:
        raise CommandError(str(reason)) from reason
