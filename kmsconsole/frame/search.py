"""Search: keys by what pages show of them, users, groups and roles by name, pages and actions by theirs, and phrases ("rotate payments").
The palette's answers, and a page of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from console.addresses import LONGEST_FILTER
from console.aws_calls import pages
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory, reads, search_terms
from keys.viewer import is_allowed
from kmsconsole.frame import context, key_actions, store_actions
from kmsconsole.frame.key_actions import KeyAction

KEYS_SHOWN = 8
PRINCIPALS_SHOWN = 6
_SHORTEST_NAME = 2  # letters that users, groups and roles are looked for by

# Kind of principal: its words, icon, page, the operation that lists them, and where it has their names.
_PRINCIPALS = (
    (_("User"), "user", "user", "ListUsers", "list_users", "Users", "UserName"),
    (_("Group"), "user-group", "group", "ListGroups", "list_groups", "Groups", "GroupName"),
    (_("Role"), "identification", "role", "ListRoles", "list_roles", "Roles", "RoleName"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A user, group or role."""

    kind: Any
    icon: str
    label: str
    url: str


@dataclass(slots=True)
class SearchResults:
    keys: list[Any] = field(default_factory=list)
    more_keys: bool = False
    key_actions: list[KeyAction] = field(default_factory=list)
    store_actions: list[KeyAction] = field(default_factory=list)
    principals: list[Found] = field(default_factory=list)
    pages: list[context.Entry] = field(default_factory=list)
    actions: list[context.Entry] = field(default_factory=list)
    problem: str = ""
    # What would have to be allowed for each key to be found by all that it has.
    unread: list[str] = field(default_factory=list)
    progress: bool = False  # whether some keys are not looked at yet

    @property
    def is_empty(self) -> bool:
        return not self.progress and not (
            self.keys or self.key_actions or self.store_actions or self.principals or self.pages or self.actions
        )


def search(request: ConsoleRequest) -> HttpResponse:
    wanted = search_terms.filter_text(request.GET)
    found = _find(request, wanted.typed if len(wanted.typed) <= LONGEST_FILTER else "", wanted.text)
    partial = bool(request.htmx)
    return render(
        request,
        "components/search_results.html" if partial else "search.html",
        {
            "q": wanted.typed,
            "filter": wanted,
            "found": found,
            "partial": partial,
            # Another endpoint's keys are found beside the principals of the console's own account.
            "principals_of": request.signed_in.account_id if service.backend(request).kind == service.URL else "",
        },
    )


def _find(request: ConsoleRequest, typed: str, text: str) -> SearchResults:
    """With nothing typed: every page and action, so that the palette is a menu too. `text`: what keys are looked for by."""
    words = typed.lower().split()
    found = SearchResults(
        pages=[e for group in context.navigation_of(request) for e in group.entries if _matches(e, words)],
        actions=[each for each in context.actions() if _matches(each, words) and context.opens(request, each)],
    )
    if not words:
        return found
    try:
        if text:
            keys = inventory.synced_keys(request)
            rows = list(keys.matching(text).by_name()[: KEYS_SHOWN + 1])
            if len(rows) <= KEYS_SHOWN and keys.visibility.undescribable:
                rows += (
                    inventory.undescribable_keys(request).named(text).order_by("key_id")[: KEYS_SHOWN + 1 - len(rows)]
                )
            found.unread = keys.visibility.unread_actions(inventory.needs_of(text) | reads.DESCRIBE)
            found.keys = inventory.describe_rows(request, rows[:KEYS_SHOWN])
            found.more_keys = len(rows) > KEYS_SHOWN
            found.progress = inventory.progress(request) is not None
        found.key_actions = key_actions.actions(request, typed)
    except ClientError as error:
        found.problem = service.sentence(error)
    found.store_actions = store_actions.actions(request, typed)
    if len(words) == 1 and len(typed) >= _SHORTEST_NAME:
        found.principals = _principals(request, words[0])
    return found


def _principals(request: ConsoleRequest, word: str) -> list[Found]:
    """Those whose name holds the word, of the kinds that the principal may list; the names that begin with it first."""
    if service.backend(request).kind == service.AWS and request.htmx:
        return []  # three calls over the network for each letter
    iam = service.client(request, "iam")
    found: list[tuple[bool, str, Found]] = []
    for kind, icon, url_name, operation, method, member, name_member in _PRINCIPALS:
        if not is_allowed(request, f"iam:{operation}"):
            continue
        for name in (each[name_member] for each in pages(iam, method, member)):
            if word in name.lower():
                found.append(
                    (not name.lower().startswith(word), name, Found(kind, icon, name, reverse(url_name, args=[name])))
                )
    return [each for _late, _name, each in sorted(found, key=lambda each: each[:2])[:PRINCIPALS_SHOWN]]


def _matches(entry: context.Entry, words: list[str]) -> bool:
    label = str(entry.label).lower()
    return all(word in label for word in words)
