"""The key lists: customer managed and AWS managed. Filter, facets, sort, columns and pages are all in the address."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from console import addresses
from console.request import ConsoleRequest
from keys import viewer
from keys.common import problem_page
from keys.inventory import inventory, ticks
from keys.inventory.bulk import BULK_ACTIONS
from keys.inventory.columns import BY_FIELD, COLUMNS, FACETS
from keys.inventory.lists import DUE, SIZES, Listing, synced_listing
from keys.inventory.views import past
from keys.models import SavedView
from keys.record import as_of

TITLES = {"CUSTOMER": gettext_lazy("Customer managed keys"), "AWS": gettext_lazy("AWS managed keys")}
URLS = {"CUSTOMER": "keys", "AWS": "aws-keys"}
_VIEW = ("q", "sort", "size", "cols", "tag", "due", *FACETS)  # what a saved view keeps of an address


@as_of.shows_past
def customer(request: ConsoleRequest) -> HttpResponse:
    asked = as_of.asked(request)
    if asked is not None:
        return past.page(request, TITLES["CUSTOMER"], asked)
    return _list(request, "CUSTOMER")


def aws(request: ConsoleRequest) -> HttpResponse:
    return _list(request, "AWS")


def _list(request: ConsoleRequest, manager: str) -> HttpResponse:
    try:
        listing = synced_listing(request, manager, request.GET)
        rows = listing.shown()
    except ClientError as error:
        return problem_page(request, TITLES[manager], error)
    first = (listing.page - 1) * listing.size
    progress = inventory.progress(request)
    ticked = ticks.kept(request)
    return render(
        request,
        "keys/inventory/list.html",
        {
            "title": TITLES[manager],
            "manager": manager,
            "listing": listing,
            "rows": rows,
            "first": first + 1 if rows else 0,
            "last": first + len(rows),
            "columns": [(column, past.direction(listing.sort, column.field)) for column in listing.columns],
            "lone_alias": BY_FIELD["key_id"] not in listing.columns,
            "all_columns": [(column, column in listing.columns) for column in COLUMNS],
            "facets": listing.facets(),
            "managers": [
                (reverse(URLS[each]), words, listing.managed_by(each), each == manager)
                for each, words in (("CUSTOMER", _("Customer")), ("AWS", "AWS"))
            ],
            "chips": _chips(listing),
            "kept": _kept(addresses.repeated(request)),
            "sizes": SIZES,
            "actions": [(slug, action.words) for slug, action in BULK_ACTIONS.items()],
            "views": _views(request, manager),
            "progress": progress,
            "first_reading": progress is not None and progress.synchronised is None,
            "ticks": ticked,
            "other_ticks": [each for each in ticked if each not in {row.key_id for row in rows}],
        },
    )


def _chips(listing: Listing) -> list[tuple[str, Any, str]]:
    """(parameter, words, value) of each thing that narrows the list and can be taken away."""
    chips: list[tuple[str, Any, str]] = [("q", _("Text"), listing.text)] if listing.text else []
    chips += [(name, FACETS[name], value) for name, value in listing.chosen.items()]
    if listing.tag:
        chips.append(("tag", _("Tag"), listing.tag))
    if listing.due:
        chips.append(("due", "", str(DUE[listing.due][0])))
    return chips


def _kept(query: QueryDict) -> list[tuple[str, str]]:
    """What the filter's form sends along beside its text: all of the address that a list knows, but the page."""
    return [(name, value) for name in _VIEW if name != "q" for value in query.getlist(name) if value]


def _views(request: ConsoleRequest, manager: str) -> list[tuple[SavedView, bool]]:
    """The principal's saved views, and which of them is being looked at."""
    now = _view_query(request.GET)
    views = SavedView.objects.filter(owner=viewer.owner(request), manager=manager)
    return [(view, view.query == now) for view in views]


def _view_query(query: QueryDict) -> str:
    kept = QueryDict(mutable=True)
    for name in _VIEW:
        if values := [value for value in query.getlist(name) if value]:
            kept.setlist(name, values)
    return kept.urlencode()


def progress(request: ConsoleRequest) -> HttpResponse:
    """The banner of a reading that goes on, asked for again and again by the page that shows it; at the end a link to the whole list."""
    try:
        inventory.synced_keys(request)
    except ClientError as error:
        return problem_page(request, TITLES["CUSTOMER"], error)
    now = inventory.progress(request)
    return render(request, "keys/inventory/progress.html", {"progress": now, "was_read": now is None})


@require_POST
def save_view(request: ConsoleRequest) -> HttpResponse:
    """Keep, or with `delete` drop, a view of this principal's under its name."""
    manager = request.POST.get("manager", "CUSTOMER")
    address = reverse(URLS.get(manager, "keys"))
    owner, name = viewer.owner(request), request.POST.get("name", "").strip()[:80]
    query = _view_query(QueryDict(request.POST.get("query", "")[:4000]))
    if request.POST.get("delete"):
        SavedView.objects.filter(owner=owner, manager=manager, name=name).delete()
        messages.success(request, _("The view “%(name)s” is deleted.") % {"name": name})
    elif name and manager in URLS:
        SavedView.objects.update_or_create(owner=owner, manager=manager, name=name, defaults={"query": query})
        messages.success(request, _("The view is saved as “%(name)s”.") % {"name": name})
    else:
        messages.error(request, _("A view needs a name."))
    return redirect(f"{address}?{query}")
