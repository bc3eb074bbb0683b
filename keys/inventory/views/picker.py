"""The options of a key picker that its search finds, for the page that shows it: htmx puts them into the select or the datalist."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render

from console.addresses import filter_text
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory


def options(request: ConsoleRequest) -> HttpResponse:
    """`find` (`key` in the access explorer, where the field itself is the search) is searched among the keys of `usage` (any, where it is empty); `symmetric` leaves only those of symmetric encryption."""
    text = filter_text(request.GET, "key" if "key" in request.GET else "find").text
    symmetric = bool(request.GET.get("symmetric"))
    try:
        usage = request.GET.get("usage", "")
        found = inventory.keys_for_picker(request, usage, symmetric_only=symmetric, text=text)
        unread = inventory.synced_keys(request).visibility.unread_actions(inventory.needs_of(text))
    except ClientError as error:
        return render(request, "keys/inventory/options.html", {"problem": service.sentence(error)}, status=403)
    shown = {"choices": found, "unread": unread, "progress": inventory.progress(request)}
    return render(request, "keys/inventory/options.html", shown)
