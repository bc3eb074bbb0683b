"""The account's clock: what time it shows, a move forward by days, hours or to a date, and what that will do to the keys first.

The preview is a GET with its own address. The move says from where it starts, so that a form sent twice, or from two tabs, moves once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import error_help
from console.request import ConsoleRequest
from keys import permissions, service
from keys.clock import durations
from keys.lifecycle import approvals
from keys.service import account_clock

SUGGESTED = (1, 30, 90, 365)  # days
_HOURS = {"days": 24, "hours": 1}
_FARTHEST = account_clock.FARTHEST.total_seconds()


class DurationForm(forms.Form):
    by = forms.IntegerField(
        label=gettext_lazy("How far"), min_value=1, max_value=account_clock.LONGEST_MOVE.days * 24, initial=90
    )
    unit = forms.ChoiceField(
        label=gettext_lazy("Unit"), choices=[("days", gettext_lazy("days")), ("hours", gettext_lazy("hours"))]
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "by" in given and "unit" in given:
            given["move"] = timedelta(hours=given["by"] * _HOURS[given["unit"]])
            if given["move"] > account_clock.LONGEST_MOVE:
                self.add_error("by", _too_far())
        return given


class DateForm(forms.Form):
    to = forms.DateTimeField(
        label=gettext_lazy("To"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("A date and time after the account's, in your zone."),
    )

    def __init__(self, *args: Any, now: datetime, **options: Any) -> None:
        super().__init__(*args, **options)
        self.now = now

    def clean_to(self) -> datetime:
        to: datetime = self.cleaned_data["to"]
        if to <= self.now:
            raise forms.ValidationError(_("A clock moves forward only: this is not after the account's time."))
        if to - self.now > account_clock.LONGEST_MOVE:
            raise forms.ValidationError(_too_far())
        return to


class MoveForm(forms.Form):
    """`begin` and `seconds`: how far the clock is ahead before and after. `phrase`: what has to be typed, "" where nothing is lost."""

    begin = forms.FloatField(min_value=0, max_value=_FARTHEST, widget=forms.HiddenInput)
    seconds = forms.FloatField(min_value=0, max_value=_FARTHEST, widget=forms.HiddenInput)
    typed = forms.CharField(
        label="", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}), required=False
    )

    def confirm_by(self, phrase: str) -> None:
        if not phrase:
            del self.fields["typed"]
            return
        self.phrase = phrase
        self.fields["typed"].label = _("To confirm, type “%(phrase)s”") % {"phrase": phrase}
        self.fields["typed"].required = True

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != self.phrase:
            raise forms.ValidationError(_("Type “%(phrase)s” to confirm.") % {"phrase": self.phrase})
        return typed


def _too_far() -> str:
    return _("At most %(days)d days at a time: a clock cannot be put back.") % {"days": account_clock.LONGEST_MOVE.days}


def page(request: ConsoleRequest) -> HttpResponse:
    """GET shows the times, and with `by` or `to` the preview of a move; POST moves."""
    if not service.backend(request).embedded:
        return render(
            request, "keys/clock/clock.html", {"elsewhere": True}, status=409 if request.method == "POST" else 200
        )
    if request.method == "POST":
        return _move(request)
    begin = service.clock_ahead(request)
    now = service.now(request)
    by = DurationForm(request.GET if "by" in request.GET else None)
    to = DateForm(request.GET if "to" in request.GET else None, now=now)
    target = None
    if by.is_bound and by.is_valid():
        target = now + by.cleaned_data["move"]
    elif to.is_bound and to.is_valid():
        target = to.cleaned_data["to"]
    if target is None:
        return _page(request, by=by, to=to)
    seconds = round((target - timezone.now()).total_seconds())
    move = MoveForm(initial={"begin": repr(begin), "seconds": repr(seconds)})
    return _page(request, by=by, to=to, move=move, begin=begin, seconds=seconds)


def _page(
    request: ConsoleRequest,
    *,
    by: DurationForm | None = None,
    to: DateForm | None = None,
    move: MoveForm | None = None,
    begin: float = 0.0,
    seconds: float = 0.0,
) -> HttpResponse:
    """With `move`, the preview of it: from `begin` to `seconds` ahead of the machine's clock."""
    now, real = service.now(request), timezone.now()
    missing = permissions.refusal(request, account_clock.MOVE)
    shown: dict[str, Any] = {
        "now": now,
        "real": real,
        "may": not missing,
        "missing": missing,
        "by": by or DurationForm(),
        "to": to or DateForm(now=now),
        "suggested": SUGGESTED,
        "most": account_clock.LONGEST_MOVE.days,
    }
    if move is not None and shown["may"]:
        target = real + timedelta(seconds=seconds)
        found = account_clock.forecast(service.viewer(request), target)
        held = service.ending_unapproved(request, target)
        if "typed" in move.fields and not hasattr(move, "phrase"):
            move.confirm_by(_phrase(found))
        shown |= {"move": move, "target": target, "forecast": found, "moved_by": durations.span(seconds - begin)}
        shown |= {
            "held": {each.place for each in held},
            "why_held": approvals.clock_move_refusal(len(held)) if held else "",
        }
    wrong = any(form is not None and form.is_bound and form.errors for form in (by, to, move))
    return render(request, "keys/clock/clock.html", shown, status=422 if wrong else 200)


def _phrase(found: account_clock.Forecast) -> str:
    return f"destroy {found.destroyed.number}" if found.destroyed.number else ""


def _move(request: ConsoleRequest) -> HttpResponse:
    form = MoveForm(request.POST)
    begin, seconds = (_number(request.POST.get(name, "")) for name in ("begin", "seconds"))
    try:
        if begin is None or seconds is None:
            raise forms.ValidationError(_("This form is incomplete: choose the time again."))
        if service.visibility.is_allowed(service.viewer(request), account_clock.MOVE):
            found = account_clock.forecast(service.viewer(request), timezone.now() + timedelta(seconds=seconds))
            form.confirm_by(_phrase(found))
            if not form.is_valid():
                return _page(request, move=form, begin=begin, seconds=seconds)
        service.move_clock(request, begin, seconds)
    except forms.ValidationError as problem:
        messages.error(request, problem.messages[0])
        return redirect("clock")
    except ClientError as error:
        if service.denied(error):
            explained = {**error_help.explained(error), "title": _("The account's clock")}
            shown = {"title": explained["title"], "code": explained["Code"], "message": explained["Message"]}
            return render(request, "keys/problem.html", {**shown, "remedy": explained["remedy"]}, status=403)
        messages.error(request, service.sentence(error))
        return redirect("clock")
    messages.success(
        request, _("The account's clock was moved forward by %(span)s.") % {"span": durations.span(seconds - begin)}
    )
    return redirect("clock")


def _number(text: str) -> float | None:
    """Seconds a clock may be ahead, or None for what is no such number."""
    field = MoveForm.base_fields["seconds"]
    try:
        return float(field.clean(text))
    except forms.ValidationError:
        return None
