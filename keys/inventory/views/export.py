"""A list of keys as a file, CSV or JSON: streamed row by row, with the filter and order of the list it was asked from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from keys.common import problem_page
from keys.inventory import inventory, untold
from keys.inventory.columns import COLUMNS
from keys.inventory.lists import synced_listing

if TYPE_CHECKING:
    from keys.inventory.inventory import Row


# The last line of a file whose rest cannot be told.
CUT = "This file is cut: what you may read was decided anew while it was written. Export again."


def export(request: ConsoleRequest) -> HttpResponseBase:
    name = request.GET.get("format", "csv")
    if name not in ("csv", "json"):
        raise Http404
    manager = "AWS" if request.GET.get("manager") == "AWS" else "CUSTOMER"
    try:
        rows = synced_listing(request, manager, request.GET, whole=True).export()
    except ClientError as error:
        return problem_page(request, _("Export keys"), error)
    as_json = name == "json"
    answer = StreamingHttpResponse(
        _json(request, rows) if as_json else _csv(request, rows),
        content_type="application/json" if as_json else "text/csv; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="keys.{name}"'
    return answer


def values(request: ConsoleRequest, row: Row) -> tuple[dict[str, Any], dict[str, str]]:
    """A key's columns by their names, times in ISO 8601, UTC; and of those that are not known, why: "not permitted" and the like."""
    found: dict[str, Any] = {"arn": row.arn}
    unknown: dict[str, str] = {}
    for column in COLUMNS:
        name = "aliases" if column.field == "alias" else column.field
        value = row.aliases if column.field == "alias" else getattr(row, column.field)
        found[name] = value.isoformat() if isinstance(value, datetime) else value
        lacking = untold.of_row(request, row, column.tells, explained=False)
        if lacking is not None:
            found[name], unknown[name] = None, lacking.kind
    return found, unknown


def _csv(request: ConsoleRequest, rows: Iterator[Row]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(["arn", *("aliases" if column.field == "alias" else column.field for column in COLUMNS)])
    try:
        for row in rows:
            known, unknown = values(request, row)
            yield writer.writerow([cell(value) for value in (known | unknown).values()])
    except inventory.ForgottenError:
        yield writer.writerow([CUT])


def _json(request: ConsoleRequest, rows: Iterator[Row]) -> Iterator[str]:
    """What is not known is null, and named under `unknown` with why."""
    yield "["
    comma = ""
    try:
        for row in rows:
            known, unknown = values(request, row)
            if unknown:
                known["unknown"] = unknown
            yield f"{comma}\n{json.dumps(known, ensure_ascii=False)}"
            comma = ","
    except inventory.ForgottenError:
        yield f"{comma}\n{json.dumps({'cut': CUT})}"
    yield "\n]\n"
