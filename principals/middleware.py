"""Sets `request.signed_in`, and sends whoever is signed out to the sign-in page, save on pages that are open to all."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import urlencode

from console import addresses, session
from console.request import OpenRequest
from engine.public import signin

OPEN = frozenset(
    (
        *("sign-in", "sign-in-second-factor", "sign-in-new-password", "sign-in-enrolment"),
        *("sign-in-root", "sign-in-by", "sign-in-callback", "sign-in-saml"),
        *("sign-out", "use-session", "class-join", "styleguide", "theme", "language", "favicon", "style-sheet"),
    )
)


def SignedInMiddleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        signed_in = cast(OpenRequest, request).signed_in = session.current(request)
        if signed_in is None and not _open(request.path_info):
            return _to_sign_in(request)
        if signed_in is not None:
            address, browser = request.META.get("REMOTE_ADDR", ""), request.headers.get("User-Agent", "")
            if not signin.seen(signed_in.session_id, address, browser, idle=settings.SESSION_IDLE):
                session.end(request)
                return _to_sign_in(request)
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)  # pages show what policies allow this principal: no cache keeps them
        return response

    return middleware


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """To sign in and come back to the page that was open: where only a part of it was asked for, the part is no page to come back to."""
    part = bool(request.headers.get("HX-Request"))
    after = addresses.own(request) if request.method == "GET" else "/"
    if part:
        after = addresses.whole_page(request) or after
    sign_in = f"{reverse('sign-in')}?{urlencode({'next': after})}"
    return HttpResponse(status=204, headers={"HX-Redirect": sign_in}) if part else redirect(sign_in)


def _open(path: str) -> bool:
    try:
        return resolve(path).url_name in OPEN
    except Resolver404:
        return False
