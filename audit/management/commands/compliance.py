"""`manage.py compliance`: run the compliance checks of the embedded engine's account as the principal whose AWS credentials are found in the
environment or a profile, and keep what they found. For a timer.

Exit code 0 if no check failed, 1 if one did, 2 if they could not be run.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import translation

from audit.compliance import results, runs, timer
from audit.compliance.own_checks import OwnCheckError
from audit.compliance.runs import CheckResult
from engine.public.names import is_region_name
from keys import service


class Command(BaseCommand):
    help = "Run the compliance checks and keep their results."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--region", default="us-east-1", help="the Region whose keys are checked")
        parser.add_argument("--json", action="store_true", help="print the results as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_region_name(options["region"]):
            raise CommandError(f"{options['region']} is no Region", returncode=2)
        with translation.override("en"):
            try:
                run, found = runs.run(timer.request_of(options["region"]))
            except ClientError as error:
                raise CommandError(service.sentence(error), returncode=2) from error
            except (timer.NoCredentialsError, OwnCheckError) as reason:
                raise CommandError(str(reason), returncode=2) from reason
            except DatabaseError as reason:
                raise CommandError(f"the database cannot be read or written: {reason}", returncode=2) from reason
            self.stdout.write(_as_json(run, found) if options["json"] else _as_text(found))
        if any(each.status == results.FAILED for each in found):
            raise CommandError("a check failed", returncode=1)


def _as_text(found: list[CheckResult]) -> str:
    lines = []
    for each in found:
        number = f" {each.failing} of {each.examined}" if each.failing else ""
        lines.append(f"{each.status:<15}{each.check_id}{number}")
        lines += [f"{'':<15}{reason}" for reason in each.unknown]
    return "\n".join(lines)


def _as_json(run: Any, found: list[CheckResult]) -> str:
    return json.dumps(
        {
            "account": run.account_id,
            "region": run.region,
            "time": run.time.isoformat(),
            "by": run.made_by,
            "keys": run.keys,
            "results": [
                {
                    "check": each.check_id,
                    "title": str(each.title),
                    "severity": each.severity,
                    "references": list(each.references),
                    "status": each.status,
                    "examined": each.examined,
                    "failing": each.failing,
                    "excepted": each.excepted,
                    "unknown": [str(reason) for reason in each.unknown],
                    "findings": [
                        {"resource": finding.resource, "fact": str(finding.fact)}
                        for finding in each.findings.page(0, results.KEPT)
                    ],
                }
                for each in found
            ],
        },
        indent=2,
    )
