"""The key lists: customer managed and AWS managed. Filter, facets, sort, columns and pages are all in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.core.paginator import Paginator
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from keys import inventory
from keys.models import InventoryKey
from keys.views.common import problem_page

SIZES = (25, 50, 100)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: the field it sorts by, its words, whether it is shown unless asked otherwise."""

    field: str
    label: Any
    shown: bool = True


COLUMNS = (
    Column("alias", _("Aliases")),
    Column("key_id", _("Key ID")),
    Column("state", _("Status")),
    Column("type", _("Key type"), shown=False),
    Column("spec", _("Key spec")),
    Column("usage", _("Key usage")),
    Column("origin", _("Origin")),
    Column("created", _("Creation date")),
    Column("regionality", _("Regionality"), shown=False),
    Column("deletion_date", _("Deletion date"), shown=False),
    Column("rotation", _("Rotation"), shown=False),
    Column("tags", _("Tags"), shown=False),
)
FACETS = (("state", _("Status")), ("spec", _("Key spec")), ("usage", _("Key usage")), ("origin", _("Origin")))
_SORT = {"type": "spec"}
_UNSORTED = {"tags"}


def customer(request: HttpRequest) -> HttpResponse:
    return _list(request, "CUSTOMER", _("Customer managed keys"))


def aws(request: HttpRequest) -> HttpResponse:
    return _list(request, "AWS", _("AWS managed keys"))


def _list(request: HttpRequest, manager: str, title: Any) -> HttpResponse:
    try:
        rows = inventory.refreshed(request).filter(manager__in=(manager, "") if manager == "CUSTOMER" else (manager,))
    except ClientError as error:
        return problem_page(request, title, error)
    total = rows.count()
    rows = _filtered(rows, request)
    columns = _columns(request)
    sort = request.GET.get("sort", "alias" if manager == "AWS" else "-created")
    paginator = Paginator(rows.order_by(*_order(sort)), _size(request))
    page = paginator.get_page(request.GET.get("page"))
    return render(
        request,
        "keys/list.html",
        {
            "title": title,
            "manager": manager,
            "total": total,
            "page": page,
            "rows": inventory.visible(request, list(page.object_list)),
            "columns": [(column, _direction(sort, column.field)) for column in COLUMNS if column.field in columns],
            "all_columns": [(column, column.field in columns) for column in COLUMNS],
            "shown": columns,
            "facets": _facets(rows, request),
            "q": request.GET.get("q", ""),
            "sort": sort,
            "size": _size(request),
            "sizes": SIZES,
            "filtered": any(request.GET.get(name) for name in ("q", *(name for name, _label in FACETS))),
        },
    )


def _filtered(rows: QuerySet[InventoryKey], request: HttpRequest) -> QuerySet[InventoryKey]:
    for word in request.GET.get("q", "").lower().split():
        rows = rows.filter(search__contains=word)
    for name, _label in FACETS:
        if value := request.GET.get(name):
            rows = rows.filter(**{name: value})
    return rows


def _facets(rows: QuerySet[InventoryKey], request: HttpRequest) -> list[tuple[str, Any, list[tuple[str, int, bool]]]]:
    """For each facet its values with their counts among what is listed, and whether one is chosen."""
    facets = []
    for name, label in FACETS:
        counted = rows.exclude(**{name: ""}).values_list(name).annotate(number=Count("pk")).order_by("-number", name)
        values = [(value, number, request.GET.get(name) == value) for value, number in counted]
        if len(values) > 1 or any(chosen for _value, _number, chosen in values):
            facets.append((name, label, values))
    return facets


def _columns(request: HttpRequest) -> set[str]:
    chosen = set(request.GET.getlist("cols")) & {column.field for column in COLUMNS}
    return chosen or {column.field for column in COLUMNS if column.shown}


def _order(sort: str) -> list[Any]:
    field = sort.removeprefix("-")
    if field not in {column.field for column in COLUMNS} - _UNSORTED:
        field, sort = "created", "-created"
    column = F(_SORT.get(field, field))
    ordered = column.desc(nulls_last=True) if sort.startswith("-") else column.asc(nulls_last=True)
    return ["-has_alias", ordered, "key_id"] if field == "alias" else [ordered, "key_id"]


def _direction(sort: str, field: str) -> dict[str, Any]:
    """What a header shows and where its link goes."""
    now = "descending" if sort == f"-{field}" else "ascending" if sort == field else ""
    return {"now": now, "next": f"-{field}" if now == "ascending" else field, "sorts": field not in _UNSORTED}


def _size(request: HttpRequest) -> int:
    size = request.GET.get("size", "")
    return int(size) if size.isdigit() and int(size) in SIZES else SIZES[0]
