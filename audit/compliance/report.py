"""The compliance report of a date: what the last run up to then found, the exceptions in force then, and the states of the keys as the record
tells them. As one page, as HTML and PDF to keep, and signed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.functional import cached_property

from audit import signed_archive
from audit.compliance import charts, exceptions, runs
from audit.compliance.models import ComplianceException, ComplianceRun
from audit.compliance.results import KEPT, NOT_APPLICABLE, PASSED, Finding
from audit.compliance.runs import CheckResult, PastStatuses
from console import charts as drawing
from console.request import ConsoleRequest
from keys import service
from keys.record import past_keys
from keys.record.key_states import DELETED

_DAYS = 60
_HTML = "audit/compliance/document.html"


@dataclass(frozen=True)
class Report:
    """`states`: how many keys were in each state at the moment, without those that were deleted; `begins`: when the record begins."""

    account_id: str
    region: str
    endpoint: str
    moment: datetime
    run: ComplianceRun
    results: Sequence[CheckResult]
    exceptions: Sequence[ComplianceException]
    states: Sequence[tuple[str, int]]
    begins: datetime | None
    history: Sequence[PastStatuses]

    @property
    def day(self) -> str:
        """Of its moment, in the title."""
        return f"{self.moment:%Y-%m-%d}"

    @cached_property
    def numbers(self) -> list[tuple[str, Any, int]]:
        return charts.numbers(each.status for each in self.results)

    @cached_property
    def chart(self) -> drawing.Bars:
        return charts.over_time(self.history)

    @cached_property
    def states_chart(self) -> drawing.Bars:
        return drawing.bars([(state, f"{state}: {number}", [("good", number)]) for state, number in self.states])

    @property
    def evidence(self) -> list[tuple[CheckResult, Sequence[Finding]]]:
        """Each check that is not simply passed, with the first of what fails."""
        return [
            (each, each.findings.page(0, KEPT))
            for each in self.results
            if each.status not in (PASSED, NOT_APPLICABLE) or each.failing
        ]


def of(request: ConsoleRequest, moment: datetime) -> Report | None:
    """None where no run is kept up to then. Raises ClientError where the principal may not read the record."""
    run = runs.last_run(request, moment)
    if run is None:
        return None
    found = past_keys.all_keys(request, moment)
    states = Counter(key.state(moment) for key in found.keys)
    del states[DELETED]
    return Report(
        account_id=request.signed_in.account_id,
        region=request.signed_in.region,
        endpoint=service.backend(request).name,
        moment=moment,
        run=run,
        results=runs.of_run(run),
        exceptions=list(exceptions.in_force(request, moment)),
        states=sorted(states.items()),
        begins=found.begins,
        history=runs.history(request, "", _DAYS, moment),
    )


def as_html(report: Report) -> bytes:
    return render_to_string(_HTML, {"report": report}).encode()


def as_json(report: Report) -> bytes:
    content = {
        "account": report.account_id,
        "region": report.region,
        "endpoint": report.endpoint,
        "asOf": report.moment.isoformat(),
        "run": {"time": report.run.time.isoformat(), "by": report.run.made_by, "keys": report.run.keys},
        "keyStates": dict(report.states),
        "results": [_result(each) for each in report.results],
        "exceptions": [_exception(each) for each in report.exceptions],
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _result(each: CheckResult) -> dict[str, Any]:
    return {
        "check": each.check_id,
        "title": str(each.title),
        "severity": each.severity,
        "references": list(each.references),
        "status": each.status,
        "examined": each.examined,
        "failing": each.failing,
        "excepted": each.excepted,
        "unknown": [str(reason) for reason in each.unknown],
        "findings": [{"resource": f.resource, "fact": str(f.fact)} for f in each.findings.page(0, KEPT)],
    }


def _exception(each: ComplianceException) -> dict[str, Any]:
    return {
        "check": each.check_id,
        "resource": each.resource,
        "reason": each.reason,
        "owner": each.owner,
        "expires": each.expires.isoformat(),
        "made": each.made.isoformat(),
        "by": each.made_by,
    }


def signed(request: ConsoleRequest, report: Report, files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of the files, the signature of their digests, and what verifies it. Raises ClientError, CheckpointError."""
    lines = [
        f"account {report.account_id} region {report.region}",
        f"as of {report.moment.isoformat()}",
        f"run {report.run.time.isoformat()}",
    ]
    return signed_archive.signed(request, lines, files, report.run.time)
