"""The account's password policy: what passwords must have, when they expire, which may not come back; and whether a password is enough."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from console.aws_calls import attempt, attempt_on_form
from console.request import ConsoleRequest
from engine.public import signin
from keys import call, service
from keys.changes import Change, asked, carry_out, previews
from keys.common import problem_page

RULE = "kmsconsole:ChangeSignInRule"
_FLAGS = {
    "uppercase": "RequireUppercaseCharacters",
    "lowercase": "RequireLowercaseCharacters",
    "numbers": "RequireNumbers",
    "symbols": "RequireSymbols",
    "change_own": "AllowUsersToChangePassword",
    "hard_expiry": "HardExpiry",
}
_NUMBERS = {"minimum": "MinimumPasswordLength", "age": "MaxPasswordAge", "reuse": "PasswordReusePrevention"}


class PasswordPolicyForm(forms.Form):
    minimum = forms.IntegerField(label=gettext_lazy("Minimum length"), min_value=6, max_value=128, initial=8)
    uppercase = forms.BooleanField(label=gettext_lazy("At least one uppercase letter"), required=False)
    lowercase = forms.BooleanField(label=gettext_lazy("At least one lowercase letter"), required=False)
    numbers = forms.BooleanField(label=gettext_lazy("At least one number"), required=False)
    symbols = forms.BooleanField(label=gettext_lazy("At least one symbol"), required=False)
    age = forms.IntegerField(
        label=gettext_lazy("Passwords expire after (days)"), min_value=1, max_value=1095, required=False
    )
    hard_expiry = forms.BooleanField(
        label=gettext_lazy("An expired password is replaced by an administrator only"), required=False
    )
    reuse = forms.IntegerField(
        label=gettext_lazy("Passwords that may not be used again"), min_value=1, max_value=24, required=False
    )
    change_own = forms.BooleanField(label=gettext_lazy("Users may change their own password"), required=False)

    def parameters(self) -> dict[str, Any]:
        given = self.cleaned_data
        numbers = {member: given[name] for name, member in _NUMBERS.items() if given[name] is not None}
        return {**numbers, **{member: given[name] for name, member in _FLAGS.items()}}


def page(request: ConsoleRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        policy = _policy(iam)
    except ClientError as error:
        return problem_page(request, _("Password policy"), error)
    if "delete" in asked(request):
        made = Change(
            _("Delete the password policy?"),
            [("DeleteAccountPasswordPolicy", {})],
            _("The password policy is deleted."),
            danger=True,
        )
        return carry_out(request, made, reverse("password-policy"))
    known = {name: (policy or {}).get(member) for name, member in {**_NUMBERS, **_FLAGS}.items()}
    initial = {name: value for name, value in known.items() if value is not None}
    form, shown = PasswordPolicyForm(request.POST if request.method == "POST" else None, initial=initial), None
    if form.is_bound and form.is_valid():
        parameters = form.parameters()
        shown = call.show(request, "UpdateAccountPasswordPolicy", parameters, "iam")
        if not previews(request) and attempt_on_form(form, lambda: iam.update_account_password_policy(**parameters)):
            messages.success(request, _("The password policy is set."))
            return redirect("password-policy")
    return render(
        request,
        "principals/password_policy.html",
        {
            "form": form,
            "policy": policy,
            "call": shown,
            "requires_mfa": signin.mfa_required_of_all(request.signed_in.account_id),
        },
        status=422 if form.errors else 200,
    )


@require_POST
def sign_in_rule(request: ConsoleRequest) -> HttpResponse:
    """Whether everyone needs a second factor (`require`: on or off)."""
    account_id, required = request.signed_in.account_id, request.POST.get("require") == "on"
    done = _("Everyone needs a second factor now.") if required else _("A password is enough now.")
    attempt(
        request,
        lambda: service.console_action(
            request,
            RULE,
            lambda: signin.require_mfa_of_all(account_id, required),
            parameters={"secondFactorRequired": required},
        ),
        done,
    )
    return redirect("password-policy")


def _policy(iam: Any) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = iam.get_account_password_policy()["PasswordPolicy"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return None
    return found
