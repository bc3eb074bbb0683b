"""Forms of the audit pages. Dates are in the reader's zone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.forms import MomentField
from engine.public.vocabulary import READ, USE, WRITE
from keys.record.as_of import AsOfForm

DENIED = "denied"
KINDS = {
    READ: gettext_lazy("Read"),
    WRITE: gettext_lazy("Write"),
    USE: gettext_lazy("Use of a key"),
    DENIED: gettext_lazy("Denied"),
}


class FilterForm(forms.Form):
    key = forms.CharField(label=gettext_lazy("Key ID, ARN or alias"), required=False, max_length=2048)
    user = forms.CharField(label=gettext_lazy("User"), required=False, max_length=2048)
    operation = forms.CharField(label=gettext_lazy("Operation"), required=False, max_length=128)
    error = forms.CharField(label=gettext_lazy("Error code"), required=False, max_length=128)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind of call"), required=False, choices=[("", gettext_lazy("All")), *KINDS.items()]
    )
    source = forms.CharField(label=gettext_lazy("Source address"), required=False, max_length=128)
    reads = forms.BooleanField(label=gettext_lazy("Show reads by this console"), required=False)
    refused = forms.BooleanField(label=gettext_lazy("Refused only"), required=False)
    start = MomentField(label=gettext_lazy("From"))
    end = MomentField(label=gettext_lazy("Until"), end_of_day=True)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("start") and data.get("end") and data["start"] > data["end"]:
            self.add_error("end", _("The end is before the beginning."))
        return data


class StatesForm(AsOfForm):
    """Key states at a date, narrowed by a state and a text."""

    state = forms.CharField(required=False, max_length=32)
    q = forms.CharField(label=gettext_lazy("Key ID or alias"), required=False, max_length=256)
