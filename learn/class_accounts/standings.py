"""How far the students of a class are, from the records of their accounts: each event is read once, as it comes.

What was found is kept for each account, so that a board that looks every two seconds reads only what is new. A step that was done stays done.
Whoever shows it asks for kmsconsole:ReadClassRecord.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from engine.public import member_accounts
from keys.record import events as record
from learn.lessons import lessons
from learn.lessons.checks import Record
from learn.lessons.lesson import Lesson
from learn.models import AccountClass, ClassAccount

STUCK = timedelta(minutes=5)  # without a step done, from when on the board calls it stuck
_MOST_ACCOUNTS, _MOST_RECORDS = 400, 500
_TEACHER = "/OrganizationAccountAccessRole/"


@dataclass(slots=True)
class Followed:
    """What is known of one account. `done`: lesson → number of a step → when it was done. Times are by the account's clock."""

    after: int = 0
    records: list[Record] = field(default_factory=list)
    done: dict[str, dict[int, datetime]] = field(default_factory=dict)
    last: Record | None = None
    last_error: Record | None = None
    last_done: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A step of a student's: done, the one that is next, or neither."""

    number: int
    title: str
    done: bool
    now: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of the board. `since`: for how long the student is at `step` (a number from 1 on, 0: the lesson is done)."""

    row: ClassAccount
    cells: list[Cell]
    done: int
    of: int
    step: int
    since: timedelta
    stuck: bool
    error: str
    error_event: str
    active: timedelta | None


_followed: dict[str, Followed] = {}  # account ID → what is known of it, the least lately looked at first
_reading = threading.Lock()  # one reads, the others find it read


def follow(row: ClassAccount) -> Followed:
    with _reading:
        found = _followed.pop(row.account_id, None) or Followed()
        while len(_followed) >= _MOST_ACCOUNTS:
            _followed.pop(next(iter(_followed)))
        _followed[row.account_id] = found
        _read(row, found)
        return found


def _read(row: ClassAccount, found: Followed) -> None:
    arn = f"arn:aws:iam::{row.account_id}:user/{row.user_name}"
    for events, after in record.follow_all(row.account_id, found.after):
        own = [each for each in events if not each.get("voided") and _is_students(each)]
        _take(found, own, arn)
        found.after = after


def _is_students(event: Record) -> bool:
    arn = event["userIdentity"].get("arn", "")
    return (
        bool(arn) and _TEACHER not in arn and event["eventSource"] != "signin.amazonaws.com" and _is_of_account(event)
    )


def _is_of_account(event: Record) -> bool:
    return bool(event["userIdentity"].get("accountId") == event.get("recipientAccountId"))


def _take(found: Followed, events: Sequence[dict[str, Any]], arn: str) -> None:
    if not events:  # as for most students at each look of an open board: the lessons' files are not looked at for that
        return
    for event in events:
        if event["userIdentity"].get("arn") != arn:
            continue
        if record.is_read_by_console(event):
            continue
        found.last = event
        if event.get("errorCode"):
            found.last_error = event
    every = lessons.every()
    names, wanted = {event["eventName"] for event in events}, set(lessons.operations(every))
    found.records = [*found.records, *(event for event in events if event["eventName"] in wanted)][-_MOST_RECORDS:]
    for lesson in every:
        if names.isdisjoint(lesson.operations):
            continue
        done = found.done.setdefault(lesson.slug, {})
        if len(done) == len(lesson.steps):
            continue
        for number, proof in enumerate(lesson.proofs(found.records, arn), 1):
            if proof is not None and number not in done:
                when = done[number] = _time(proof)
                found.last_done = max(found.last_done or when, when)


def _time(event: Record) -> datetime:
    return datetime.fromisoformat(event["eventTime"])


def done_steps(row: ClassAccount, found: Followed, lesson: Lesson) -> set[int]:
    """Of the present account, and what counts from before a reset."""
    return {*found.done.get(lesson.slug, {}), *row.kept.get(lesson.slug, [])} & set(range(1, len(lesson.steps) + 1))


def board(of_class: AccountClass, rows: Sequence[ClassAccount], lesson: Lesson) -> list[Standing]:
    every = lessons.for_students()
    offsets = member_accounts.clock_offsets([row.account_id for row in rows])
    # Nobody is at a step any longer than their account was open.
    now = min(each for each in (timezone.now(), of_class.closed, of_class.ends) if each is not None)
    return [
        _standing(row, follow(row), lesson, every, now + timedelta(seconds=offsets.get(row.account_id, 0.0)))
        for row in rows
    ]


def _standing(row: ClassAccount, found: Followed, lesson: Lesson, every: Sequence[Lesson], now: datetime) -> Standing:
    """`now` is the time of the account."""
    begun = row.since
    if (there := found.last_done) is not None and there > begun:
        begun = there
    done = done_steps(row, found, lesson)
    step = next((number for number in range(1, len(lesson.steps) + 1) if number not in done), 0)
    error = found.last_error
    fresh = error is not None and (found.last_done is None or _time(error) >= found.last_done)
    since = max(now - begun, timedelta(0))
    return Standing(
        row=row,
        cells=[Cell(number, each.title, number in done, number == step) for number, each in enumerate(lesson.steps, 1)],
        done=sum(len(done_steps(row, found, each)) for each in every),
        of=sum(len(each.steps) for each in every),
        step=step,
        since=since,
        stuck=step > 0 and since > STUCK and found.last is not None,
        error=f"{error['eventName']}: {error['errorCode']}" if error is not None and fresh else "",
        error_event=error["eventID"] if error is not None and fresh else "",
        active=max(now - _time(found.last), timedelta(0)) if found.last is not None else None,
    )


def chosen_lesson(of_class: AccountClass, asked: str, rows: Sequence[ClassAccount]) -> Lesson | None:
    """The one that is asked for, else where the class is to be, else the one that most students are at. None where there is no lesson."""
    for slug in (asked, of_class.lesson):
        if slug and (found := lessons.by_slug(slug)) is not None:
            return found
    every = lessons.for_students()
    at = Counter(slug for row in rows if (slug := _current(row, every)))
    if at:
        return lessons.by_slug(at.most_common(1)[0][0])
    return every[0] if every else None


def _current(row: ClassAccount, every: Sequence[Lesson]) -> str:
    found = follow(row)
    begun = [lesson for lesson in every if found.done.get(lesson.slug)]
    open_ones = [each for each in begun if len(done_steps(row, found, each)) < len(each.steps)]
    if not begun:
        return ""
    # One call may tick steps of several lessons (each looks at the record): of these it is the first.
    return max(open_ones or begun, key=lambda each: max(found.done[each.slug].values())).slug


def kept_before(row: ClassAccount, slug: str) -> dict[str, object]:
    """For a reset to the start of a lesson: the steps done of the lessons before it."""
    kept: dict[str, object] = {}
    found = follow(row)
    for lesson in lessons.every():
        if lesson.slug == slug:
            return kept
        if done := done_steps(row, found, lesson):
            kept[lesson.slug] = sorted(done)
    return {}


def results(rows: Sequence[ClassAccount]) -> Iterator[dict[str, Any]]:
    """Each step of each student, as it is exported."""
    every = lessons.for_students()
    for row in rows:
        found = follow(row)
        for lesson in every:
            done = done_steps(row, found, lesson)
            for number, step in enumerate(lesson.steps, 1):
                when = found.done.get(lesson.slug, {}).get(number)
                yield {
                    "name": row.name,
                    "email": row.email,
                    "user": row.user_name,
                    "account": row.account_id,
                    "lesson": lesson.slug,
                    "step": number,
                    "title": step.title,
                    "done": number in done,
                    "time": when.isoformat() if when else "",
                }
