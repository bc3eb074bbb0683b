"""Classes: the list, a new one, one with its students' progress, more students, a new password, closing. Everything is IAM's, signed as
the signed-in teacher; progress is one look into the record of calls. Passwords are on the answer that made them and nowhere else."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import compress
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console import public_address
from console.aws_calls import optional, pages
from console.request import ConsoleRequest
from console.spreadsheet import cell
from keys import call, permissions, service
from keys.changes import Change, carry_out, previews, send
from keys.common import name_of, problem_page
from keys.record import events as record
from learn.class_accounts import class_accounts
from learn.classes import classes
from learn.classes.classes import Class, ClassRequest, Outcome, Student
from learn.classes.forms import ClassForm, StudentsForm, mended
from learn.lessons import lessons, progress
from learn.lessons.lesson import Lesson
from principals.users.views import users

_MOST_EVENTS = 10_000  # of each operation, that a class's progress is read from


def index(request: ConsoleRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        found = classes.every(iam)
        paths = [user["Path"] for user in pages(iam, "list_users", "Users", PathPrefix=classes.PATH)]
    except ClientError as error:
        return problem_page(request, _("Classes"), error)
    rows = [(each, paths.count(each.path)) for each in found]
    with_accounts = class_accounts.every(request) if not service.refusal(request, class_accounts.READ) else []
    return render(request, "learn/classes/classes.html", {"rows": rows, "with_accounts": with_accounts})


@never_cache
def new(request: ConsoleRequest) -> HttpResponse:
    data = mended(request.POST) if "mend" in request.POST else request.POST
    try:
        offered = classes.offered(service.client(request, "iam"), service.account_id(request))
    except ClientError as error:
        return problem_page(request, _("Create class"), error)
    return _make(request, ClassForm(data if request.method == "POST" else None, offered=offered), None)


@never_cache
def add(request: ConsoleRequest, slug: str) -> HttpResponse:
    """More students for a class, or what is missing of those that are there."""
    try:
        found = _found(request, slug)
    except ClientError as error:
        return problem_page(request, slug, error)
    data = mended(request.POST) if "mend" in request.POST else request.POST
    form = StudentsForm(
        data if request.method == "POST" else None, initial={"students": request.GET.get("students", "")}
    )
    return _make(request, form, found)


def _make(request: ConsoleRequest, form: StudentsForm, found: Class | None) -> HttpResponse:
    """The form, its calls, or the hand-out of what was made."""
    iam = service.client(request, "iam")
    shown: call.CallExample | None = None
    try:
        if form.is_bound and form.is_valid() and _free(iam, form, found):
            wanted = _wanted(request, iam, form.cleaned_data, found)
            if request.method == "POST" and not previews(request) and "mend" not in request.POST:
                return _handed_out(request, wanted, classes.create(iam, wanted))
            group, each = classes.missing(iam, wanted)
            calls = [*group, *(one for several in each.values() for one in several)]
            shown = call.show_all(request, calls, "iam") if calls else None
            if not calls:
                messages.info(request, _("All of this is there already: no call would be made."))
    except ClientError as error:
        return problem_page(request, found.name if found else _("Create class"), error)
    return render(
        request,
        "learn/classes/class_form.html",
        {"form": form, "class": found, "call": shown, **(_common(request, iam) if found is None else {})},
        status=422 if form.errors else 200,
    )


def _common(request: ConsoleRequest, iam: Any) -> dict[str, Any]:
    """The keys that students with KeyStudent could delete, as far as this teacher may list keys. Another endpoint decides for itself."""
    if not service.backend(request).embedded or permissions.refusal(request, "kms:ListKeys"):
        return {}
    signed_in = request.signed_in
    found, problem = optional(lambda: classes.common_property(signed_in.account_id, signed_in.region, iam))
    if found is None:
        return {"common_problem": problem}
    return {"common": found, "common_keys": [_named(request, key_id) for key_id in found.key_ids]}


def _named(request: ConsoleRequest, key_id: str) -> tuple[str, str]:
    """(key ID, what the key is called by who may list aliases)."""
    return key_id, name_of(service.client(request), {"KeyId": key_id})


def _wanted(request: ConsoleRequest, iam: Any, given: dict[str, Any], found: Class | None) -> ClassRequest:
    policy = given["policy"] if found is None else classes.policy_of(iam, found)
    return ClassRequest(
        slug=found.slug if found else given["slug"],
        name=found.name if found else given["name"],
        students=given["students"],
        access_keys=given["access_keys"],
        policy_arn=classes.student_policy(service.account_id(request), policy),
    )


def _free(iam: Any, form: StudentsForm, found: Class | None) -> bool:
    """Whether nobody else has the names; if not, the form says which. A class that is there already under both names goes on."""
    given = form.cleaned_data
    slug = found.slug if found else given["slug"]
    if found is None:
        for group in pages(iam, "list_groups", "Groups"):
            own, same = (
                group["Path"] == classes.path_of(slug),
                group["GroupName"].casefold() == given["name"].casefold(),
            )
            if same and not own:
                form.add_error("name", _("There is a group of this name already, and it is not this class's."))
            elif own and not same:
                form.add_error("slug", _("This is the class %(name)s already.") % {"name": group["GroupName"]})
    wanted = {name.casefold() for name in given.get("students", ())}
    everyone = pages(iam, "list_users", "Users") if wanted else []
    strangers = [each["UserName"] for each in everyone if each["Path"] != classes.path_of(slug)]
    if taken := [name for name in strangers if name.casefold() in wanted]:
        form.taken(taken)
    return not form.errors


def _handed_out(request: ConsoleRequest, wanted: ClassRequest, outcome: Outcome) -> HttpResponse:
    return _hand_out(
        request,
        wanted.slug,
        wanted.name,
        outcome.students,
        {
            "outcome": outcome,
            "problem": service.sentence(outcome.error) if outcome.error else "",
            "wanted": wanted,
            "again": "\n".join(wanted.students),
        },
    )


def _hand_out(
    request: ConsoleRequest, slug: str, name: str, students: list[Student], more: dict[str, Any] | None = None
) -> HttpResponse:
    """The one page that shows passwords and secrets."""
    outcome: Outcome | None = (more or {}).get("outcome")
    return render(
        request,
        "learn/classes/hand_out.html",
        {
            "slug": slug,
            "name": name,
            "students": [student for student in students if student.password or student.access_key_id],
            "there": [student for student in students if not student.password and not student.access_key_id],
            "address": public_address.of(request),
            "endpoint_url": service.endpoint_url(request),
            **(more or {}),
        },
        status=200 if outcome is None or outcome.whole else 422,
    )


@require_POST
@never_cache
@sensitive_post_parameters()
def hand_out_csv(request: ConsoleRequest) -> HttpResponse:
    """The hand-out that a page holds, as a file. It comes with the form: nothing of it was kept here."""
    columns = ("user", "password", "access_key_id", "secret_access_key")
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="class.csv"'
    writer = csv.writer(answer)
    writer.writerow([*columns, "address", "account", "region"])
    signed_in = request.signed_in
    rows = zip(*(request.POST.getlist(column) for column in columns), strict=False)
    for user, *theirs in rows:
        writer.writerow([cell(user), *theirs, public_address.of(request), signed_in.account_id, signed_in.region])
    return answer


def detail(request: ConsoleRequest, slug: str) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        found = _found(request, slug)
        everyone = classes.students(iam, slug)
        inside = classes.members(iam, found.name)
    except ClientError as error:
        return problem_page(request, slug, error)
    rows = lessons.for_students()
    looked, problem = optional(lambda: _looked(request, found, rows))
    records = looked.records if looked else []
    students = [_row(user, records, rows) for user in everyone]
    begun = [
        any(each.done for each in column) for column in zip(*(row["lesson_progress"] for row in students), strict=True)
    ]
    for row in students:
        row["begun"] = list(compress(row["lesson_progress"], begun))
    return render(
        request,
        "learn/classes/class.html",
        {
            "class": found,
            "begun": list(compress(rows, begun)),
            "not_begun": [lesson for lesson, any_step in zip(rows, begun, strict=False) if not any_step],
            "rows": students,
            "outside": [user["UserName"] for user in everyone if user["UserName"] not in inside],
            "problem": problem,
            "whole": looked.whole if looked else True,
            "countable": progress.countable(request),
        },
    )


def _found(request: ConsoleRequest, slug: str) -> Class:
    """Raises Http404 where there is no such class, ClientError where groups may not be listed."""
    found = classes.find(service.client(request, "iam"), slug)
    if found is None:
        raise Http404
    return found


def _looked(request: ConsoleRequest, found: Class, rows: Sequence[Lesson]) -> record.FoundEvents:
    """One look into the record for the whole class. Raises ClientError."""
    return record.since(request, lessons.operations(rows), found.created, most=_MOST_EVENTS)


def _row(user: dict[str, Any], records: list[dict[str, Any]], rows: Sequence[Lesson]) -> dict[str, Any]:
    arn = user["Arn"]
    made = sum(each["eventName"] == "CreateKey" and not each.get("errorCode") for each in progress.of(arn, records))
    seen = progress.of(arn, records, lessons.others_operations(rows))
    of_lessons = progress.lesson_progress(rows, seen, arn)
    done, steps = sum(each.done for each in of_lessons), sum(each.steps for each in of_lessons)
    return {"user": user, "lesson_progress": of_lessons, "done": done, "steps": steps, "keys": made}


@never_cache
def password(request: ConsoleRequest, slug: str, student: str) -> HttpResponse:
    """A new password for a student, shown once."""
    iam = service.client(request, "iam")
    try:
        found = _found(request, slug)
        _must_be_of(iam, found, student)
        operation = "UpdateLoginProfile" if classes.has_password(iam, student) else "CreateLoginProfile"
        if previews(request):
            title = _("Give %(name)s a new password") % {"name": student}
            change = Change(title, [(operation, {"UserName": student, "Password": ""})], "")
            return carry_out(request, change, reverse("class", args=[slug]))
        made = Student(student, password=classes.new_password())
        send(iam, [(operation, {"UserName": student, "Password": made.password})])
    except ClientError as error:
        return problem_page(request, student, error)
    return _hand_out(request, slug, found.name, [made])


def remove(request: ConsoleRequest, slug: str, student: str) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        _must_be_of(iam, _found(request, slug), student)
        calls = users.deletion(iam, student)
    except ClientError as error:
        return problem_page(request, student, error)
    words = {"name": student}
    change = Change(
        _("Delete student %(name)s?") % words, calls, _("Student %(name)s was deleted.") % words, danger=True
    )
    return carry_out(request, change, reverse("class", args=[slug]))


def _must_be_of(iam: Any, found: Class, student: str) -> None:
    """These pages change the class's own users alone. Raises Http404."""
    if student not in [user["UserName"] for user in classes.students(iam, found.slug)]:
        raise Http404
