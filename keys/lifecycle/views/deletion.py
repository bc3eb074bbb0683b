"""Scheduling a key's deletion: what goes with it, who uses it, and the proof that the reader means this key.

A key used in the last 30 days is confirmed by typing its alias (its ID, if it has none). Where the account wants two persons, this page
asks for the deletion and another person approves it.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.request import ConsoleRequest
from keys import call, service
from keys.common import problem_page
from keys.detail import use_tabs
from keys.inventory import inventory
from keys.lifecycle import action_rules, approvals
from keys.models import DeletionRequest


class DeletionForm(forms.Form):
    """`name`: what has to be typed, or "" where a tick is enough. `use_known`: whether the last use is."""

    days = forms.IntegerField(
        label=gettext_lazy("Waiting period in days"),
        min_value=7,
        max_value=30,
        initial=30,
        help_text=gettext_lazy("7 to 30. Until its end the deletion can be cancelled."),
    )
    confirmed = forms.BooleanField(
        label=gettext_lazy("I confirm that I want to schedule this key for deletion after the waiting period.")
    )

    def __init__(self, *args: Any, name: str, use_known: bool, two_persons: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.name = name
        if two_persons:
            self.fields["reason"] = forms.CharField(
                label=_("Why"),
                required=False,
                max_length=1000,
                widget=forms.Textarea(attrs={"rows": 2}),
                help_text=_("For the person who approves."),
            )
        if name:
            self.fields["typed"] = forms.CharField(
                label=_("Type “%(name)s” to confirm") % {"name": name},
                help_text=_("The key was used in the last 30 days: what uses it will stop working.")
                if use_known
                else _(
                    "When the key was last used is not known, so it counts as used: what uses it will stop working."
                ),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip().removeprefix("alias/")
        if typed != self.name:
            raise forms.ValidationError(_("This is not “%(name)s”."), params={"name": self.name})
        return typed


def page(request: ConsoleRequest, key_id: str) -> HttpResponse:
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    impact = use_tabs.impact(request, kms, key)
    names = [name.removeprefix("alias/") for name in impact["key_aliases"]]
    two_persons = approvals.required(request.signed_in.account_id)
    not_known = impact["used"] is None and bool(impact["used_problem"])  # then asked as if it was used
    recent = not_known or (impact["used"] is not None and impact["used"].recent)
    form = DeletionForm(
        request.POST or None,
        name=(names[0] if names else key["KeyId"]) if recent else "",
        use_known=not not_known,
        two_persons=two_persons,
    )
    if request.method == "POST" and form.is_valid():
        done = _ask(request, key, names, form) if two_persons else _schedule(request, kms, key, form)
        if done is not None:
            return done
    days = form["days"].value()
    parameters = {
        "KeyId": key["KeyId"],
        "PendingWindowInDays": int(days) if str(days) in map(str, range(7, 31)) else 30,
    }
    return render(
        request,
        "keys/lifecycle/deletion.html",
        {
            "key": key,
            "key_name": names[0] if names else key["KeyId"],
            "form": form,
            "two_persons": two_persons,
            "waiting": waiting(request, key["KeyId"]),
            "why": action_rules.unavailable_actions(request, key).get("delete", ""),
            "call": call.show(request, "ScheduleKeyDeletion", parameters),
            **impact,
        },
        status=422 if form.errors else 200,
    )


def _schedule(request: ConsoleRequest, kms: Any, key: dict[str, Any], form: DeletionForm) -> HttpResponse | None:
    try:
        answer = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=form.cleaned_data["days"])
    except ClientError as error:
        form.add_error(None, service.sentence(error))
        return None
    inventory.mark_outdated(request)
    if answer.get("DeletionDate"):
        messages.success(request, _("Deletion is scheduled. It can be cancelled until its date."))
    else:
        messages.success(
            request, _("Deletion is scheduled. Its waiting period begins when its last replica key is deleted.")
        )
    return redirect("key", key_id=key["KeyId"])


def waiting(request: ConsoleRequest, key_id: str) -> DeletionRequest | None:
    """The key's request that waits for a second person, for who may see such requests."""
    return approvals.waiting_for(request, key_id) if service.refusal(request, approvals.LIST) is None else None


def _ask(request: ConsoleRequest, key: dict[str, Any], names: list[str], form: DeletionForm) -> HttpResponse | None:
    parameters = {"KeyId": key["KeyId"], "PendingWindowInDays": form.cleaned_data["days"]}
    reason = form.cleaned_data["reason"]
    return ask(request, "ScheduleKeyDeletion", parameters, names[0] if names else key["KeyId"], reason, form)


def ask(
    request: ConsoleRequest, operation: str, parameters: dict[str, Any], label: str, reason: str, form: forms.Form
) -> HttpResponse | None:
    """Have the deletion wait for a second person; None with the form's error where that is refused."""
    try:
        approvals.ask(request, service.key_action(request), operation, parameters, label, reason)
    except approvals.NotAllowed as problem:
        form.add_error(None, str(problem))
        return None
    except ClientError as error:
        form.add_error(None, service.sentence(error))
        return None
    messages.success(
        request, _("The deletion is asked for. Nothing happens to the key until another person approves it.")
    )
    if service.refusal(request, approvals.LIST) is not None:
        return redirect("key", key_id=parameters["KeyId"])
    return redirect("key-approvals")
