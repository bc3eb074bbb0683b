"""Forms of a person's own second factors."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from principals.passkey_field import PasskeyField


class DeviceForm(forms.Form):
    name = forms.RegexField(
        r"^[\w+=,.@-]{1,200}\Z",
        label=_("Device name"),
        max_length=200,
        help_text=_("Letters, digits and +=,.@_-, of its own in the account"),
    )


class CodesForm(forms.Form):
    """Two codes in a row, of the device with this serial number."""

    serial_number = forms.CharField(max_length=256, widget=forms.HiddenInput)
    first = forms.RegexField(r"^[0-9]{6}\Z", label=_("Code"), max_length=6)
    second = forms.RegexField(r"^[0-9]{6}\Z", label=_("The next code"), max_length=6)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("first", "second"):
            self.fields[name].widget.attrs |= {"autocomplete": "off", "inputmode": "numeric"}


class PasskeyForm(forms.Form):
    passkey = PasskeyField()
