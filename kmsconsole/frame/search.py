"""Search: keys by alias, ID, description or tag; pages and actions by name. The palette's answers, and a page of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render

from console.addresses import filter_text
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from kmsconsole.frame import context

KEYS_SHOWN = 8


@dataclass(slots=True)
class SearchResults:
    keys: list[Any] = field(default_factory=list)
    more_keys: bool = False
    pages: list[context.Entry] = field(default_factory=list)
    actions: list[context.Entry] = field(default_factory=list)
    problem: str = ""


def search(request: ConsoleRequest) -> HttpResponse:
    wanted = filter_text(request.GET)
    found = _find(request, wanted.text)
    partial = bool(request.htmx)
    return render(
        request,
        "components/search_results.html" if partial else "search.html",
        {"q": wanted.text, "filter": wanted, "found": found},
    )


def _find(request: ConsoleRequest, text: str) -> SearchResults:
    """With nothing typed: every page and action, so that the palette is a menu too."""
    words = text.lower().split()
    found = SearchResults(
        pages=[e for group in context.navigation() for e in group.entries if _matches(e, words)],
        actions=[entry for entry in context.actions() if _matches(entry, words)],
    )
    if words:
        try:
            rows = inventory.synced_keys(request).matching(text).by_name()
            listed = list(rows[: KEYS_SHOWN + 1])
        except ClientError as error:
            found.problem = service.sentence(error)
        else:
            found.keys, found.more_keys = (
                inventory.describe_rows(request, listed[:KEYS_SHOWN]),
                len(listed) > KEYS_SHOWN,
            )
    return found


def _matches(entry: context.Entry, words: list[str]) -> bool:
    label = str(entry.label).lower()
    return all(word in label for word in words)
