"""Pages of lists: Limit, Marker, Truncated and NextMarker. A marker says what comes next and belongs to one kind of list."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet

from engine.wire.errors import AWSError


def read_marker(kind: str, parameters: dict[str, Any]) -> str:
    """What a request's Marker points behind; "" for the first page. Raises InvalidMarkerException."""
    marker = parameters.get("Marker")
    if marker is None:
        return ""
    try:
        found, _, value = base64.urlsafe_b64decode(marker.encode()).decode().partition("|")
    except ValueError as reason:
        raise _invalid() from reason
    if found != kind or not value or "\0" in value:
        raise _invalid()
    return value


_UNSTORED = "-"  # opens the marker behind an item that is not stored; no stored name or number begins with it


def _invalid() -> AWSError:
    return AWSError("InvalidMarkerException", "Invalid marker")


def page(
    kind: str,
    parameters: dict[str, Any],
    rows: QuerySet[Any],
    column: str,
    *,
    limit: int,
    maximum: int = 1000,
    first: Sequence[Any] = (),
) -> tuple[list[Any], dict[str, Any]]:
    """(rows of this page, Truncated and NextMarker). `rows` are paged by the unique `column`, an index scan whatever their number.

    `first` are a few of the same kind that are not stored; they come before the rows, in their own order.
    """
    after = read_marker(kind, parameters)
    wanted = min(int(parameters.get("Limit", limit)), maximum)
    rows = rows.order_by(column)
    ahead = list(first)
    if after.startswith(_UNSTORED):
        names = [str(getattr(each, column)) for each in ahead]
        if after[1:] in names:
            ahead = ahead[names.index(after[1:]) + 1 :]
    elif after:
        ahead = []
        if column == "pk" and not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise _invalid()
        rows = rows.filter(**{f"{column}__gt": after})
    found = ahead[: wanted + 1]
    found += rows[: wanted + 1 - len(found)]
    return _cut(kind, found, wanted, lambda row: f"{_UNSTORED if row in ahead else ''}{getattr(row, column)}")


def page_of(
    kind: str,
    parameters: dict[str, Any],
    items: list[Any],
    name: Callable[[Any], str],
    *,
    limit: int,
    maximum: int = 1000,
    by_name: bool = False,
) -> tuple[list[Any], dict[str, Any]]:
    """The same for a short list in memory, in its own order; `name` gives each item's unique name.

    With `by_name` that is its order, and the item that a marker names may be gone by then.
    """
    after = read_marker(kind, parameters)
    wanted = min(int(parameters.get("Limit", limit)), maximum)
    names = [name(item) for item in items]
    if by_name:
        start = bisect_right(names, after)
    elif after and after not in names:
        raise _invalid()
    else:
        start = names.index(after) + 1 if after else 0
    return _cut(kind, items[start : start + wanted + 1], wanted, name)


def _cut(kind: str, found: list[Any], wanted: int, name: Callable[[Any], str]) -> tuple[list[Any], dict[str, Any]]:
    if len(found) <= wanted:
        return found, {"Truncated": False}
    shown = found[:wanted]
    marker = base64.urlsafe_b64encode(f"{kind}|{name(shown[-1])}".encode()).decode()
    return shown, {"Truncated": True, "NextMarker": marker}
