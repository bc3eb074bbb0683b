"""The lessons: how far one is in each, and a lesson step by step. What is ticked was found in the record of calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.record import events as record
from learn.class_accounts.class_accounts import MANAGE
from learn.lessons import lessons, library, progress
from learn.lessons.checks import Record
from learn.lessons.lesson import Lesson

PERIODS = (1, 7, 30, 90)  # days that are looked back; CloudTrail keeps ninety
_USUAL = 7
ANSWER_QUESTION = f"kmsconsole:{library.QUESTION}"


def index(request: ConsoleRequest) -> HttpResponse:
    days, every = _days(request), lessons.every()
    try:
        who, records, whole = _seen(request, every, days)
    except ClientError as error:
        return problem_page(request, _("Learn"), error)
    rows = progress.lesson_progress(every, records, who.arn)
    return render(
        request,
        "learn/lessons/learn.html",
        {
            "rows": rows,
            "next": next((row.lesson for row in rows if not row.whole and row.lesson.for_students), None),
            "who": who,
            "whole": whole,
            "days": days,
            "periods": PERIODS,
            "countable": progress.countable(request),
            "faults": lessons.faults(),
        },
    )


def page(request: ConsoleRequest, lesson: str) -> HttpResponse:
    row = _found(lesson)
    if request.method == "POST":
        return _answered(request, row)
    days, every = _days(request), lessons.every()
    try:
        who, records, whole = _seen(request, [row], days)
    except ClientError as error:
        return problem_page(request, row.title, error)
    place, countable = every.index(row), progress.countable(request)
    steps = progress.steps(
        row, who, records, service.record_now(request), progress.places(request, who), progress.describe(request)
    )
    return render(
        request,
        "learn/lessons/lesson.html",
        {
            "lesson": row,
            "number": place + 1,
            "introduction": progress.introduction(row, request, who),
            "steps": steps,
            "done": sum(step.proof is not None for step in steps),
            "now": next((place for place, step in enumerate(steps, 1) if step.proof is None), 0),
            "who": who,
            "state": progress.key_now(request, who) if countable else {},
            "embedded_address": service.backend(request).embedded,
            "terminal": progress.terminal(request) if any(step.commands for step in steps) else "",
            "whole": whole,
            "days": days,
            "periods": PERIODS,
            "countable": countable,
            "teaches": service.refusal(request, MANAGE) is None,
            "before": every[place - 1] if place else None,
            "after": every[place + 1] if place + 1 < len(every) else None,
        },
    )


def _found(slug: str) -> Lesson:
    row = lessons.by_slug(slug)
    if row is None:
        raise Http404
    return row


def _answered(request: ConsoleRequest, row: Lesson) -> HttpResponse:
    """An answer to a question goes into the record, where the step's check finds it. Another endpoint's record cannot take it: there the
    page only says whether it is right."""
    step = next((each for each in row.steps if each.name == request.POST.get("step") and each.words.choices), None)
    if step is None:
        raise Http404
    numbers = range(1, len(step.words.choices) + 1)
    chosen = [number for number in numbers if str(number) in request.POST.getlist("choice")]
    here = f"{reverse('lesson', args=[row.slug])}?{urlencode({'days': _days(request)})}#{step.name}"
    if not chosen:
        messages.error(request, _("Choose an answer."))
    elif not service.backend(request).embedded:
        right = chosen == [number for number in numbers if step.words.right[number - 1]]
        messages.info(request, _("That is right.") if right else _("This is not the right answer yet."))
    else:
        given = {"lesson": row.slug, "step": step.name, "answer": library.answer_text(chosen)}
        try:
            service.console_action(request, ANSWER_QUESTION, lambda: None, parameters=given)
        except ClientError as error:
            return problem_page(request, row.title, error)
    return HttpResponseRedirect(here)


def download(request: ConsoleRequest, lesson: str) -> HttpResponse:
    """The lesson as it was written, to be changed or taken elsewhere: for who teaches, for the right answers are in it."""
    row = _found(lesson)
    if refused := service.refusal(request, MANAGE):
        return problem_page(request, row.title, refused)
    content = library.as_zip(library.folder_of(row, lessons.own_folder()))
    answer = HttpResponse(content, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{row.slug}.zip"'
    return answer


def _days(request: ConsoleRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, PERIODS) else _USUAL


def _seen(
    request: ConsoleRequest, rows: Sequence[Lesson], days: int
) -> tuple[progress.Learner, Sequence[Record], bool]:
    """(who learns, the records of these lessons, whether that is all of them): the learner's, and others' of exercises of two people.
    Raises ClientError."""
    arn = progress.learner_arn(request)
    if not progress.countable(request):
        return progress.learner(arn, []), [], True
    mistakes = [name for step in lessons.usual_mistakes() for name in step.check[0].names] if len(rows) == 1 else []
    names = dict.fromkeys(["CreateAlias", "UpdateAlias", *lessons.operations(rows), *mistakes])
    start = service.record_now(request) - timedelta(days=days)
    others = lessons.others_operations(rows)
    found = record.since(request, names, start, user=arn.rpartition("/")[2], everybodys=others)
    own = progress.of(arn, found.records)
    return progress.learner(arn, own), progress.of(arn, found.records, others) if others else own, found.whole
