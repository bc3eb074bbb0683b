"""The compliance report of a date: to look at, as PDF, and as a signed archive."""

from __future__ import annotations

from datetime import datetime

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.compliance import pdf, report, runs
from audit.compliance.forms import ReportForm
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page, requires
from keys.record import as_of, events

_TITLE = gettext_lazy("Compliance report")


@as_of.shows_past
@requires(runs.LIST, _TITLE)
def page(request: ConsoleRequest) -> HttpResponse:
    """The report, by `format` also as a file: "pdf", or "zip" with the signature."""
    form = ReportForm(request.GET, now=service.record_now(request))
    asked = as_of.of_form(form, request.GET.get(as_of.PARAMETER, "").strip())
    context = {"form": form, "as_of": asked, "report": None}
    if asked.problem:
        return render(request, "audit/compliance/report.html", context, status=asked.status)
    moment: datetime = asked.moment or form.now
    try:
        found = report.of(request, moment)
        if found is None:
            return render(
                request, "audit/compliance/report.html", {**context, "none": True}, status=404 if asked.moment else 200
            )
        wanted = request.GET.get("format", "")
        if wanted == "pdf":
            return _file(pdf.of(found), "application/pdf", f"{_name(found)}.pdf")
        if wanted == "zip":
            files = {
                "report.pdf": pdf.of(found),
                "report.html": report.as_html(found),
                "report.json": report.as_json(found),
            }
            return _file(report.signed(request, found, files), "application/zip", f"{_name(found)}.zip")
    except ClientError as error:
        return problem_page(request, _("Compliance report"), error)
    except events.CheckpointError as reason:
        return render(request, "audit/compliance/report.html", {**context, "unsigned": reason}, status=500)
    return render(request, "audit/compliance/report.html", {**context, "report": found})


def _name(found: report.Report) -> str:
    return f"compliance-{found.account_id}-{found.region}-{found.moment:%Y-%m-%d}"


def _file(content: bytes, content_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
