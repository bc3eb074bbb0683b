"""What the pages' forms do to Django's fields after a form is made."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms


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
