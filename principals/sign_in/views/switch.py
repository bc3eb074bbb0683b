"""Switch role: sts:AssumeRole with the user's own credentials; from then on pages sign with the role's, until one goes back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from console import session
from console.aws_calls import attempt_on_form
from console.request import ConsoleRequest
from keys import call, service
from keys.changes import previews


class SwitchForm(forms.Form):
    role = forms.CharField(
        label=gettext_lazy("Role (name or ARN)"),
        max_length=2048,
        help_text=gettext_lazy("A name is a role of your own account."),
    )
    external_id = forms.CharField(
        label=gettext_lazy("External ID"),
        max_length=1224,
        required=False,
        help_text=gettext_lazy("Only where the role's trust policy asks for one."),
    )


def switch(request: ConsoleRequest) -> HttpResponse:
    signed_in = request.signed_in
    if signed_in.is_root:  # AWS has it so, and STS would refuse
        messages.error(request, _("The root user assumes no role."))
        return redirect("home")
    form = SwitchForm(request.POST or None, initial={"role": request.GET.get("role", "")})
    shown = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        role = given["role"].strip()
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{signed_in.account_id}:role/{role}"
        parameters = {"RoleArn": arn, "RoleSessionName": _session_name(signed_in.user_name)}
        if given["external_id"]:
            parameters["ExternalId"] = given["external_id"]
        shown = call.show(request, "AssumeRole", parameters, "sts")
        answer: dict[str, dict[str, Any]] = {}
        if not previews(request) and attempt_on_form(
            form, lambda: answer.update(service.client(request, "sts").assume_role(**parameters)), field="role"
        ):
            made, assumed = answer["Credentials"], answer["AssumedRoleUser"]
            session.act_as(
                request,
                replace(
                    signed_in,
                    account_id=assumed["Arn"].split(":")[4],
                    arn=assumed["Arn"],
                    access_key_id=made["AccessKeyId"],
                    secret_access_key=made["SecretAccessKey"],
                    session_token=made["SessionToken"],
                    expires=made["Expiration"],
                    role_name=arn.rpartition("/")[2],
                    provider="",
                ),
            )
            messages.success(request, _("You switched to the role %(role)s.") % {"role": arn.rpartition("/")[2]})
            return redirect("home")
    return render(request, "principals/switch.html", {"form": form, "call": shown}, status=422 if form.errors else 200)


def _session_name(user_name: str) -> str:
    """The user's name, as far as STS takes it for a session: it is what the trail then shows beside the role."""
    return re.sub(r"[^\w+=,.@-]", "-", user_name, flags=re.ASCII)[:64].ljust(2, "-")


@require_POST
def back(request: ConsoleRequest) -> HttpResponse:
    try:
        name = session.back_to_user(request)
    except LookupError:
        return redirect("home")
    messages.success(request, _("You switched back to %(user)s.") % {"user": name})
    return redirect("home")
