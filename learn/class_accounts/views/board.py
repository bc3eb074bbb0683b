"""The teacher's board: how far each student is, step by step, as it comes; the same for a projector; results as files.

An open board asks every two seconds. That is no reading of its own: the page that it stands in was decided and recorded, and each look
asks for the decision again. What did not change is answered by 204, without a page.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from typing import IO, Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console import moments, public_address
from console.request import ConsoleRequest
from console.spreadsheet import cell
from keys import service
from keys.common import problem_page
from keys.record import events as record
from learn.class_accounts import class_accounts, join_links, notices, standings
from learn.class_accounts.views.create import over_page
from learn.class_accounts.views.manage import found_class
from learn.lessons import lessons
from learn.lessons.lesson import Lesson
from learn.models import AccountClass, ClassAccount


def board(request: ConsoleRequest, slug: str) -> HttpResponse:
    of_class = found_class(request, slug)
    part = "part" in request.GET
    try:
        _may_read(request, of_class, recorded=not part)
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    context = _context(request, of_class)
    if not part:
        return render(request, "learn/class_accounts/board.html", context)
    if request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    return render(request, "learn/class_accounts/_board.html", context)


def _may_read(
    request: ConsoleRequest, of_class: AccountClass, *, recorded: bool = True, purpose: str = "board"
) -> None:
    """Raises ClientError."""
    if not recorded:
        if refused := service.refusal(request, class_accounts.READ):
            raise refused
        return
    parameters = {"class": of_class.slug, "purpose": purpose}
    service.console_action(request, class_accounts.READ, lambda: None, parameters=parameters)


def _context(request: ConsoleRequest, of_class: AccountClass) -> dict[str, Any]:
    rows = class_accounts.accounts(of_class)
    lesson = standings.chosen_lesson(of_class, request.GET.get("lesson", ""), rows)
    found = standings.board(of_class, rows, lesson) if lesson is not None else []
    students = [each for each in found if not each.row.shared]
    names = Counter(row.name for row in rows)
    context: dict[str, Any] = {
        "class": of_class,
        "why_over": class_accounts.why_over(of_class),
        "lesson": lesson,
        "lessons": lessons.every(),
        "standings": found,
        "students": len(students),  # a shared account belongs to nobody: it counts for none
        "stuck": sum(each.stuck for each in students),
        "whole": sum(each.step == 0 for each in students),
        "namesakes": {name for name, number in names.items() if number > 1},
    }
    return {**context, "version": _version(found, lesson)}


def _version(found: list[standings.Standing], lesson: Lesson | None) -> str:
    """Of what the board shows: durations are shown in minutes."""
    told = [
        (
            each.row.pk,
            each.row.account_id,
            [step.done for step in each.cells],
            (each.done, each.error, each.stuck),
            (moments.minutes(each.since), moments.minutes(each.active) if each.active is not None else ""),
        )
        for each in found
    ]
    return hashlib.sha256(repr((lesson and lesson.slug, told)).encode()).hexdigest()[:16]


def presentation(request: ConsoleRequest, slug: str) -> HttpResponse:
    """A step in large type, and how many have done it. Arrow keys lead from step to step."""
    of_class = found_class(request, slug)
    part = "part" in request.GET
    if part and class_accounts.why_over(of_class):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})  # closed while it was shown
    if over := over_page(request, of_class):
        return over
    try:
        _may_read(request, of_class, recorded=not part, purpose="presentation")
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    context = _context(request, of_class)
    lesson: Lesson | None = context["lesson"]
    number = _number(request, of_class, lesson)
    students = [each for each in context["standings"] if not each.row.shared]
    cells = [each.cells[number - 1] for each in students if lesson and number]
    links = [link for link in of_class.links.select_related("of_class") if join_links.is_open(link)]
    context |= {
        "number": number,
        "step": lesson.steps[number - 1] if lesson and number else None,
        "done_here": sum(each.done for each in cells),
        "before": number - 1,
        "after": number + 1 if lesson and number < len(lesson.steps) else 0,
        "link": links[-1] if links else None,
        "link_address": join_links.address(request, links[-1]) if links else "",
        "address": public_address.of(request),
    }
    template = "learn/class_accounts/_presented.html" if part else "learn/class_accounts/presentation.html"
    return render(request, template, context)


def _number(request: ConsoleRequest, of_class: AccountClass, lesson: Lesson | None) -> int:
    """The step that is shown, from 1 on; 0: the beginning, with the join link. If none is asked for, the one that all were directed to."""
    if lesson is None:
        return 0
    asked = request.GET.get("step", "")
    directed_to = of_class.step if of_class.lesson == lesson.slug else 0
    wanted = int(asked) if asked.isdecimal() and len(asked) < 4 else directed_to
    return min(wanted, len(lesson.steps))


@require_POST
def bring(request: ConsoleRequest, slug: str) -> HttpResponse:
    """All students are told to go to a step; without a lesson the notice is taken away."""
    of_class = found_class(request, slug)
    asked, number = request.POST.get("lesson", ""), request.POST.get("step", "")
    lesson = lessons.by_slug(asked)
    if asked and lesson is None:
        raise Http404
    if over := over_page(request, of_class):
        return over
    of_class.lesson = lesson.slug if lesson is not None else ""
    steps = len(lesson.steps) if lesson is not None else 0
    of_class.step = min(int(number), steps) if number.isdecimal() and len(number) < 4 else 0

    def save() -> None:
        of_class.save(update_fields=["lesson", "step"])

    told = {"lesson": of_class.lesson, "step": of_class.step}
    try:
        class_accounts.manage(request, of_class, save, change="BringToStep", **told)
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    messages.success(request, _("The students' pages lead there.") if lesson else _("The notice is taken away."))
    return redirect("class-presentation" if "presented" in request.POST else "class-board", slug)


def notice(request: ConsoleRequest) -> HttpResponse:
    """What the class is told now, for a student's page that is open; 204 where that is what it shows."""
    found = notices.of_account(request.signed_in.account_id)
    if found is None or found.version == request.GET.get("version"):
        return HttpResponse(status=204)
    return render(request, "learn/class_accounts/_notice.html", {"class_notice": found})


