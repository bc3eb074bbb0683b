"""Drills of the account: calls that use keys fail on purpose, as AWS's would, for as long as a lesson needs (engine.kms.drills)."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console.request import ConsoleRequest
from engine.public import drills
from keys import permissions, service
from keys.common import problem_page
from learn.drills.forms import WORDS, DrillForm


def page(request: ConsoleRequest) -> HttpResponse:
    """GET shows the drill that runs and the form of one; POST begins it."""
    if not service.backend(request).embedded:
        status = 409 if request.method == "POST" else 200
        return render(request, "learn/drills/drills.html", {"elsewhere": True}, status=status)
    form = DrillForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return _begin(request, form.cleaned_data)
    drill = drills.running(request.signed_in.account_id)
    shown = {
        "form": form,
        "drill": drill,
        "drill_words": WORDS[drill.kind] if drill is not None else "",
        "kinds": [(kind, WORDS[name]) for name, kind in drills.KINDS.items()],
        "missing": permissions.refusal(request, drills.MANAGE),
    }
    return render(request, "learn/drills/drills.html", shown, status=422 if form.is_bound else 200)


def _begin(request: ConsoleRequest, given: dict[str, Any]) -> HttpResponse:
    signed_in = request.signed_in

    def begin() -> None:
        drills.begin(
            signed_in.account_id, given["kind"], share=given["share"], minutes=given["minutes"], by=signed_in.arn
        )

    try:
        parameters = {"drill": given["kind"], "share": given["share"], "minutes": given["minutes"]}
        service.console_action(request, drills.MANAGE, begin, parameters=parameters)
    except ClientError as error:
        return problem_page(request, _("Drills"), error)
    messages.success(request, _("The drill runs. It ends by itself."))
    return redirect("drills")


@require_POST
def end(request: ConsoleRequest) -> HttpResponse:
    """End the drill of the account."""
    account_id = request.signed_in.account_id
    try:
        service.console_action(request, drills.MANAGE, lambda: drills.end(account_id), parameters={"drill": None})
    except ClientError as error:
        return problem_page(request, _("Drills"), error)
    messages.success(request, _("The drill has ended."))
    return redirect("drills")
