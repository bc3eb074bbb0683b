"""What every page shows around its content: navigation, endpoint, account, Region, theme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation. An entry whose page does not exist is left out, so no link is ever dead."""

    label: Any
    url_name: str
    icon: str
    prefix: str = ""

    @property
    def url(self) -> str:
        return reverse(self.url_name)


@dataclass(frozen=True, slots=True)
class Group:
    label: Any
    entries: tuple[Entry, ...]


_NAVIGATION = (
    Group(
        _("Keys"),
        (
            Entry(_("Overview"), "home", "squares-2x2"),
            Entry(_("Customer managed keys"), "keys", "key"),
            Entry(_("AWS managed keys"), "aws-keys", "building-office-2"),
            Entry(_("Playground"), "playground", "beaker"),
        ),
    ),
    Group(
        _("Access"),
        (
            Entry(_("Users"), "users", "user"),
            Entry(_("Groups"), "groups", "user-group"),
            Entry(_("Roles"), "roles", "identification"),
            Entry(_("Access explorer"), "access", "shield-check"),
        ),
    ),
    Group(_("Record"), (Entry(_("Audit"), "audit", "clipboard-document-list"),)),
)


@cache
def navigation() -> tuple[Group, ...]:
    groups = []
    for group in _NAVIGATION:
        entries = tuple(entry for entry in group.entries if _exists(entry.url_name))
        if entries:
            groups.append(Group(group.label, entries))
    return tuple(groups)


def _exists(url_name: str) -> bool:
    try:
        reverse(url_name)
    except NoReverseMatch:
        return False
    return True


@cache
def regions() -> tuple[str, ...]:
    return tuple(sorted(boto3.session.Session().get_available_regions("kms")))


def frame(request: HttpRequest) -> dict[str, Any]:
    backend = settings.BACKEND
    endpoint = {"embedded": _("Embedded"), "aws": _("Real AWS")}.get(backend, backend)
    signed_in = getattr(request, "signed_in", None)
    path = request.path
    current = max(
        (entry.url for group in navigation() for entry in group.entries if path.startswith(entry.url)),
        key=len,
        default="",
    )
    return {
        "navigation": navigation() if signed_in else (),
        "current_entry": current,
        "endpoint": endpoint,
        "endpoint_kind": backend if backend in ("embedded", "aws") else "url",
        "signed_in": signed_in,
        "regions": regions() if signed_in else (),
        "theme": request.COOKIES.get("theme", "system"),
    }
