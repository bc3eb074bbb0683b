"""`manage.py accept_lost_records --reason TEXT`: goes on with an audit trail of which records are missing, and records that.

For an administrator on the machine, with no server running, after what is missing could not be put back. Every account's trail gets an
event AuditRecordsLost with what is missing, the reason, and the checkpoint that the trail did not reach. The journal that is there is
kept as it was found beside the new one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.iam.models import Account
from engine.trail import lost_records
from engine.trail.groupcommit import TrailUnavailable
from engine.vault.hierarchy import RootKeyError
from kmsconsole.installation.datafolder import DataFolderError, hold, secure


class Command(BaseCommand):
    help = "Go on with an audit trail of which records are missing, and record that they are."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--reason", required=True, help="why the records are missing; it becomes part of the record"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["reason"].strip():
            raise CommandError("--reason must say why the records are missing")
        try:
            held = hold(Path(settings.DATA))
            secure(Path(settings.DATA))
            accounts = list(Account.objects.order_by("account_id").values_list("account_id", flat=True))
            accepted = lost_records.accept(options["reason"].strip(), accounts)
        except (DataFolderError, TrailUnavailable, RootKeyError, DatabaseError, OSError) as reason:
            raise CommandError(f"nothing was changed: {reason}") from reason
        del held
        if accepted is None:
            raise CommandError("nothing is missing: the trail holds all that its checkpoint names")
        self.stdout.write(f"{accepted.sentence}. The trail of every account has this as an event AuditRecordsLost.")
        if accepted.kept is not None:
            self.stdout.write(f"The journal as it was found is kept as {accepted.kept}.")
