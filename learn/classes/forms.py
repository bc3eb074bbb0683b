"""Forms of the classes. What IAM checks, IAM answers; names are looked at here, so that a whole list can be put right at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from console.forms import mark_needed, set_choices
from learn.classes import classes
from principals.names import NameField, legal_name, name_limit

USUAL_DAYS = 30  # as AWS has it where no waiting period is given
_POLICIES = {
    classes.POLICIES[0]: _(
        "Everything with their own keys, which they tag with their name as owner when they create them (KeyStudentOwnKeys)"
    ),
    classes.POLICIES[1]: _("Everything with keys that have no owner, too: common property (KeyStudent)"),
}
_RESERVED = ("new", "accounts")  # addresses beside those of the classes


def slug_of(name: str) -> str:
    """A short name made of a class's name; empty where no letter or digit of it is one of an address."""
    return slugify(name)[:40].strip("-_").replace("_", "-")


def legal_names(names: Sequence[str]) -> list[str]:
    """For each of these the nearest name that IAM accepts and no other of them has, to IAM's eyes; "" where there is none."""
    taken = {name.casefold() for name in names if legal_name(name) == name}
    found = []
    for name in names:
        offered = legal_name(name)
        if offered and offered != name:
            numbered = chain([offered], (f"{offered}-{number}" for number in count(2)))
            offered = next(each for each in numbered if each.casefold() not in taken)
            taken.add(offered.casefold())
        found.append(offered)
    return found


class StudentsForm(forms.Form):
    students = forms.CharField(
        label=_("Students"),
        help_text=_("User names, one a line: letters, digits and + = , . @ _ - without spaces."),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    access_keys = forms.BooleanField(
        label=_("An access key for each"),
        required=False,
        help_text=_("For the AWS CLI. Without it each student makes one when it comes to that."),
    )

    def clean_students(self) -> tuple[str, ...]:
        names = tuple(line.strip() for line in self.cleaned_data["students"].splitlines() if line.strip())
        illegal = [(name, legal) for name, legal in zip(names, legal_names(names), strict=True) if name != legal]
        if illegal:
            raise forms.ValidationError(
                _("A name may hold letters, digits and + = , . @ _ - only. These would do: %(offered)s."),
                params={"offered": ", ".join(f"“{name}” → {legal or '?'}" for name, legal in illegal)},
                code="illegal",
            )
        longest = name_limit("userNameType")
        if too_long := [name for name in names if len(name) > longest]:
            raise forms.ValidationError(
                _("A user name has %(longest)d characters at most: %(names)s."),
                params={"longest": longest, "names": ", ".join(too_long)},
            )
        folded = [name.casefold() for name in names]
        if twice := {name for name in names if folded.count(name.casefold()) > 1}:
            raise forms.ValidationError(
                _("Twice in the list: %(names)s. IAM does not tell capitals from small letters."),
                params={"names": ", ".join(sorted(twice))},
            )
        if len(names) > classes.MOST:
            raise forms.ValidationError(
                _("At most %(most)d students at a time; add the others afterwards."), params={"most": classes.MOST}
            )
        return names

    @property
    def can_be_mended(self) -> bool:
        """Whether a refused name has one that would do."""
        return any(error.code == "illegal" for errors in self.errors.as_data().values() for error in errors)

    def taken(self, names: list[str]) -> None:
        """Say that these users are there already, and not in this class."""
        message = _("There already, outside of this class: %(names)s. Choose other names.")
        self.add_error("students", message % {"names": ", ".join(names)})


class ClassForm(StudentsForm):
    field_order = ("name", "slug", "students", "policy", "access_keys")
    policy = forms.ChoiceField(label=_("What the students may do"), widget=forms.RadioSelect, required=False)
    name = NameField("groupNameType", label=_("Class name"))
    slug = forms.RegexField(
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        label=_("Short name"),
        required=False,
        max_length=40,
        help_text=_(
            "For addresses and the IAM path: small letters, digits and hyphens. Left empty, it is made of the name."
        ),
        error_messages={"invalid": _("Small letters, digits and single hyphens between them.")},
    )

    def __init__(self, *args: Any, offered: list[str], **options: Any) -> None:
        """`offered`: the policies that the account has."""
        super().__init__(*args, **options)
        self.usual = offered[0] if offered else classes.POLICIES[0]
        set_choices(self, "policy", [(name, str(_POLICIES[name])) for name in offered])
        self.fields["policy"].initial = self.usual
        mark_needed(self, "policy")

    def clean_policy(self) -> str:
        return str(self.cleaned_data["policy"] or self.usual)

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if slug in _RESERVED:
            raise forms.ValidationError(_("This word is taken by the page itself."))
        return slug

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("name") and "slug" in given and not given["slug"]:
            given["slug"] = slug_of(given["name"])
            if not re.fullmatch(r"[a-z0-9-]+", given["slug"]) or given["slug"] in _RESERVED:
                self.add_error("slug", _("Give it a short name of its own."))
        return given


def mended(data: QueryDict) -> QueryDict:
    """What was typed, with each illegal name replaced by the one that would do."""
    again = data.copy()
    if "name" in again:
        again["name"] = legal_name(str(again["name"]))
    lines = [line.strip() for line in str(again.get("students", "")).splitlines()]
    again["students"] = "\n".join(name for name in legal_names(lines) if name)
    return again


class CloseForm(forms.Form):
    days = forms.IntegerField(
        label=_("Waiting period of the keys"),
        min_value=7,
        max_value=30,
        initial=USUAL_DAYS,
        help_text=_("7 to 30 days, in which their deletion can be cancelled."),
    )
    confirm = forms.CharField(
        label=_("Short name of the class, to confirm"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, slug: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.slug = slug

    def clean_confirm(self) -> str:
        typed = str(self.cleaned_data["confirm"])
        if typed != self.slug:
            raise forms.ValidationError(_("Type %(slug)s."), params={"slug": self.slug})
        return typed
