"""Looking at checks as the signed-in principal, and keeping what was found: run by run, the last of each day for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from django.db.models import Max
from django.db.models.functions import TruncDate
from django.utils.functional import Promise

from audit.compliance import checks, exceptions, key_checks, results
from audit.compliance.checks import Check
from audit.compliance.models import ComplianceException, ComplianceResult, ComplianceRun
from audit.compliance.results import KEPT, Examined, Finding, Findings, Words
from console.request import ConsoleRequest
from keys import service

LIST, RUN = "kmsconsole:ListComplianceResults", "kmsconsole:RunComplianceChecks"
LIVE_KEYS = 2_000  # with more of them a page does not read the policy of every key, but says what the last run found
_ALL_KEPT_FOR = timedelta(days=31)  # of older runs the last of each day is kept
Shown = Any  # words, in the reader's language


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. `excepted` are the exceptions in force that it needs; `run` the run that it is of, None for what is now."""

    check_id: str
    title: Shown
    severity: str
    references: Sequence[str]
    frameworks: frozenset[str]
    status: str
    examined: int
    failing: int
    excepted: int
    unknown: Sequence[Words]
    findings: Findings = field(default_factory=Findings)
    run: ComplianceRun | None = None

    @property
    def status_words(self) -> Shown:
        return results.STATUSES[self.status]

    @property
    def severity_words(self) -> Shown:
        return checks.SEVERITIES[self.severity]


def look(request: ConsoleRequest, check: Check, excepted: Iterable[ComplianceException]) -> CheckResult:
    """What a check finds now. What the principal may not read is no answer, and said so."""
    try:
        examined = check.examine(request)
        failing = examined.failing.number()
    except ClientError as error:
        examined = Examined(0, unknown=(Words("%(error)s", {"error": service.sentence(error)}),))
        failing = 0
    named = {each.resource for each in excepted if each.check_id == check.id}
    waived = len(examined.failing.of(named)) if named and failing else 0
    return CheckResult(
        check_id=check.id,
        title=check.title,
        severity=check.severity,
        references=[str(each) for each in check.references],
        frameworks=check.frameworks,
        status=results.status(examined.number, failing, waived, bool(examined.unknown)),
        examined=examined.number,
        failing=failing,
        excepted=waived,
        unknown=examined.unknown,
        findings=examined.failing,
    )


def now(request: ConsoleRequest, wanted: Sequence[Check]) -> list[CheckResult]:
    """What the checks find now; of those that read every key's policy, where there are many keys, what the last run found."""
    excepted = list(exceptions.in_force(request))
    last: dict[str, CheckResult] | None = None
    found = []
    key_checks.count_together(request)
    for check in wanted:
        if check.reads_policies and _number_of_keys(request) > LIVE_KEYS:
            if last is None:
                run = last_run(request)
                last = {each.check_id: each for each in of_run(run)} if run is not None else {}
            found.append(last.get(check.id) or _not_looked_at(check))
        else:
            found.append(look(request, check, excepted))
    return found


def _number_of_keys(request: ConsoleRequest) -> int:
    try:
        return key_checks.customer_keys(request).count()
    except ClientError:
        return 0


def _not_looked_at(check: Check) -> CheckResult:
    text = "There are too many keys to read the policy of each for a page; a run of the checks does it."
    references = [str(each) for each in check.references]
    return CheckResult(
        check.id, check.title, check.severity, references, check.frameworks, results.UNKNOWN, 0, 0, 0, (Words(text),)
    )


# --- kept


def place(request: ConsoleRequest) -> dict[str, str]:
    return {**exceptions.place(request), "region": request.signed_in.region}


