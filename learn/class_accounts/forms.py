"""Forms of classes whose students have an account each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from learn.class_accounts import class_accounts, roster
from learn.class_accounts.roster import Person
from learn.classes.forms import slug_of

_MOST_BYTES = 100_000  # of a roster: less than the longest field that Python's csv module reads
RESERVED = ("new", "notice")  # addresses beside those of the classes


class RosterForm(forms.Form):
    students = forms.CharField(
        label=_("Students"),
        required=False,
        max_length=_MOST_BYTES,
        help_text=_("One a line: a name, and an e-mail address after a comma if you like."),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    roster = forms.FileField(label=_("Or upload a CSV file"), required=False)
    shared = forms.IntegerField(
        label=_("Shared accounts"),
        required=False,
        min_value=0,
        max_value=5,
        initial=0,
        help_text=_(
            "Accounts that belong to nobody in particular, for lessons with calls from one account to another."
        ),
    )

    def clean_roster(self) -> str:
        given = self.cleaned_data["roster"]
        if given is None:
            return ""
        if given.size > _MOST_BYTES:
            raise forms.ValidationError(_("The file is too large for a list of students."))
        try:
            text = str(given.read().decode("utf-8-sig"))
        except UnicodeDecodeError as reason:
            raise forms.ValidationError(_("The file is not text in UTF-8.")) from reason
        if "\0" in text:  # which no database keeps
            raise forms.ValidationError(_("The file is not text in UTF-8."))
        return text

    @property
    def people(self) -> list[Person]:
        given = self.cleaned_data
        return [*roster.read(given.get("students", "")), *roster.read(given.get("roster", ""))]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if len(self.people) > class_accounts.MOST:
            message = _("At most %(most)d students at a time.") % {"most": class_accounts.MOST}
            self.add_error("students", message)
        return given


class LimitsForm(forms.Form):
    days = forms.IntegerField(
        label=_("Account lifetime in days"),
        min_value=1,
        max_value=366,
        initial=7,
        help_text=_("After that, students can no longer sign in; their results are kept."),
    )
    key_quota = forms.IntegerField(label=_("Maximum keys per account"), min_value=1, max_value=100_000, initial=100)
    call_quota = forms.IntegerField(
        label=_("Maximum requests per second per account"), min_value=1, max_value=10_000, initial=50
    )


class LinkForm(forms.Form):
    minutes = forms.IntegerField(label=_("Join link valid for (minutes)"), min_value=1, max_value=1440, initial=90)
    places = forms.IntegerField(
        label=_("Maximum students who can join with it"), min_value=1, max_value=class_accounts.MOST, initial=40
    )


class NewClassForm(RosterForm, LimitsForm, LinkForm):
    field_order = (
        "name",
        "students",
        "roster",
        "with_link",
        "minutes",
        "places",
        "shared",
        "days",
        "key_quota",
        "call_quota",
    )
    name = forms.CharField(label=_("Class name"), max_length=128)
    with_link = forms.BooleanField(
        label=_("Create a join link for students"),
        required=False,
        initial=True,
        help_text=_("They open it, or scan its QR code, and get an account and its credentials themselves."),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        slug = slug_of(given.get("name", ""))
        if given.get("name") and (not slug or slug in RESERVED):
            self.add_error("name", _("Give it a name with letters or digits."))
        given["slug"] = slug
        return given


class JoinForm(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=128, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(label=_("E-mail address"), required=False)

    def clean_name(self) -> str:
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name:
            raise forms.ValidationError(_("Give a name."))
        return name


class MessageForm(forms.Form):
    message = forms.CharField(
        label=_("Message to all students"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Shown on all their pages within seconds. Empty: none."),
    )


class ClockForm(forms.Form):
    by = forms.IntegerField(
        label=_("Move the clocks of all accounts forward by"), min_value=1, max_value=3_660, initial=1
    )
    unit = forms.ChoiceField(label=_("Unit"), choices=(("86400", _("days")), ("3600", _("hours"))))
