"""What of a user's or role's permissions was used, and inline policies tightened to that by a change that is shown first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.aws_calls import pages
from console.request import ConsoleRequest
from keys import call, service
from keys.changes import Change, asked, carry_out
from keys.common import problem_page
from principals.last_accessed.tighten import Tightened, tightened

DAYS = 90
_KINDS = {"users": "user", "roles": "role"}


@dataclass(frozen=True, slots=True)
class _Report:
    """`tracked`: when each action that is allowed ("kms:Decrypt") was last asked for, None if never."""

    made: datetime
    services: list[dict[str, Any]]
    tracked: dict[str, datetime | None]

    @property
    def used(self) -> set[str]:
        since = self.made - timedelta(days=DAYS)
        return {action for action, when in self.tracked.items() if when is not None and when > since}

    @property
    def known(self) -> set[str]:
        return {action.partition(":")[0] for action in self.tracked}


def page(request: ConsoleRequest, kind: str, name: str) -> HttpResponse:
    if kind not in _KINDS:
        raise Http404
    word, given, iam = _KINDS[kind], asked(request), service.client(request, "iam")
    here = reverse("last-accessed", args=[kind, name])
    try:
        arn = getattr(iam, f"get_{word}")(**_which(word, name))[word.capitalize()]["Arn"]
        parameters = {"Arn": arn, "Granularity": "ACTION_LEVEL"}
        if request.method == "POST" and "generate" in request.POST:
            made_job = iam.generate_service_last_accessed_details(**parameters)["JobId"]
            return redirect(f"{here}?{urlencode({'job': made_job})}")
        job = str(given.get("job", ""))
        report = _report(iam, job) if job else None
        advice = _advice(iam, word, name, report) if report is not None else {}
    except ClientError as error:
        return problem_page(request, _("Last accessed"), error)
    if (policy := given.get("tighten")) in advice:
        made = _change(word, name, policy, advice[policy])
        return carry_out(request, made, reverse(word, args=[name]))
    return render(
        request,
        "principals/last_accessed.html",
        {
            "kind": kind,
            "word": word,
            "name": name,
            "arn": arn,
            "put": f"iam:Put{word.capitalize()}Policy",
            "job": job,
            "days": DAYS,
            "report": report,
            "unused": sorted(set(report.tracked) - report.used) if report is not None else [],
            "advice": advice,
            "call": call.show(request, "GenerateServiceLastAccessedDetails", parameters, "iam"),
        },
    )


def _which(word: str, name: str) -> dict[str, str]:
    return {f"{word.capitalize()}Name": name}


def _report(iam: Any, job: str) -> _Report:
    services: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:  # boto3 has no paginator for it
        found = iam.get_service_last_accessed_details(JobId=job, **more)
        services += found["ServicesLastAccessed"]
        if not found.get("IsTruncated"):
            break
        more = {"Marker": found["Marker"]}
    tracked = {
        f"{each['ServiceNamespace']}:{action['ActionName']}": action.get("LastAccessedTime")
        for each in services
        for action in each.get("TrackedActionsLastAccessed", ())
    }
    return _Report(found["JobCreationDate"], services, tracked)


def _advice(iam: Any, word: str, name: str, report: _Report) -> dict[str, Tightened]:
    """Inline policies that allow what was not used, by name. Managed ones may be others' too."""
    which, found = _which(word, name), {}
    for policy in pages(iam, f"list_{word}_policies", "PolicyNames", **which):
        document = getattr(iam, f"get_{word}_policy")(**which, PolicyName=policy)["PolicyDocument"]
        advice = tightened(document, report.used, report.known)
        if advice.removed:
            found[policy] = advice
    return found


def _change(word: str, name: str, policy: str, advice: Tightened) -> Change:
    which = {**_which(word, name), "PolicyName": policy}
    number = len(advice.removed)
    put: call.Call = (
        f"Put{word.capitalize()}Policy",
        {**which, "PolicyDocument": json.dumps(advice.document, indent=2)},
    )
    return Change(
        ngettext("Take %(number)d permission from %(policy)s?", "Take %(number)d permissions from %(policy)s?", number)
        % {"number": number, "policy": policy},
        [put] if advice.document is not None else [(f"Delete{word.capitalize()}Policy", which)],
        _("%(policy)s allows only what was used.") % {"policy": policy},
        explain=", ".join(advice.removed),
    )
