"""How a lesson's words name a page of the console: the name of its address and what that takes, "key-tab/KEY/aliases"."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

KEY = "KEY"  # in the place of a key: the learner's, once there is one
EVENTS = "events"  # the audit page with the events of that key
_SAMPLE = "00000000-0000-0000-0000-000000000000"


def is_page(page: str) -> bool:
    try:
        address(page, _SAMPLE)
    except NoReverseMatch:
        return False
    return True


def address(page: str, key_id: str) -> str:
    """The list of keys stands in for the page of a key that is not there yet. Raises NoReverseMatch."""
    name, *arguments = page.split("/")
    if name == EVENTS:
        return f"{reverse('audit')}?{urlencode({'key': key_id})}"
    if KEY in arguments and not key_id:
        return reverse("keys")
    return reverse(name, args=[key_id if each == KEY else each for each in arguments])
