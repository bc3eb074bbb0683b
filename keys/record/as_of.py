"""`?as_of=`: a page as it was at a moment. Which views show the past, the moment that was asked for, and what is wrong with it.

A view that shows the past says so by `shows_past`; any other is kept by kmsconsole.frame.middleware from showing the present as the past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import moments
from console.forms import MomentField
from console.request import ConsoleRequest
from keys import service

PARAMETER = "as_of"
View = TypeVar("View", bound=Callable[..., Any])


def shows_past(view: View) -> View:
    """For a view that takes `as_of`: it shows what was then, or says why not; never the present."""
    vars(view)["shows_past"] = True
    return view


class AsOfForm(forms.Form):
    """`now`: the time of the record. A moment that is still to come is refused; today, as a day, is now."""

    as_of = MomentField(label=gettext_lazy("As of"), end_of_day=True)

    def __init__(self, data: Any = None, *, now: datetime, **options: Any) -> None:
        super().__init__(data, **options)
        self.now = now

    def clean_as_of(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["as_of"]
        if moment is None or moment <= self.now:
            return moment
        if str(self.data.get(self.add_prefix(PARAMETER), "")).strip() == moments.day(self.now):
            return self.now
        raise forms.ValidationError(
            _("This time is in the future: the record ends now, %(now)s."),
            params={"now": moments.to_second(self.now)},
        )


@dataclass(frozen=True, slots=True)
class AsOf:
    """What an address asks for. `moment` is None where that is no moment of the past; `problem` says what is wrong with it. `begins` is
    when the record begins, where that is known."""

    form: AsOfForm
    typed: str
    moment: datetime | None
    problem: str
    begins: datetime | None = None

    def of_record(self, begins: datetime | None) -> AsOf:
        return replace(self, begins=begins)

    @property
    def before_record(self) -> bool:
        return self.moment is not None and self.begins is not None and self.moment < self.begins

    @property
    def field_value(self) -> str:
        """What a browser's field for a moment takes; what was typed if it is none."""
        return f"{timezone.localtime(self.moment):%Y-%m-%dT%H:%M:%S}" if self.moment else self.typed

    @property
    def status(self) -> int:
        return 400 if self.problem else 200


def asked(request: ConsoleRequest) -> AsOf | None:
    """None where the address asks for the present."""
    typed = request.GET.get(PARAMETER, "").strip()
    return of_form(AsOfForm(request.GET, now=service.record_now(request)), typed) if typed else None


def of_form(form: AsOfForm, typed: str) -> AsOf:
    form.is_valid()
    problem = str(form.errors[PARAMETER][0]) if PARAMETER in form.errors else ""
    return AsOf(form, typed, form.cleaned_data.get(PARAMETER), problem)
