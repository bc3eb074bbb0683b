"""Ticks of the key list that stay while one pages without scripts: kept in the browser session, for one endpoint's account and Region at
a time. With scripts the page keeps them by itself (static/js/selection.js)."""

from __future__ import annotations

from console.request import ConsoleRequest
from keys.inventory import inventory

MOST = 900  # what one form may send
_KEPT = "key_list_ticks"


def kept(request: ConsoleRequest) -> list[str]:
    found = request.session.get(_KEPT)
    return list(found["keys"]) if found and found["place"] == inventory.place(request) else []


def keep(request: ConsoleRequest, shown: list[str], ticked: list[str]) -> bool:
    """Of the keys that were shown those that are ticked, and the others as they were. False where that is more than is kept."""
    others = [each for each in kept(request) if each not in set(shown)]
    keys = list(dict.fromkeys([*others, *ticked]))
    request.session[_KEPT] = {"place": inventory.place(request), "keys": keys[:MOST]}
    return len(keys) <= MOST


def clear(request: ConsoleRequest) -> None:
    request.session.pop(_KEPT, None)
