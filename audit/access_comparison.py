"""Who gained or lost what with a key between two moments, and because of what changed: both decisions made over the record of then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.forms import TwoMomentsForm
from console import paging
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys import service
from keys.common import problem_page
from keys.evaluator import decisions, explanation, operations, past_access
from keys.evaluator.decisions import DEPENDS, NO, YES, AccessEvaluator, RequestContext
from keys.evaluator.key_view import KeyView
from keys.evaluator.operations import Column
from keys.evaluator.past_access import PastAccess
from keys.evaluator.principal_directory import PrincipalDirectory, Subject
from keys.evaluator.question import Question
from keys.record import key_states, past_keys
from keys.record.snapshots import KeySnapshot

PAGE = 25
WRITE = "write"  # the kind of call, as the search has it
GAINED, LOST = "gained", "lost"
_MORE = (NO, DEPENDS, YES)
_CREATED = gettext_lazy("The key was created")
_DELETED = gettext_lazy("The key was deleted")
_CAME = gettext_lazy("The principal was created")
_WENT = gettext_lazy("The principal was deleted")


@dataclass(frozen=True, slots=True)
class Side:
    """A moment: the key then, None where there was none, and the principals. `as_of` is "" for now."""

    moment: datetime
    as_of: str
    key: KeySnapshot | None
    view: KeyView | None
    then: PastAccess

    @property
    def people(self) -> PrincipalDirectory:
        return self.then.people

    @property
    def asked(self) -> RequestContext:
        return RequestContext({}, {}, self.moment)

    def address(self, subject: str, action: str) -> str:
        """Where the decision is explained; "" where there is nothing to decide."""
        if self.view is None or self.people.find(subject) is None:
            return ""
        return Question(subject, action, self.view.key_id, {}, {}, self.moment, self.as_of).address()

    def headline(self, subject: str, action: str, answer: str) -> str:
        """How the answer was decided; "" where there was nothing to decide, or only a request would tell."""
        found = self.people.find(subject)
        if self.view is None or found is None or answer == DEPENDS:
            return ""
        return explanation.headline(decisions.explain(found, action, self.view, self.asked))


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Operations that a principal gained or lost for the same reasons, with how the first of them was decided before and after."""

    mark: str
    before: str
    after: str
    causes: tuple[str | Promise, ...]
    columns: tuple[Column, ...]
    sentences: tuple[str, str]
    addresses: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Parts:
    """All that a decision comes from; each can be taken from either moment."""

    subject: Subject
    view: KeyView
    asked: RequestContext

    def cell(self, action: str) -> str:
        return AccessEvaluator(self.subject, self.view, self.asked).cell(action)


# What may have changed, and how a decision takes it over from another moment.
_CAUSES: tuple[tuple[str | Promise, Any], ...] = (
    (gettext_lazy("Key policy"), lambda one, other: replace(one, view=replace(one.view, policy=other.view.policy))),
    (gettext_lazy("Grants"), lambda one, other: replace(one, view=replace(one.view, grants=other.view.grants))),
    (
        gettext_lazy("Tags or aliases of the key"),
        lambda one, other: replace(one, view=replace(one.view, condition_context=other.view.condition_context)),
    ),
    (gettext_lazy("Policies, groups or tags of the principal"), lambda one, other: replace(one, subject=other.subject)),
)


def page(request: ConsoleRequest, key_id: str) -> HttpResponse:
    now = service.record_now(request)
    form = TwoMomentsForm(request.GET if "before" in request.GET else None, now=now)
    context: dict[str, Any] = {"form": form, "key_id": key_id}
    if not form.is_bound:
        return render(request, "audit/access_comparison.html", context)
    if not form.is_valid():
        return render(request, "audit/access_comparison.html", context, status=422)
    before, after = form.cleaned_data["before"], form.cleaned_data["after"]
    try:
        was, then = past_keys.key_at_both(request, key_id, before, after or now)
        older = _side(request, was.key, before, before.isoformat())
        newer = _side(request, then.key, after or now, after.isoformat() if after else "")
    except ClientError as error:
        return problem_page(request, _("Who gained and lost access"), error)
    except MalformedPolicy as reason:
        return render(request, "audit/access_comparison.html", {**context, "unreadable": reason.reason}, status=409)
    if older.key is None and newer.key is None:
        return render(request, "audit/access_comparison.html", {**context, "unknown": True}, status=404)
    found = paging.page_of(changed(older, newer), PAGE, request.GET)
    context |= {
        "page": found,
        "rows": [(subject, list(reasons(subject.arn, cells, older, newer))) for subject, cells in found],
        "older": older,
        "newer": newer,
        "events": _events(key_id, before, after or now),
        "principals": older.then.principals,
        "grants_known": all(side.view is None or side.view.grants_known for side in (older, newer)),
        "notes": list(dict.fromkeys((*older.people.problems, *newer.people.problems))),
    }
    return render(request, "audit/access_comparison.html", context)


