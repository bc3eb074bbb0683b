"""`manage.py verify_trail`: checks the records of the audit trail against their chain, the tree over them against each signed checkpoint,
and the trail against what it must reach. It goes on where the last one ended; --all reads every record.

Exit code 0 only if it is whole; else 1, with what is broken or missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.trail import log_comparison, log_records, verification_job
from engine.trail.checkpoints import CheckpointError
from engine.trail.segment_archive import SegmentUnreachable
from engine.vault.hierarchy import RootKeyError


class Command(BaseCommand):
    help = "Check the audit trail: its hash chain, its signed checkpoints, and that it reaches what it must."
    requires_system_checks: list[str] = []  # of pages, which take a second to load

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="read every record, not only those since the last time")
        parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="an earlier checkpoint to compare with")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verdict = verification_job.run_now(read_all=options["all"], progress=self._tell)
        except (CheckpointError, RootKeyError, SegmentUnreachable) as reason:
            raise CommandError(f"whether the trail is complete cannot be told: {reason}") from reason
        except OSError as reason:
            raise CommandError(f"the trail cannot be read: {reason}") from reason
        except DatabaseError as reason:
            raise CommandError(f"the database cannot be read, nor what the trail must reach: {reason}") from reason
        if verdict.missing:
            raise CommandError(verdict.reason)
        if not verdict.whole:
            raise CommandError(f"the chain breaks at record {verdict.broken_at}: {verdict.reason}")
        what = "whole but for what was removed" if verdict.removed else "whole"
        self.stdout.write(f"{what}: {verdict.records} records, last hash {verdict.last_hash}")
        for sentence in (*verdict.removed, *verdict.mended):
            self.stdout.write(sentence)
        removed_through = log_records.of_account("").removed().sequence
        if verdict.first > removed_through + 1:
            self.stdout.write(
                f"records {removed_through + 1} to {verdict.first - 1} were read by an earlier verification; --all reads them again"
            )
        if verdict.torn:
            self.stdout.write(f"{verdict.torn} bytes of an unfinished record at the end; the next write cuts them off")
        if options["checkpoint"] is not None:
            self._compare(options["checkpoint"])

    def _tell(self, first: int, read: int, last: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{read} of {last} records", ending="\r" if read < last else "\n")

    def _compare(self, path: Path) -> None:
        try:
            note = path.read_text()
        except (OSError, ValueError) as reason:
            raise CommandError(f"the checkpoint cannot be read: {reason}") from reason
        found = log_comparison.compare(log_records.every(), note)
        if not found.continued:
            raise CommandError(f"{found.kind}: {found.sentence}")
        self.stdout.write(f"{found.kind}: {found.sentence}")
