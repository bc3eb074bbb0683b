"""Every cookie that the console reads, and what it may hold. A browser sends what it likes: whatever else comes is not read, and removed."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from engine.public.names import is_region_name

THEMES = ("system", "light", "dark")


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def zone_of(name: str) -> zoneinfo.ZoneInfo | None:
    """A time zone by its IANA name; None for what is none."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a cookie may hold anything, a folder's name too
        return None


COOKIES: Mapping[str, Callable[[str], bool]] = {
    settings.SESSION_COOKIE_NAME: _matches(re.compile(r"[a-z0-9]{32}")),
    settings.CSRF_COOKIE_NAME: _matches(re.compile(r"[A-Za-z0-9]{32}|[A-Za-z0-9]{64}")),
    settings.LANGUAGE_COOKIE_NAME: dict(settings.LANGUAGES).__contains__,
    "account": _matches(re.compile(r"[a-z0-9-]{1,63}")),  # an account's number or alias, as a sign-in left it
    "region": is_region_name,
    "theme": THEMES.__contains__,
    "tz": lambda value: zone_of(value) is not None,
}


def CookieMiddleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Before any other that reads a cookie."""

    def middleware(request: HttpRequest) -> HttpResponse:
        bad = [name for name, valid in COOKIES.items() if name in request.COOKIES and not valid(request.COOKIES[name])]
        for name in bad:
            del request.COOKIES[name]
        response = get_response(request)
        for name in bad:
            if name not in response.cookies:  # else a good one takes its place
                response.delete_cookie(name, samesite="Lax")
        return response

    return middleware
