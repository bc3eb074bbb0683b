"""Forms of the principals' pages. What IAM checks, IAM answers; here is only what helps while filling in."""

from __future__ import annotations

import re
from typing import Any

from botocore.session import get_session
from django import forms
from django.utils.translation import gettext_lazy as _


def legal_name(name: str) -> str:
    """The nearest name that IAM accepts: "MY KMS GROUP" becomes "MY-KMS-GROUP"."""
    return re.sub(r"[^\w+=,.@-]+", "-", name.strip(), flags=re.ASCII).strip("-")


def name_limit(shape: str) -> int:
    """The longest name of a kind, from the service model."""
    return int(get_session().get_service_model("iam").shape_for(shape).metadata["max"])


class NameField(forms.CharField):
    """A name of IAM's; an illegal one is refused with the characters that are allowed and a name that would do."""

    def __init__(self, shape: str, **options: Any) -> None:
        super().__init__(
            max_length=name_limit(shape),
            help_text=_("Letters, digits and + = , . @ _ - without spaces."),
            **options,
        )

    def validate(self, value: str) -> None:
        super().validate(value)
        offered = legal_name(value)
        if value and offered != value:
            raise forms.ValidationError(
                _("A name may hold letters, digits and + = , . @ _ - only. “%(offered)s” would do."),
                params={"offered": offered},
                code="illegal",
            )


class SignInForm(forms.Form):
    account = forms.CharField(label=_("Account ID or alias"), max_length=63, required=False)
    user_name = forms.CharField(
        label=_("User name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class UserForm(forms.Form):
    name = NameField("userNameType", label=_("User name"))
    password = forms.CharField(
        label=_("Console password"),
        required=False,
        strip=False,
        help_text=_("Leave empty for a user who works with programs only."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    groups = forms.MultipleChoiceField(label=_("Groups"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, groups: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["groups"].choices = [(name, name) for name in groups]  # type: ignore[attr-defined]


class GroupForm(forms.Form):
    name = NameField("groupNameType", label=_("Group name"))


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New console password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PolicyForm(forms.Form):
    name = NameField("policyNameType", label=_("Policy name"))
    document = forms.CharField(
        label=_("Policy document (JSON)"),
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "code"}),
    )
