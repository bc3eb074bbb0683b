"""`manage.py verify_trail`: checks every record of the audit journal against its chain. Exit code 0 only if it is whole."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engine.trail import verify


class Command(BaseCommand):
    help = "Check the hash chain of the audit journal."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify.verify()
        if not verdict.whole:
            raise CommandError(f"the chain breaks at record {verdict.broken_at}: {verdict.reason}")
        self.stdout.write(f"whole: {verdict.records} records, last hash {verdict.last_hash}")
        if verdict.torn:
            self.stdout.write(f"{verdict.torn} bytes of an unfinished record at the end; the next write cuts them off")
