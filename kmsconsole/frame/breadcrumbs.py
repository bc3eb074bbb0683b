"""The way to a page, read off its address: the pages that stand above it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext_lazy

from keys.stores.stores import KINDS
from kmsconsole.frame.context import navigation

# Pages that others stand under, by the name of their pattern, and the argument they are called by; "" for those that have a name of their own.
_ABOVE = {
    "keys": "",
    "key": "key_id",
    "users": "",
    "user": "name",
    "groups": "",
    "group": "name",
    "roles": "",
    "role": "name",
    "policies": "",
    "identity-providers": "",
    "security-credentials": "",
    "audit": "",
    "audit-keys": "",
    "audit-compare-dates": "",
    "audit-alerts": "",
    "compliance": "",
    "compliance-check": "check_id",
    "stores": "",
    "stores-of": "kind",
    "store": "store_id",
    "labs": "",
    "lab-services": "",
    "playground": "",
    "learn": "",
    "classes": "",
    "endpoints": "",
}

# What those are called that are not in the navigation.
_CALLED = {
    "security-credentials": gettext_lazy("My security credentials"),
    "audit-compare-dates": gettext_lazy("Compare two dates"),
    "lab-services": gettext_lazy("Integrated services"),
}


def _words(name: str, arguments: dict[str, Any]) -> Any:
    """What a page is called by its address; nothing for one of the navigation."""
    if name == "stores-of":
        return KINDS[arguments["kind"]].many if arguments["kind"] in KINDS else ""
    return arguments[_ABOVE[name]] if _ABOVE[name] else _CALLED.get(name, "")


def above(request: HttpRequest, names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(address, words) from the top down. `names` has what an object is called where that is not what its address says."""
    words = {entry.url: entry.label for group in navigation() for entry in group.entries}
    parts = request.path.strip("/").split("/")
    for number in range(1, len(parts)):
        address = "/" + "/".join(parts[:number]) + "/"
        try:
            match = resolve(address)
        except Resolver404:
            continue
        name = match.url_name or ""
        if name not in _ABOVE:
            continue
        if name == "keys" and names.get("key_manager") == "AWS":
            address = reverse("aws-keys")
        yield address, names.get(name) or _words(name, match.kwargs) or words[address]
    if "/principals/policies/one/" in request.path and (arn := request.GET.get("arn")) and len(parts) > 3:
        yield f"{reverse('policy')}?{urlencode({'arn': arn})}", arn.rsplit("/", 1)[-1]
    if "/principals/identity-providers/one/" in request.path and (arn := request.GET.get("arn")) and len(parts) > 3:
        yield f"{reverse('identity-provider')}?{urlencode({'arn': arn})}", arn.partition("/")[2]
