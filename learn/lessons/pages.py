"""How a lesson's words name a page of the console: the name of its address and what that takes, "key-tab/KEY/aliases"."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from keys.detail.views import TABS
from learn.labs.services import SERVICES
from playground.table import OPERATIONS

KEY = "KEY"  # in the place of a key: the learner's, once there is one
EVENTS = "events"  # the audit page with the events of that key
_SAMPLE = "00000000-0000-0000-0000-000000000000"
# Address → what its last argument may be: others are refused by the page, not by the address.
_LAST: dict[str, Collection[str]] = {
    "play": OPERATIONS,
    "lab-service": SERVICES,
    "key-tab": TABS,
    "store-new": ("cloudhsm", "xks"),
}


def is_page(page: str) -> bool:
    name, _, arguments = page.partition("/")
    try:
        address(page, _SAMPLE)
    except NoReverseMatch:
        return False
    return name not in _LAST or arguments.rpartition("/")[2] in _LAST[name]


def address(page: str, key_id: str) -> str:
    """The list of keys stands in for the page of a key that is not there yet. Raises NoReverseMatch."""
    name, *arguments = page.split("/")
    if name == EVENTS:
        return f"{reverse('audit')}?{urlencode({'key': key_id})}"
    if KEY in arguments and not key_id:
        return reverse("keys")
    return reverse(name, args=[key_id if each == KEY else each for each in arguments])
