"""Forms of the users' pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.forms import set_choices
from principals.names import NameField


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
        set_choices(self, "groups", [(name, name) for name in groups])


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New console password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
