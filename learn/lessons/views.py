"""The lessons: how far one is in each, and a lesson step by step. What is ticked was found in the record of calls."""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.record import events as record
from learn.lessons import lessons, progress
from learn.lessons.checks import Record

PERIODS = (1, 7, 30, 90)  # days that are looked back; CloudTrail keeps ninety
_USUAL = 7


def index(request: ConsoleRequest) -> HttpResponse:
    days = _days(request)
    try:
        who, records, whole = _seen(request, lessons.LESSONS, days)
    except ClientError as error:
        return problem_page(request, _("Learn"), error)
    rows = progress.lesson_progress(lessons.LESSONS, records)
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
        },
    )


def page(request: ConsoleRequest, lesson: str) -> HttpResponse:
    row = lessons.BY_SLUG.get(lesson)
    if row is None:
        raise Http404
    days = _days(request)
    try:
        who, records, whole = _seen(request, [row], days)
    except ClientError as error:
        return problem_page(request, row.title, error)
    place, countable = lessons.LESSONS.index(row), progress.countable(request)
    steps = progress.steps(row, who, records)
    return render(
        request,
        "learn/lessons/lesson.html",
        {
            "lesson": row,
            "number": place + 1,
            "steps": steps,
            "done": sum(step.proof is not None for step in steps),
            "now": next((place for place, step in enumerate(steps, 1) if step.proof is None), 0),
            "who": who,
            "state": progress.key_now(request, who) if countable else {},
            "embedded_address": service.backend(request).embedded,
            "terminal": progress.terminal(request) if any(step.command for step in steps) else "",
            "whole": whole,
            "days": days,
            "periods": PERIODS,
            "countable": countable,
            "before": lessons.LESSONS[place - 1] if place else None,
            "after": lessons.LESSONS[place + 1] if place + 1 < len(lessons.LESSONS) else None,
        },
    )


def _days(request: ConsoleRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, PERIODS) else _USUAL


def _seen(
    request: ConsoleRequest, rows: list[lessons.Lesson] | tuple[lessons.Lesson, ...], days: int
) -> tuple[progress.Learner, list[Record], bool]:
    """(who learns, their records of these lessons, whether that is all of them). Raises ClientError."""
    arn = progress.learner_arn(request)
    if not progress.countable(request):
        return progress.learner(arn, []), [], True
    names = dict.fromkeys(["CreateAlias", *lessons.operations(rows)])
    start = service.record_now(request) - timedelta(days=days)
    found = record.since(request, names, start, user=arn.rpartition("/")[2])
    own = progress.of(arn, found.records)
    return progress.learner(arn, own), own, found.whole
