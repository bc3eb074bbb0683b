"""Deletions that wait for a second person, those that were decided, the account's rule about it, and the policies that hold programs to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import session
from console.aws_calls import attempt
from console.request import ConsoleRequest
from keys import call, service, viewer
from keys.common import requires
from keys.endpoints import backends
from keys.inventory import inventory
from keys.lifecycle import approvals
from keys.models import DeletionRequest

_SHOWN = 100
POLICY_NAME = "DeleteOnlyWhatTwoPersonsApproved"


@requires(approvals.LIST, gettext_lazy("Deletion approvals"))
def page(request: ConsoleRequest) -> HttpResponse:
    if request.method == "POST":
        return _change(request)
    return _page(request)


def _page(request: ConsoleRequest, **shown: Any) -> HttpResponse:
    signed_in = request.signed_in
    found = approvals.all_requests(signed_in.account_id)
    policy = _policy()
    here = approvals.endpoint(request)
    waiting = list(found.filter(state=DeletionRequest.WAITING))
    for each in waiting:
        each.arn = f"arn:aws:kms:{each.region}:{signed_in.account_id}:key/{each.key_id}"
        each.why_not = approvals.why_not_approved(request, each)
    if not viewer.is_allowed(request, backends.LIST_CONNECTIONS):
        for each in waiting:
            each.endpoint_name = each.endpoint_name if each.endpoint == here else ""
    return render(
        request,
        "keys/lifecycle/approvals.html",
        {
            "rule": approvals.rule(signed_in.account_id),
            "person": session.user_id(request),
            "waiting": waiting,
            "here": here,
            "decided": found.exclude(state=DeletionRequest.WAITING)[:_SHOWN],
            "embedded": service.backend(request).embedded,
            "policy": policy,
            "key_statement": json.dumps(approvals.closing_statement(of_key_policy=True), indent=2),
            "policy_call": call.show(request, "CreatePolicy", policy, "iam"),
            **shown,
        },
    )


def _policy() -> dict[str, str]:
    """What CreatePolicy is sent with, to hold programs to the rule."""
    document = {"Version": "2012-10-17", "Statement": [approvals.closing_statement()]}
    return {"PolicyName": POLICY_NAME, "PolicyDocument": json.dumps(document, indent=2)}


def _change(request: ConsoleRequest) -> HttpResponse:
    action = _ACTIONS.get(request.POST.get("do", ""))
    if action is None:
        raise Http404
    try:
        if answer := action(request):
            return answer
    except approvals.NotAllowed as reason:
        messages.error(request, str(reason))
    except ClientError as error:
        messages.error(request, service.sentence(error))
    return redirect("key-approvals")


def _asked(request: ConsoleRequest) -> DeletionRequest:
    account_id = request.signed_in.account_id
    number = request.POST.get("request", "")
    if not (number.isdecimal() and len(number) < 19):
        raise Http404
    return get_object_or_404(DeletionRequest, pk=int(number), account_id=account_id)


def _reject(request: ConsoleRequest) -> HttpResponse | None:
    asked = _asked(request)
    if "preview" in request.POST:
        return _page(request, call=call.show(request, asked.operation, asked.parameters))
    approvals.reject(request, service.key_action(request), asked)
    messages.success(request, _("The key stays as it is."))
    return None


def _approve(request: ConsoleRequest) -> HttpResponse | None:
    asked = _asked(request)
    if "preview" in request.POST:
        return _page(request, call=call.show(request, asked.operation, asked.parameters))

    def send() -> None:
        kms = service.approved(request, asked.region)
        getattr(kms, xform_name(asked.operation))(**asked.parameters)

    if asked.operation == "ScheduleKeyDeletion":
        done = _("Deletion is scheduled. It can be cancelled until its date.")
    else:
        done = _("The key material is deleted. Import the same material to use the key again.")
    if attempt(request, lambda: approvals.approve(request, service.key_action(request), asked, send), done):
        inventory.mark_outdated(request)
    return None


def _create_policy(request: ConsoleRequest) -> HttpResponse | None:
    answer: dict[str, Any] = {}
    created = _("The policy is made. Attach it to users, groups and roles whose programs it is to hold.")
    if attempt(request, lambda: answer.update(service.client(request, "iam").create_policy(**_policy())), created):
        messages.info(request, answer["Policy"]["Arn"])
    return None


def _rule(request: ConsoleRequest, what: str) -> HttpResponse | None:
    """Takes a permission of the console's own; switching off takes two persons who have it."""
    change, done = {
        "on": (
            approvals.enable_rule,
            _("From now on a second person approves each deletion asked for on these pages."),
        ),
        "ask-off": (approvals.request_disabling, _("Another person confirms that one is enough.")),
        "off": (approvals.disable_rule, _("One person is enough to schedule a deletion.")),
        "keep": (approvals.keep_rule, _("Two persons it stays.")),
    }[what]
    service.console_action(request, approvals.RULE, lambda: change(request), parameters={"change": what})
    messages.success(request, done)
    return None


# What a button of the page sends as `do` → what it does; the answer is the page again where there is no other.
_ACTIONS: dict[str, Callable[[ConsoleRequest], HttpResponse | None]] = {
    **{what: partial(_rule, what=what) for what in ("on", "ask-off", "off", "keep")},
    "policy": _create_policy,
    "approve": _approve,
    "reject": _reject,
}
