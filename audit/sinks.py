"""Where the record is streamed to, and how far each receiver is. The sinks are the installation's: its file KMSCONSOLE_SINKS says them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from console import kept_words
from console.request import ConsoleRequest
from engine.public import sinks
from engine.public.sinks import Shown
from keys.common import requires

LIST = "kmsconsole:ListSinks"
_LATE_SECONDS = 2.0  # times of events are whole seconds


@dataclass(frozen=True, slots=True)
class Row:
    """`late`: events wait for longer than it takes to send what was just recorded, such as the look at this page."""

    shown: Shown
    late: bool
    delivered: datetime | None
    failing_since: datetime | None
    problem: str


@require_safe
@requires(LIST, gettext_lazy("Sinks"))
def page(request: ConsoleRequest) -> HttpResponse:
    return render(request, "audit/sinks.html", {"rows": [_row(each) for each in sinks.of_installation()]})


def _row(shown: Shown) -> Row:
    late = shown.behind > 0 and (shown.lag is None or shown.lag >= _LATE_SECONDS)
    problem = kept_words.in_readers_language(shown.problem, sinks.PROBLEMS)
    return Row(shown, late, _moment(shown.position.delivered), _moment(shown.position.failing_since), problem)


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