def results(request: ConsoleRequest, slug: str) -> HttpResponse:
    of_class = found_class(request, slug)
    try:
        _may_read(request, of_class, purpose="results")
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    answer = HttpResponse(_csv(standings.results(_every_row(of_class))), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{of_class.slug}.csv"'
    return answer


def _every_row(of_class: AccountClass) -> list[ClassAccount]:
    """Those that have ended too."""
    return list(of_class.accounts.order_by("shared", "name", "pk"))


_COLUMNS = ("name", "email", "user", "account", "lesson", "step", "title", "done", "time")


def _csv(found: Iterable[dict[str, Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for each in found:
        writer.writerow([cell("yes" if value is True else "" if value is False else value) for value in each.values()])
    return written.getvalue()


def archive(request: ConsoleRequest, slug: str) -> Any:
    """The class as files: results as CSV and JSON, and each account's events, one a line."""
    of_class = found_class(request, slug)
    try:
        _may_read(request, of_class, purpose="archive")
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    rows = _every_row(of_class)
    made: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=16 << 20)  # noqa: SIM115  (the answer closes it)
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as files:
        found = list(standings.results(rows))
        files.writestr("results.csv", _csv(found))
        files.writestr("results.json", json.dumps(found, indent=1))
        for row in rows:
            with files.open(f"events/{row.user_name}-{row.account_id}.jsonl", "w") as written:
                for events, _after in record.follow_all(row.account_id):
                    written.writelines(json.dumps(event).encode() + b"\n" for event in events)
    made.seek(0)
    return FileResponse(made, as_attachment=True, filename=f"{of_class.slug}.zip", content_type="application/zip")
