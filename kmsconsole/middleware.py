"""Around every page: the reader's time zone, and a page for a method that an address does not take."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

Handler = Callable[[HttpRequest], HttpResponse]


def TimeZoneMiddleware(get_response: Handler) -> Handler:
    """Times are shown in the zone that the page's script found out (cookie `tz`, an IANA name), in UTC without it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        zone = _zone(request.COOKIES.get("tz", ""))
        if zone is None:
            timezone.deactivate()
            return get_response(request)
        with timezone.override(zone):
            return get_response(request)

    return middleware


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a cookie may hold anything, a folder's name too
        return None


def MethodNotAllowedMiddleware(get_response: Handler) -> Handler:
    """Django answers 405 without a body; a person who reloads an address that takes forms only deserves a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and not response.content:
            page = render(request, "errors/405.html", {"allowed": response["Allow"]}, status=405)
            page["Allow"] = response["Allow"]
            return page
        return response

    return middleware
