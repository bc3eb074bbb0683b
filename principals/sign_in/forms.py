"""The form of the sign-in page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from principals.passkey_field import PasskeyField


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


class RootSignInForm(forms.Form):
    account = forms.CharField(label=_("Account ID or alias"), max_length=63)
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class SecondFactorForm(forms.Form):
    """One of the three is given."""

    code = forms.CharField(
        label=_("Code of your authenticator app"),
        max_length=6,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    recovery_code = forms.CharField(
        label=_("Recovery code"),
        max_length=40,
        required=False,
        help_text=_("In place of the device, once."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    passkey = PasskeyField(required=False)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not any(given.get(name) for name in ("code", "recovery_code", "passkey")):
            raise forms.ValidationError(_("Give a code, or use a passkey."))
        return given


class EnrolmentForm(forms.Form):
    """Two codes in a row of an authenticator app, or a passkey."""

    first = forms.RegexField(r"^[0-9]{6}\Z", label=_("Code"), max_length=6, required=False)
    second = forms.RegexField(r"^[0-9]{6}\Z", label=_("The next code"), max_length=6, required=False)
    passkey = PasskeyField(required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("first", "second"):
            self.fields[name].widget.attrs |= {"autocomplete": "off", "inputmode": "numeric"}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not given.get("passkey") and not (given.get("first") and given.get("second")):
            raise forms.ValidationError(_("Give two codes in a row, or use a passkey."))
        return given


class NewPasswordForm(forms.Form):
    new = forms.CharField(
        label=_("New password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("New password again"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_again(self) -> str:
        again = str(self.cleaned_data["again"])
        if "new" in self.cleaned_data and again != self.cleaned_data["new"]:
            raise forms.ValidationError(_("This is not the same as above."))
        return again
