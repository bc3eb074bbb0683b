"""The form of the sign-in page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


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

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # After a refusal the name stays and the password is typed anew.
        self.fields["password" if self.is_bound else "user_name"].widget.attrs["autofocus"] = True
