"""Compliance: the status of every check, the evidence of each, how it was over time, and exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit.compliance import charts, checks, exceptions, own_checks, runs
from audit.compliance.checks import Check
from audit.compliance.forms import ExceptionForm, FrameworkForm
from audit.compliance.models import ComplianceException
from audit.compliance.results import Finding
from console import paging
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page, requires
from keys.record import as_of

_TITLE = gettext_lazy("Compliance")
_DAYS, _PAGE, _EXCEPTIONS = 60, 50, 100


@as_of.shows_past
@requires(runs.LIST, _TITLE)
def page(request: ConsoleRequest) -> HttpResponse:
    """The status of the checks now, or what the last run up to a moment found."""
    asked = as_of.asked(request)
    form = FrameworkForm(request.GET)
    framework, status = form.chosen("framework"), form.chosen("status")
    if asked and asked.problem:
        return _page(request, [], framework, status, asked=asked)
    moment = asked.moment if asked else None
    if moment is not None:
        run = runs.last_run(request, moment)
        return _page(request, runs.of_run(run) if run is not None else [], framework, status, asked=asked, run=run)
    found, problem = _every()
    return _page(request, runs.now(request, found), framework, status, own_problem=problem)


def _page(
    request: ConsoleRequest,
    found: list[runs.CheckResult],
    framework: str,
    status: str,
    *,
    asked: as_of.AsOf | None = None,
    **shown: Any,
) -> HttpResponse:
    moment = asked.moment if asked else None
    of_framework = [each for each in found if not framework or framework in each.frameworks]
    history = runs.history(request, framework, _DAYS, moment)
    return render(
        request,
        "audit/compliance/index.html",
        {
            "results": [each for each in of_framework if not status or each.status == status],
            "statuses": charts.numbers(each.status for each in of_framework),
            "frameworks": [
                (name, words, sum(name in each.frameworks for each in found))
                for name, words in checks.FRAMEWORKS.items()
                if any(name in each.frameworks for each in found)
            ],
            "framework": framework,
            "status": status,
            "history": history,
            "chart": charts.over_time(history),
            "exceptions": exceptions.in_force(request, moment)[:_EXCEPTIONS],
            "last_run": runs.last_run(request) if moment is None else None,
            "as_of": asked,
            **shown,
        },
        status=asked.status if asked else 200,
    )


def _every() -> tuple[list[Check], str]:
    """The checks, and what is wrong with the file of own ones."""
    try:
        return list(checks.every()), ""
    except own_checks.OwnCheckError as reason:
        return list(checks.CHECKS), str(reason)


@require_POST
@requires(runs.LIST, _TITLE)
def run(request: ConsoleRequest) -> HttpResponse:
    try:
        runs.run(request)
    except ClientError as error:
        messages.error(request, service.sentence(error))
    except own_checks.OwnCheckError as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, _("The checks were run, and what they found is kept."))
    return redirect("compliance")


def _check(check_id: str) -> Check:
    found = next((each for each in _every()[0] if each.id == check_id), None)
    if found is None:
        raise Http404
    return found


@requires(runs.LIST, _TITLE)
def check(request: ConsoleRequest, check_id: str) -> HttpResponse:
    """The evidence: each resource that fails, with the fact about it, and the exceptions."""
    row = _check(check_id)
    in_force = list(exceptions.in_force(request).filter(check_id=row.id))
    found = runs.look(request, row, in_force)
    shown = paging.page_of(_FindingRows(found), _PAGE, request.GET)
    excepted = {each.resource: each for each in in_force}
    return render(
        request,
        "audit/compliance/check.html",
        {
            "check": row,
            "result": found,
            "page": shown,
            "rows": [(each, excepted.get(each.resource)) for each in shown],
            "exceptions": exceptions.of_check(request, row.id)[:_EXCEPTIONS],
            "now": service.record_now(request),
        },
    )


class _FindingRows(Sequence[Finding]):
    """What a paginator asks of a list, over findings that are read a page at a time."""

    def __init__(self, found: runs.CheckResult) -> None:
        self._found = found

    def __len__(self) -> int:
        return self._found.failing

    def __getitem__(self, place: Any) -> Any:
        """A slice of them."""
        return list(self._found.findings.page(place.start or 0, (place.stop or 0) - (place.start or 0)))


@requires(runs.LIST, _TITLE)
def exception_new(request: ConsoleRequest, check_id: str) -> HttpResponse:
    row = _check(check_id)
    resource = request.POST.get("resource", "") or request.GET.get("resource", "")
    try:
        finding = next(iter(row.examine(request).failing.of([resource])), None) if resource else None
    except ClientError as error:
        return problem_page(request, _TITLE, error)
    if finding is None:
        raise Http404
    now: datetime = service.record_now(request)
    form = ExceptionForm(request.POST if request.method == "POST" else None, now=now)
    if request.method == "POST" and form.is_valid():
        try:
            exceptions.make(request, row.id, finding, **form.cleaned_data)
        except ClientError as error:
            form.add_error(None, service.sentence(error))
        else:
            messages.success(request, _("The exception is in force, and recorded."))
            return redirect("compliance-check", row.id)
    context = {"check": row, "finding": finding, "form": form}
    return render(request, "audit/compliance/exception.html", context, status=422 if form.errors else 200)


@require_POST
@requires(runs.LIST, _TITLE)
def exception_end(request: ConsoleRequest, number: int) -> HttpResponse:
    row = get_object_or_404(ComplianceException, pk=number, **exceptions.place(request))
    try:
        exceptions.end(request, row)
    except ClientError as error:
        messages.error(request, service.sentence(error))
    else:
        messages.success(request, _("The exception ended; the resource counts as failed again."))
    return redirect("compliance-check", row.check_id)