def run(request: ConsoleRequest) -> tuple[ComplianceRun, list[CheckResult]]:
    """Look at every check and keep what is found. Raises ClientError where the principal may not, and OwnCheckError."""
    wanted = checks.every()
    if refused := service.refusal(request, RUN):
        service.console_action(request, RUN, lambda: None)  # records the refusal
        raise refused
    excepted = list(exceptions.in_force(request))
    found = [look(request, check, excepted) for check in wanted]
    row = ComplianceRun(
        **place(request),
        time=service.record_now(request),
        made_by=request.signed_in.arn,
        keys=_number_of_keys(request),
    )
    rows = [_stored(row, each) for each in found]

    def store() -> None:
        row.save()
        ComplianceResult.objects.bulk_create(rows)
        _thin_out(request, row.time)

    service.console_action(request, RUN, store, parameters={"results": {each.check_id: each.status for each in found}})
    return row, found


def _stored(run: ComplianceRun, found: CheckResult) -> ComplianceResult:
    return ComplianceResult(
        run=run,
        check_id=found.check_id,
        title="" if isinstance(found.title, Promise) else found.title,
        severity=found.severity,
        frameworks=sorted(found.frameworks),
        references=list(found.references),
        status=found.status,
        examined=found.examined,
        failing=found.failing,
        excepted=found.excepted,
        unknown=[each.stored() for each in found.unknown],
        findings=[each.stored() for each in found.findings.page(0, KEPT)],
    )


def _thin_out(request: ConsoleRequest, now: datetime) -> None:
    old = ComplianceRun.objects.filter(**place(request), time__lt=now - _ALL_KEPT_FOR)
    last = (
        old.annotate(day=TruncDate("time", tzinfo=UTC))
        .values("day")
        .annotate(last=Max("pk"))
        .values_list("last", flat=True)
    )
    kept = set(last)
    ComplianceRun.objects.filter(pk__in=[pk for pk in old.values_list("pk", flat=True) if pk not in kept]).delete()


def last_run(request: ConsoleRequest, moment: datetime | None = None) -> ComplianceRun | None:
    """The last one, or the last one up to a moment."""
    rows = ComplianceRun.objects.filter(**place(request), **({} if moment is None else {"time__lte": moment}))
    return rows.order_by("-time", "-pk").first()


def of_run(run: ComplianceRun) -> list[CheckResult]:
    """In the order of the table, own checks after it."""
    order = {check.id: number for number, check in enumerate(checks.CHECKS)}
    rows = sorted(run.results.all(), key=lambda row: (order.get(row.check_id, len(order)), row.pk))
    return [_read(run, row) for row in rows]


def _read(run: ComplianceRun, row: ComplianceResult) -> CheckResult:
    titles = {check.id: check.title for check in checks.CHECKS}
    return CheckResult(
        check_id=row.check_id,
        title=row.title or titles.get(row.check_id, row.check_id),
        severity=row.severity,
        references=row.references,
        frameworks=frozenset(row.frameworks),
        status=row.status,
        examined=row.examined,
        failing=row.failing,
        excepted=row.excepted,
        unknown=[Words.of(each) for each in row.unknown],
        findings=Findings(Finding.of(each) for each in row.findings),
        run=run,
    )


@dataclass(frozen=True, slots=True)
class PastStatuses:
    """How many checks had each status in the last run of a day; of one framework, where that is asked."""

    run: ComplianceRun
    numbers: Counter[str]


def history(request: ConsoleRequest, framework: str, most: int, until: datetime | None = None) -> list[PastStatuses]:
    """The last run of each of the last `most` days that have one, oldest first."""
    rows = ComplianceRun.objects.filter(**place(request), **({} if until is None else {"time__lte": until}))
    days = (
        rows.annotate(day=TruncDate("time", tzinfo=UTC)).values("day").annotate(last=Max("pk")).order_by("-day")[:most]
    )
    found = ComplianceRun.objects.filter(pk__in=[each["last"] for each in days]).prefetch_related("results")
    return [
        PastStatuses(
            each, Counter(row.status for row in each.results.all() if not framework or framework in row.frameworks)
        )
        for each in found.order_by("time")
    ]
