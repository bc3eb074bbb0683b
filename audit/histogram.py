"""When events happened, as a chart of bars that lead into their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from console import charts
from keys.record.events import Interval


@dataclass(frozen=True, slots=True)
class Column:
    """One interval with its bar; `start` and `end` are what an address has for it."""

    begin: datetime
    number: int
    bar: charts.Bar
    start: str
    end: str


def histogram(intervals: Sequence[Interval]) -> dict[str, Any] | None:
    """The chart with its columns; None where there is no event."""
    if not intervals:
        return None
    length = intervals[0].end - intervals[0].begin
    day, time = ("j M Y", "j M Y") if length >= timedelta(days=1) else ("j M H:i", "j M H:i:s")
    if length < timedelta(minutes=1):
        day = "H:i:s"
    names = [timezone.localtime(each.begin) for each in intervals]
    drawn = [
        (
            date_format(name, day),
            _("%(number)d from %(time)s on") % {"number": each.number, "time": date_format(name, time)},
            (("good", each.number),),
        )
        for each, name in zip(intervals, names, strict=True)
    ]
    chart = charts.bars(drawn, every=max(1, -(-len(drawn) // 5)))
    columns = [
        Column(each.begin, each.number, bar, _utc(each.begin), _utc(each.end - timedelta(seconds=1)))
        for each, bar in zip(intervals, chart.bars, strict=True)
    ]
    return {"chart": chart, "columns": columns, "zooms": length > timedelta(seconds=1)}


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
