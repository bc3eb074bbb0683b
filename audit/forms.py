"""Forms of the audit pages. Dates are in the reader's zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from engine.public.vocabulary import READ, USE, WRITE

DENIED = "denied"
KINDS = {
    READ: gettext_lazy("Read"),
    WRITE: gettext_lazy("Write"),
    USE: gettext_lazy("Use of a key"),
    DENIED: gettext_lazy("Denied"),
}


class MomentField(forms.DateTimeField):
    """A date, with or without a time: as browsers send it, and as people and links write it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, *, end_of_day: bool = False, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.end_of_day = end_of_day

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if self.end_of_day and len(text) == len("2026-01-01"):
            text += "T23:59:59"  # a day that is asked about is over
        return super().to_python(text)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What the field shows again: the moment as a browser's field takes it, or what was typed if it is none."""
        try:
            moment = self.to_python(data)
        except forms.ValidationError:
            return data
        return timezone.localtime(moment).replace(tzinfo=None) if moment else data


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


class AsOfForm(forms.Form):
    as_of = MomentField(label=gettext_lazy("As of"), end_of_day=True)
    state = forms.CharField(required=False, max_length=32)
    q = forms.CharField(label=gettext_lazy("Key ID or alias"), required=False, max_length=256)
