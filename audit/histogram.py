"""When events happened, as a chart of bars that lead into their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from console import addresses, charts
from console.request import ConsoleRequest
from keys.record.events import Interval


@dataclass(frozen=True, slots=True)
class Column:
    """One interval with its bar; `zoomed` is the query of the page's address that shows it alone."""

    begin: datetime
    number: int
    bar: charts.Bar
    zoomed: str


_NOT_ZOOMED = ("start", "end", "after", "live", "print")  # of a page's address: the time, and a place in the list


def histogram(request: ConsoleRequest, intervals: Sequence[Interval]) -> dict[str, Any] | None:
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
    query = addresses.repeated(request)
    for name in _NOT_ZOOMED:
        query.pop(name, None)
    filters = f"{query.urlencode()}&" if query else ""
    columns = [
        Column(each.begin, each.number, bar, f"?{filters}{_time(each)}")
        for each, bar in zip(intervals, chart.bars, strict=True)
    ]
    return {"chart": chart, "columns": columns, "zooms": length > timedelta(seconds=1)}


def _time(interval: Interval) -> str:
    return urlencode({"start": _utc(interval.begin), "end": _utc(interval.end - timedelta(seconds=1))})


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
