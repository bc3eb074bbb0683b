"""`manage.py check`: Django's checks of the code, then what is wrong with this installation. Exit code 0 only if nothing is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import check

from kmsconsole.installation import diagnosis


class Command(check.Command):
    help = "Check the project and this installation: data folder, root key, database, audit trail, settings."

    def handle(self, *app_labels: Any, **options: Any) -> None:
        super().handle(*app_labels, **options)
        if options["list_tags"] or app_labels:
            return
        wrong = 0
        for finding in diagnosis.examine():
            style = {diagnosis.ERROR: self.style.ERROR, diagnosis.WARNING: self.style.WARNING}.get(finding.level, str)
            self.stdout.write(style(f"{finding.level:<8}{finding.subject}: {finding.what}"))
            if finding.remedy:
                self.stdout.write(f"        → {finding.remedy}")
            wrong += finding.level == diagnosis.ERROR
        if wrong:
            raise CommandError(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong with this installation")
