"""Inline policies of a user, group or role: write, change, delete."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from console.aws_calls import attempt_on_form
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys import call, service
from keys.changes import Change, carry_out, previews, send
from keys.common import problem_page
from keys.evaluator import decisions, key_policy_cache, principal_directory, whatif
from keys.policy import policy_editor
from principals.policies.forms import PolicyForm


@dataclass(frozen=True, slots=True)
class Kind:
    """How IAM names the calls for one kind of owner, and the page of an owner."""

    word: str
    parameter: str
    page: str


KINDS = {
    "users": Kind("user", "UserName", "user"),
    "groups": Kind("group", "GroupName", "group"),
    "roles": Kind("role", "RoleName", "role"),
}

TEMPLATE = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["kms:ListKeys", "kms:ListAliases", "kms:DescribeKey"],
      "Resource": "*"
    }
  ]
}"""


def _kind(word: str) -> Kind:
    if word not in KINDS:
        raise Http404
    return KINDS[word]


def edit(request: ConsoleRequest, kind: str, name: str, policy: str = "") -> HttpResponse:
    owner = _kind(kind)
    iam = service.client(request, "iam")
    initial: dict[str, Any] = {"document": TEMPLATE}
    if policy:
        try:
            found = getattr(iam, f"get_{owner.word}_policy")(**{owner.parameter: name, "PolicyName": policy})
        except ClientError as error:
            return problem_page(request, policy, error)
        initial = {"name": policy, "document": json.dumps(found["PolicyDocument"], indent=2)}
    form = PolicyForm(request.POST or None, initial=initial)
    if policy:
        form.fields["name"].disabled = True
    editor = policy_editor.attach(request, form, "document", "identity")
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        calls: list[call.Call] = [
            (
                f"Put{owner.word.title()}Policy",
                {owner.parameter: name, "PolicyName": given["name"], "PolicyDocument": given["document"]},
            )
        ]
        shown = {"call": call.show_all(request, calls, "iam")}
        if previews(request):
            shown |= preview(request, lambda: whatif.inline(owner.word, name, given["name"], given["document"]))
        elif attempt_on_form(form, lambda: send(iam, calls), field="document"):
            messages.success(request, _("Policy %(policy)s is in force.") % {"policy": given["name"]})
            return redirect(owner.page, name=name)
    return render(
        request,
        "principals/policy.html",
        {"form": form, "editor": editor, "name": name, "kind": kind, "page": owner.page, "policy": policy, **shown},
        status=422 if form.errors else 200,
    )


def preview(request: ConsoleRequest, change: Callable[[], whatif.Replace]) -> dict[str, Any]:
    """What saving would change, for whom, on which keys: for templates/principals/_preview.html."""
    try:
        people = principal_directory.of(request)
        held = key_policy_cache.readable_keys(request, people)
        asked = decisions.RequestContext({}, {}, service.now(request))
        region = request.signed_in.region
        found = whatif.changes(people, held.keys, change(), asked, region)
    except ClientError as error:
        return {"preview": True, "preview_problem": service.sentence(error)}
    except MalformedPolicy as reason:
        return {"preview": True, "preview_problem": reason.reason}
    return {"preview": True, "changes": found, "unread": held.unread, "hidden": held.hidden}


def delete(request: ConsoleRequest, kind: str, name: str, policy: str) -> HttpResponse:
    owner = _kind(kind)
    made = Change(
        _("Delete policy %(policy)s?") % {"policy": policy},
        [(f"Delete{owner.word.title()}Policy", {owner.parameter: name, "PolicyName": policy})],
        _("Policy %(policy)s was deleted.") % {"policy": policy},
        danger=True,
    )
    return carry_out(request, made, reverse(owner.page, args=[name]))
