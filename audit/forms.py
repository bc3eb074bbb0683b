"""Forms of the audit pages. Dates are in the reader's zone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.forms import MomentField
from engine.public.vocabulary import READ, USE, WRITE
from keys.record.as_of import AsOfForm
from keys.record.events import DENIED_KIND

KINDS = {
    READ: gettext_lazy("Read"),
    WRITE: gettext_lazy("Write"),
    USE: gettext_lazy("Use of a key"),
    DENIED_KIND: gettext_lazy("Denied"),
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _MomentInput(forms.DateTimeInput):
    """To the second where there are seconds: an interval of the histogram may be shorter than a minute."""

    def format_value(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%S" if value.second else "%Y-%m-%dT%H:%M")
        return value


def _moment(label: Any, **options: Any) -> MomentField:
    return MomentField(label=label, widget=_MomentInput(attrs={"type": "datetime-local", "step": "1"}), **options)


def _text(label: Any, length: int, placeholder: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"placeholder": placeholder} if placeholder else {})
    return forms.CharField(label=label, required=False, max_length=length, widget=widget)


class FilterForm(forms.Form):
    """What events are searched by: all that is filled in has to hold. `newest` is the number of the last event that a link has. `shown`
    are the fields that most searches take, `more` the others but what is ticked."""

    shown = ("text", "key", "principal", "operation", "start", "end")
    more = (
        "alias", "user", "session", "kind", "error", "source", "context", "request", "event", "grant", "material"
    )  # fmt: skip
    text = _text(gettext_lazy("Text"), 256)
    key = _text(gettext_lazy("Key ID, ARN or alias"), 2048)
    alias = _text(gettext_lazy("Alias as it was called"), 256, "alias/…")
    principal = _text(gettext_lazy("Principal (name or ARN)"), 2048)
    user = _text(gettext_lazy("User"), 2048)
    session = _text(gettext_lazy("Role session"), 2048)
    operation = _text(gettext_lazy("Operation"), 128)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind of call"), required=False, choices=[("", gettext_lazy("All")), *KINDS.items()]
    )
    error = _text(gettext_lazy("Error code"), 128)
    source = _text(gettext_lazy("Source address"), 128)
    context = _text(gettext_lazy("Encryption context"), 8192, "purpose=payroll")
    request = _text(gettext_lazy("Request ID"), 128)
    event = _text(gettext_lazy("Event ID"), 128)
    grant = _text(gettext_lazy("Grant ID"), 128)
    material = _text(gettext_lazy("Key material ID"), 128)
    start = _moment(gettext_lazy("From"))
    end = _moment(gettext_lazy("Until"), end_of_day=True)
    refused = forms.BooleanField(label=gettext_lazy("Refused only"), required=False)
    reads = forms.BooleanField(label=gettext_lazy("Show reads by this console"), required=False)
    newest = forms.IntegerField(required=False, min_value=0, max_value=10**18, widget=forms.HiddenInput)

    def clean_alias(self) -> str:
        alias = str(self.cleaned_data["alias"]).strip()
        return alias if not alias or alias.startswith("alias/") else f"alias/{alias}"

    def clean_context(self) -> str:
        """A field, or field=value; as the index has it."""
        context = str(self.cleaned_data["context"]).strip()
        if context.startswith("="):
            raise forms.ValidationError(_("Write a field of the context, or field=value."))
        return context

    def clean_request(self) -> str:
        return self._identifier("request")

    def clean_event(self) -> str:
        return self._identifier("event")

    def _identifier(self, name: str) -> str:
        value = str(self.cleaned_data[name]).strip()
        if value and not _UUID.fullmatch(value):
            raise forms.ValidationError(_("This is no ID of the form 1234abcd-12ab-34cd-56ef-1234567890ab."))
        return value

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("start") and data.get("end") and data["start"] > data["end"]:
            self.add_error("end", _("The end is before the beginning."))
        return data


class TwoMomentsForm(forms.Form):
    """Two moments of the past, the second now if it is not said. `now`: the time of the record."""

    before = MomentField(label=gettext_lazy("From"))
    after = MomentField(label=gettext_lazy("Until"), end_of_day=True)

    def __init__(self, data: Any = None, *, now: datetime, **options: Any) -> None:
        super().__init__(data, **options)
        self._now = now

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        before, after = data.get("before"), data.get("after")
        if "before" not in self.errors and before is None:
            self.add_error("before", _("This field is required."))
        if before is not None and before > self._now:
            self.add_error("before", _("This time is in the future."))
        if before is not None and after is not None and before > after:
            self.add_error("after", _("The end is before the beginning."))
        if after is not None and after > self._now:
            data["after"] = self._now
        return data


class StatesForm(AsOfForm):
    """Key states at a date, narrowed by a state and a text."""

    state = forms.CharField(required=False, max_length=32)
    q = forms.CharField(label=gettext_lazy("Key ID or alias"), required=False, max_length=256)
