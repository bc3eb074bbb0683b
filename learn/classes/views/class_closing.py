"""Closing a class: first what goes with it is shown, the keys that its students made and the users; then it goes, keys before users.

Each call is the signed-in teacher's. What was done before a refusal stays done, and closing once more goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from console import key_words
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import call, service
from keys.call import Call
from keys.changes import previews, send
from keys.common import problem_page
from keys.record import events as record
from learn.classes import classes
from learn.classes.classes import Class
from learn.classes.forms import USUAL_DAYS, CloseForm
from learn.lessons import progress

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that a student made, as it is now."""

    key_id: str
    aliases: list[str]
    state: str
    student: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a class does, as far as it can be found out and was chosen. `problem` says why its keys are not known."""

    found: Class
    form: CloseForm
    students: list[dict[str, Any]]
    keys: list[MadeKey]
    elsewhere: int
    problem: str
    chosen: list[MadeKey]
    deletions: list[Call]
    iam_calls: list[Call]


def page(request: ConsoleRequest, slug: str) -> HttpResponse:
    try:
        closing = _closing(request, slug)
    except ClientError as error:
        return problem_page(request, slug, error)
    if request.method != "POST":
        return _show(request, closing)
    return _preview(request, closing) if previews(request) else _close(request, closing)


def _closing(request: ConsoleRequest, slug: str) -> Closing:
    """Raises Http404, and ClientError where the class cannot be read."""
    iam = service.client(request, "iam")
    found = classes.find(iam, slug)
    if found is None:
        raise Http404
    iam_calls, students = classes.closing(iam, found), classes.students(iam, slug)
    if progress.countable(request):
        looked, problem = optional(lambda: _keys(request, found))
    else:
        looked = None
        problem = _("this endpoint is not the one they were made at. Switch to the embedded engine first.")
    keys, elsewhere = looked or ([], 0)
    posted = request.method == "POST"
    form = CloseForm(request.POST if posted else None, slug=slug)
    form.is_valid()
    days = form.cleaned_data.get("days", USUAL_DAYS) if posted else USUAL_DAYS
    chosen = [key for key in keys if not posted or key.key_id in request.POST.getlist("key")]
    deletions = [("ScheduleKeyDeletion", {"KeyId": key.key_id, "PendingWindowInDays": days}) for key in chosen]
    return Closing(found, form, students, keys, elsewhere, problem, chosen, deletions, iam_calls)


def _preview(request: ConsoleRequest, closing: Closing) -> HttpResponse:
    closing.form.errors.pop("confirm", None)  # not asked for yet
    keys = call.show_all(request, closing.deletions) if closing.deletions else None
    return _show(request, closing, key_call=keys, call=call.show_all(request, closing.iam_calls, "iam"))


def _close(request: ConsoleRequest, closing: Closing) -> HttpResponse:
    if not closing.form.is_valid():
        return _show(request, closing)
    try:
        send(service.client(request), closing.deletions)
        send(service.client(request, "iam"), closing.iam_calls)
    except ClientError as error:
        closing.form.add_error(None, service.sentence(error))
        return _show(request, closing)
    messages.success(request, _("The class %(name)s is closed.") % {"name": closing.found.name})
    return redirect("classes")


def _show(request: ConsoleRequest, closing: Closing, **calls: Any) -> HttpResponse:
    return render(
        request,
        "learn/classes/class_close.html",
        {
            "class": closing.found,
            "form": closing.form,
            "students": closing.students,
            "keys": closing.keys,
            "chosen": {key.key_id for key in closing.chosen},
            "elsewhere": closing.elsewhere,
            "problem": closing.problem,
            "key_call": None,
            "call": None,
            **calls,
        },
        status=422 if closing.form.errors else 200,
    )


def _keys(request: ConsoleRequest, found: Class) -> tuple[list[MadeKey], int]:
    """(the keys of this Region that users of the class made and that are there still, how many were made in others). Raises ClientError."""
    account_id, region = service.account_id(request), request.signed_in.region
    own = f"arn:aws:iam::{account_id}:user{found.path}"
    records = record.since(request, ["CreateKey"], found.created, most=_MOST).records
    made = [
        each for each in records if not each.get("errorCode") and each["userIdentity"].get("arn", "").startswith(own)
    ]
    here = [each for each in made if each["awsRegion"] == region]
    kms = service.client(request)
    aliases = service.aliases_by_key(kms)
    described = [(each, _described(kms, each["responseElements"]["keyMetadata"]["keyId"])) for each in here]
    keys = [
        MadeKey(
            key_id=now["KeyId"],
            aliases=aliases.get(now["KeyId"], []),
            state=now["KeyState"],
            student=each["userIdentity"]["arn"].rpartition("/")[2],
            made=now["CreationDate"],
        )
        for each, now in described
        if now is not None and now["KeyState"] not in key_words.PENDING_DELETION
    ]
    return keys, len(made) - len(here)


def _described(kms: Any, key_id: str) -> dict[str, Any] | None:
    """None for a key that is gone. Raises ClientError for any other refusal."""
    try:
        found: dict[str, Any] = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    return found
