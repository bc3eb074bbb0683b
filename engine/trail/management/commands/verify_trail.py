"""`manage.py verify_trail`: checks every record of the audit trail against its chain, and the trail against its checkpoint.

Exit code 0 only if it is whole; else 1, with what is broken or missing.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.trail import verify
from engine.trail.checkpoints import CheckpointError
from engine.vault.hierarchy import RootKeyError


class Command(BaseCommand):
    help = "Check the hash chain of the audit trail, and that it reaches its checkpoint."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verdict = verify.verify()
        except (CheckpointError, RootKeyError) as reason:
            raise CommandError(f"whether the trail is complete cannot be told: {reason}") from reason
        except OSError as reason:
            raise CommandError(f"the trail cannot be read: {reason}") from reason
        except DatabaseError as reason:
            raise CommandError(f"the database cannot be read, nor what the trail must reach: {reason}") from reason
        if verdict.missing:
            raise CommandError(verdict.reason)
        if not verdict.whole:
            raise CommandError(f"the chain breaks at record {verdict.broken_at}: {verdict.reason}")
        self.stdout.write(f"whole: {verdict.records} records, last hash {verdict.last_hash}")
        if verdict.torn:
            self.stdout.write(f"{verdict.torn} bytes of an unfinished record at the end; the next write cuts them off")
