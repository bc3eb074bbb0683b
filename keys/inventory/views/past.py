"""The key list of `?as_of=`: read from the record alone, so it asks the endpoint for no key and changes nothing."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render

from console.request import ConsoleRequest
from keys.common import problem_page
from keys.inventory import past_list
from keys.inventory.past_list import COLUMNS, PastList
from keys.record import past_keys
from keys.record.as_of import AsOf


def page(request: ConsoleRequest, title: Any, as_of: AsOf) -> HttpResponse:
    if as_of.moment is None:
        return render(request, "keys/inventory/past_list.html", {"title": title, "as_of": as_of}, status=as_of.status)
    try:
        past = past_keys.all_known(request, as_of.moment, past_list.prepare)
    except ClientError as error:
        return problem_page(request, title, error)
    listing = PastList(past, as_of.moment, request.GET)
    return render(
        request,
        "keys/inventory/past_list.html",
        {
            "title": title,
            "as_of": as_of.of_record(past.begins),
            "listing": listing,
            "untold": past.untold,
            "observed": any(key.observed for key in past.keys),
            "page": listing.page,
            "facets": listing.facets(),
            "columns": [(field, words, direction(listing.sort, field)) for field, words in COLUMNS],
        },
    )


def direction(sort: str, field: str) -> dict[str, str]:
    """What a header shows and where its link goes."""
    now = "descending" if sort == f"-{field}" else "ascending" if sort == field else ""
    return {"now": now, "next": f"-{field}" if now == "ascending" else field}