def _events(key_id: str, begin: datetime, end: datetime) -> str:
    """The address of what changed of the key in between."""
    asked = {"key": key_id, "kind": WRITE, "start": begin.isoformat(), "end": end.isoformat()}
    return f"{reverse('audit')}?{urlencode(asked)}"


def _side(request: ConsoleRequest, key: KeySnapshot | None, moment: datetime, as_of: str) -> Side:
    """Raises ClientError, MalformedPolicy, HistoryBeingRead."""
    then = past_access.read(request, moment)
    usable = key is not None and key.state(moment) != key_states.DELETED
    view = past_access.view(key, then.principals.account) if key is not None and usable else None
    return Side(moment, as_of, key, view, then)


Cells = dict[Column, tuple[str, str]]


def changed(older: Side, newer: Side) -> list[tuple[Subject, Cells]]:
    """The principals of whom an answer differs, with the answers that do: (before, after). Neither side's key may be missing in both."""
    view = newer.view or older.view
    if view is None:
        return []
    columns = operations.columns(view.spec, view.usage)
    before, after = _answers(older, columns), _answers(newer, columns)
    nothing = (NO,) * len(columns)
    found = []
    for arn in dict.fromkeys((*after, *before)):
        subject = after[arn][0] if arn in after else before[arn][0]
        was, then = before.get(arn, (subject, nothing))[1], after.get(arn, (subject, nothing))[1]
        cells = {column: (one, other) for column, one, other in zip(columns, was, then, strict=True) if one != other}
        if cells:
            found.append((subject, cells))
    return found


def _answers(side: Side, columns: tuple[Column, ...]) -> dict[str, tuple[Subject, tuple[str, ...]]]:
    if side.view is None:
        return {}
    actions = [column.action for column in columns]
    return {
        row.subject.arn: (row.subject, row.cells)
        for row in decisions.matrix(side.people, side.view, actions, side.asked)
    }


def reasons(arn: str, cells: Cells, older: Side, newer: Side) -> Iterator[AccessChange]:
    """The changes of one principal, those of the same kind and cause together."""
    groups: dict[tuple[str, str, tuple[str | Promise, ...]], list[Column]] = {}
    for column, (was, then) in cells.items():
        groups.setdefault((was, then, causes(arn, column.action, was, then, older, newer)), []).append(column)
    for (was, then, why), columns in groups.items():
        action = columns[0].action
        yield AccessChange(
            GAINED if _MORE.index(then) > _MORE.index(was) else LOST,
            was,
            then,
            why,
            tuple(columns),
            (older.headline(arn, action, was), newer.headline(arn, action, then)),
            (older.address(arn, action), newer.address(arn, action)),
        )


def causes(arn: str, action: str, was: str, then: str, older: Side, newer: Side) -> tuple[str | Promise, ...]:
    """What of the decision had to change for the answer to: what alone brings the new answer to what was, or the old one to what is now.
    Where only several together do, all that differ."""
    old, new = older.people.find(arn), newer.people.find(arn)
    if older.view is None or newer.view is None:
        return (_CREATED,) if older.view is None else (_DELETED,)
    if old is None or new is None:
        return (_CAME,) if old is None else (_WENT,)
    before, after = _Parts(old, older.view, older.asked), _Parts(new, newer.view, newer.asked)
    alone = [
        words
        for words, take in _CAUSES
        if take(before, after).cell(action) == then or take(after, before).cell(action) == was
    ]
    return tuple(alone) or tuple(words for words, take in _CAUSES if take(before, after) != before)
