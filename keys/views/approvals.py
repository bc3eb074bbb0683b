"""Deletions that wait for a second person, those that were decided, and the account's rule about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from keys import approvals, call, inventory, service
from keys.models import DeletionRequest
from keys.views.common import attempt

_SHOWN = 100
RULE_ACTION = "kmsconsole:ChangeDeletionRule"


def page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _change(request)
    return _page(request)


def _page(request: HttpRequest, **shown: Any) -> HttpResponse:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    found = approvals.all_requests(request)
    return render(
        request,
        "keys/approvals.html",
        {
            "rule": approvals.rule(signed_in.account_id),
            "waiting": found.filter(state=DeletionRequest.WAITING),
            "decided": found.exclude(state=DeletionRequest.WAITING)[:_SHOWN],
            **shown,
        },
    )


def _change(request: HttpRequest) -> HttpResponse:
    answer, what = redirect("key-approvals"), request.POST.get("do", "")
    try:
        if what in ("on", "ask-off", "off", "keep"):
            _rule(request, what)
        elif what in ("approve", "reject"):
            account_id = request.signed_in.account_id  # type: ignore[attr-defined]
            number = request.POST.get("request", "")
            if not (number.isdecimal() and len(number) < 19):
                raise Http404
            asked = get_object_or_404(DeletionRequest, pk=int(number), account_id=account_id)
            if "preview" in request.POST:
                return _page(request, call=call.show(request, "ScheduleKeyDeletion", approvals.parameters(asked)))
            _decide(request, what, asked)
        else:
            raise Http404
    except approvals.NotAllowed as reason:
        messages.error(request, str(reason))
    return answer


def _decide(request: HttpRequest, what: str, asked: DeletionRequest) -> None:
    if what == "reject":
        approvals.reject(request, asked)
        messages.success(request, _("The key stays as it is."))
        return
    kms = service.client(request, region=asked.region)
    if attempt(
        request,
        lambda: approvals.approve(request, asked, kms),
        _("Deletion is scheduled. It can be cancelled until its date."),
    ):
        inventory.forget(request)


def _rule(request: HttpRequest, what: str) -> None:
    """Takes a permission of the console's own; switching off takes two persons who have it."""
    if not may_change_rule(request):
        raise approvals.NotAllowed(service.missing_permission(request, RULE_ACTION))
    if what == "on":
        approvals.switch_on(request)
        messages.success(request, _("From now on a second person approves each deletion asked for on these pages."))
    elif what == "ask-off":
        approvals.ask_off(request)
        messages.success(request, _("Another person confirms that one is enough."))
    elif what == "off":
        approvals.switch_off(request)
        messages.success(request, _("One person is enough to schedule a deletion."))
    else:
        approvals.keep_on(request)
        messages.success(request, _("Two persons it stays."))


def may_change_rule(request: HttpRequest) -> bool:
    """Asked of the policies of the signed-in principal, as an action of the console's own."""
    return service.sight.may(service.viewer(request), RULE_ACTION)
