"""What of a user's, group's or role's permissions was used, and policies tightened to that by one change that is shown first."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.request import ConsoleRequest
from keys import call, service
from keys.changes import Change, asked, carry_out
from keys.common import problem_page
from principals.last_accessed import advice
from principals.last_accessed.advice import DAYS, INLINE, KINDS, Advice, Owner

_WORDS = {"user": gettext_lazy("user"), "group": gettext_lazy("group"), "role": gettext_lazy("role")}
_JOB = "|"  # between a managed policy's ARN and the job of the report about it


def page(request: ConsoleRequest, kind: str, name: str) -> HttpResponse:
    if kind not in KINDS:
        raise Http404
    owner, given = Owner(service.client(request, "iam"), kind, name), asked(request)
    here = reverse("last-accessed", args=[kind, name])
    try:
        arn = advice.arn_of(owner)
        parameters = {"Arn": arn, "Granularity": "ACTION_LEVEL"}
        if "generate" in request.POST:
            return redirect(f"{here}?{urlencode({'job': advice.begin(owner.iam, arn)})}")
        if "review" in request.POST:
            return redirect(f"{here}?{urlencode(_reviewed(owner, given), doseq=True)}")
        job = str(given.get("job", ""))
        report = advice.report(owner.iam, job) if job else None
        if report is not None and (wanted := given.getlist("tighten")):
            return _tighten(request, owner, report, wanted)
        found = advice.of_all(owner, report) if report is not None else []
    except ClientError as error:
        return problem_page(request, _("Last accessed"), error)
    return render(
        request,
        "principals/last_accessed.html",
        {
            "kind": kind,
            "name": name,
            "arn": arn,
            "job": job,
            "days": DAYS,
            "report": report,
            "unused": sorted(set(report.tracked) - report.used) if report is not None else [],
            "advice": found,
            "call": call.show(request, "GenerateServiceLastAccessedDetails", parameters, "iam"),
        },
    )


def _reviewed(owner: Owner, given: Any) -> dict[str, Any]:
    """The parameters of the page that shows the change: a managed policy goes with a report about all who have it."""
    chosen = [
        each if each.startswith(INLINE) else f"{each}{_JOB}{advice.begin(owner.iam, each)}"
        for each in given.getlist("tighten")
    ]
    return {"job": given.get("job", ""), "tighten": chosen}


def _tighten(request: ConsoleRequest, owner: Owner, report: advice.Report, wanted: list[str]) -> HttpResponse:
    """Raises ClientError."""
    found: list[Advice] = []
    for each in wanted:
        policy, _bar, job = each.partition(_JOB)
        by = advice.report(owner.iam, job) if job else report
        found.append(advice.of_one(owner, policy, by))
    found = [each for each in found if each.tightened.removed]
    if not found:
        messages.info(request, _("Nothing is to be taken away: others who have these policies use all of it."))
        query = urlencode({"job": asked(request).get("job", "")})
        return redirect(f"{reverse('last-accessed', args=[owner.kind, owner.name])}?{query}")
    return carry_out(request, _change(found), reverse(owner.word, args=[owner.name]))


def _change(found: list[Advice]) -> Change:
    policies = ", ".join(each.name for each in found)
    number = sum(len(each.tightened.removed) for each in found)
    words = {"number": number, "policy": policies}
    return Change(
        ngettext("Take %(number)d permission from %(policy)s?", "Take %(number)d permissions from %(policy)s?", number)
        % words,
        [one for each in found for one in each.calls],
        ngettext("%(policy)s allows only what was used.", "%(policy)s allow only what was used.", len(found)) % words,
        explain=_concerned(found),
        diffs=[(_titled(each), each.diff) for each in found],
    )


def _titled(advice: Advice) -> str:
    words = {"policy": advice.name}
    if advice.tightened.document is not None:
        return advice.name
    return (_("%(policy)s is deleted") if advice.inline else _("%(policy)s is detached")) % words


def _concerned(found: list[Advice]) -> str:
    changed = [
        each for each in found if each.inline or each.tightened.document is not None
    ]  # detached it stays as it is
    others = sorted({f"{_WORDS[word]} {name}" for each in changed for word, name in each.others})
    if not others:
        return _("Nobody else is concerned.")
    return _("Also concerned, none of whom used it: %(others)s.") % {"others": ", ".join(others)}
