"""The pages of a list, and the whole list on one page, to print (`?print=all`): as far as a bound, and the page says where it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict

PRINTED = 500  # rows of a list on one page at most


def prints_all(query: QueryDict) -> bool:
    return query.get("print") == "all"


def page_of(rows: Sequence[Any], size: int, query: QueryDict) -> Page[Any]:
    if prints_all(query):
        return Paginator(rows, PRINTED).page(1)
    return Paginator(rows, size).get_page(query.get("page"))
