"""The form of a drill: of an account, and of all accounts of a class."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from engine.public import drills

_LONGEST = int(drills.LONGEST.total_seconds() // 60)
# What a student meets, by the kind of drill.
WORDS = {
    "throttling": gettext_lazy("Throttling: too many calls"),
    "denied": gettext_lazy("Denied by a service control policy"),
    "key-unavailable": gettext_lazy("The key is unavailable"),
    "timeout": gettext_lazy("A dependency times out"),
    "expired-token": gettext_lazy("The security token is expired"),
}


class DrillForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("What happens"),
        choices=[(kind, words) for kind, words in WORDS.items()],
        widget=forms.RadioSelect,
        initial="throttling",
    )
    share = forms.TypedChoiceField(
        label=gettext_lazy("Calls that fail"),
        choices=[(100, gettext_lazy("All")), (50, gettext_lazy("Half of them")), (20, gettext_lazy("One in five"))],
        coerce=int,
        initial=100,
        help_text=gettext_lazy("Where some pass, retries of a program help."),
    )
    minutes = forms.IntegerField(label=gettext_lazy("Minutes"), min_value=1, max_value=_LONGEST, initial=10)
