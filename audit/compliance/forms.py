"""Forms of the compliance pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.compliance import checks
from audit.compliance.results import STATUSES
from console.forms import MomentField
from keys.record.as_of import AsOfForm

MOST_DAYS = 366  # an exception is looked at anew each year at the latest


class FrameworkForm(forms.Form):
    """What narrows the list of checks; what is none of the values narrows by nothing."""

    framework = forms.ChoiceField(required=False, choices=[("", ""), *checks.FRAMEWORKS.items()])
    status = forms.ChoiceField(required=False, choices=[("", ""), *STATUSES.items()])

    def chosen(self, name: str) -> str:
        self.is_valid()
        return str(self.cleaned_data.get(name, ""))


class ReportForm(AsOfForm):
    """The date of a report."""


class ExceptionForm(forms.Form):
    """`now`: the time of the record."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Why this may be so, and what else is done about it."),
    )
    owner = forms.CharField(
        label=gettext_lazy("Owner"),
        max_length=200,
        help_text=gettext_lazy("The person or team that is responsible for it."),
    )
    expires = MomentField(
        label=gettext_lazy("Expires"),
        end_of_day=True,
        help_text=gettext_lazy("From then on it counts as failed again. A year ahead at most."),
    )

    def __init__(self, data: Any = None, *, now: datetime, **options: Any) -> None:
        super().__init__(data, **options)
        self.now = now
        self.fields["expires"].required = True

    def clean_expires(self) -> datetime:
        moment: datetime = self.cleaned_data["expires"]
        if moment <= self.now:
            raise forms.ValidationError(_("This date is in the past."))
        if moment > self.now + timedelta(days=MOST_DAYS):
            raise forms.ValidationError(_("This is more than a year ahead."))
        return moment
