"""What the pages' forms have beside Django's fields, and do to them after a form is made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone


def set_choices(form: forms.BaseForm, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """What a choice field offers, where only the request tells."""
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{name} is no choice field")
    field.choices = list(choices)


def mark_needed(form: forms.BaseForm, *names: str) -> None:
    """The fields of which one or another has to be filled in: the page does not call them optional, the form's `clean` sees to them."""
    for name in names:
        vars(form.fields[name])["needed"] = True


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
        moment: datetime | None = super().to_python(text)
        if moment is not None and not 1970 <= moment.year < 9999:  # in another zone it might be no date
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return moment

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What the field shows again: the moment as a browser's field takes it, or what was typed if it is none."""
        try:
            moment = self.to_python(data)
        except forms.ValidationError:
            return data
        return timezone.localtime(moment).replace(tzinfo=None) if moment else data
