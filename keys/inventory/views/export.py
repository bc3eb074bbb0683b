"""A list of keys as a file, CSV or JSON: streamed row by row, with the filter and order of the list it was asked from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from keys.common import problem_page
from keys.inventory.lists import COLUMNS, synced_listing

if TYPE_CHECKING:
    from keys.inventory.inventory import Row


def export(request: ConsoleRequest) -> HttpResponseBase:
    manager = "AWS" if request.GET.get("manager") == "AWS" else "CUSTOMER"
    try:
        rows = synced_listing(request, manager, request.GET).export()
    except ClientError as error:
        return problem_page(request, _("Export keys"), error)
    as_json = request.GET.get("format") == "json"
    answer = StreamingHttpResponse(
        _json(rows) if as_json else _csv(rows),
        content_type="application/json" if as_json else "text/csv; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="keys.{"json" if as_json else "csv"}"'
    return answer


def values(row: Row) -> dict[str, Any]:
    """A key's columns by their names; times in ISO 8601, UTC."""
    found: dict[str, Any] = {"arn": row.arn}
    for column in COLUMNS:
        value = row.aliases if column.field == "alias" else getattr(row, column.field)
        found["aliases" if column.field == "alias" else column.field] = (
            value.isoformat() if isinstance(value, datetime) else value
        )
    return found


def _csv(rows: Iterator[Row]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(["arn", *("aliases" if column.field == "alias" else column.field for column in COLUMNS)])
    for row in rows:
        yield writer.writerow([cell(value) for value in values(row).values()])


def _json(rows: Iterator[Row]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield ("," if number else "") + "\n" + json.dumps(values(row), ensure_ascii=False)
    yield "\n]\n"
