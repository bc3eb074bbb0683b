"""All values of one facet of a key list, searched and a page at a time; each leads to the list narrowed to it."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from console import addresses, key_words
from console.request import ConsoleRequest
from keys.common import problem_page
from keys.inventory import inventory, reads
from keys.inventory.columns import FACETS
from keys.inventory.lists import FacetValue, Listing, synced_listing
from keys.inventory.views.listing import TITLES, URLS

_PAGE = 50
_OWN = ("facet", "within", "part", "manager")  # what this page's address has besides that of the list


def values(request: ConsoleRequest) -> HttpResponse:
    """`facet` names it, `within` searches the values, `part` is the page of them, and the rest of the address is the list's."""
    name = request.GET.get("facet", "tag")
    if name not in FACETS and name != "tag":
        raise Http404
    label = FACETS.get(name) or _("Tag")
    manager = request.GET.get("manager", "CUSTOMER")
    manager = manager if manager in URLS else "CUSTOMER"
    wanted = addresses.filter_text(request.GET, "within")
    part = request.GET.get("part", "")
    first = (int(part) - 1) * _PAGE if part.isdecimal() and 0 < len(part) < 6 and int(part) else 0
    try:
        listing = synced_listing(request, manager, request.GET)
        found = [] if wanted.problem else _found(listing, name, wanted.text, first)
        uncounted = name == "tag" and not found and not listing.tags_are_counted and listing.visibility.denied_mask
    except ClientError as error:
        return problem_page(request, label, error)
    return render(
        request,
        "keys/inventory/facet.html",
        {
            "title": TITLES[manager],
            "list_address": _address(request, manager, name, None),
            "label": label,
            "name": name,
            "manager": manager,
            "filter": wanted,
            "kept": [
                (key, value) for key, each in addresses.repeated(request).lists() if key not in _OWN for value in each
            ],
            "rows": [(each, _address(request, manager, name, each.value)) for each in found[:_PAGE]],
            "keys_of_tags": _keys_of_tags(request, manager, found[:_PAGE]) if name == "tag" else [],
            "uncounted": uncounted,
            "progress": inventory.progress(request),
            "unread": listing.visibility.unread_actions(
                reads.TAGS if name == "tag" else reads.FACET_NEEDS.get(name, 0)
            ),
            "part": first // _PAGE + 1,
            "more": len(found) > _PAGE,
        },
    )


def _found(listing: Listing, name: str, text: str, first: int) -> list[FacetValue]:
    """Those that hold the text, from the first on; one more than a page has, if there is one."""
    if name == "tag":
        return listing.tags_holding(text, first, _PAGE + 1)
    lower = text.lower()
    holding = [
        each
        for each in listing.facet_values(name)
        if lower in each.value.lower() or lower in str(key_words.value_words(name, each.value)).lower()
    ]
    return holding[first : first + _PAGE + 1]


def _address(request: ConsoleRequest, manager: str, name: str, value: str | None) -> str:
    """The list, narrowed to a value of the facet, or by None to none."""
    query = addresses.repeated(request)
    for each in (*_OWN, "page", name):
        query.pop(each, None)
    if value is not None:
        query[name] = value
    return f"{reverse(URLS[manager])}?{query.urlencode()}"


def _keys_of_tags(request: ConsoleRequest, manager: str, found: list[FacetValue]) -> list[tuple[str, str]]:
    """(tag key, address of the list of all keys that have it) of the tags on the page."""
    names = dict.fromkeys(each.value.partition("=")[0] for each in found)
    return [(each, _address(request, manager, "tag", each)) for each in names]
