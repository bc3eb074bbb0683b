"""Around every page: the reader's time zone, an address that no page has, a method that it does not take, a moment that is past, an endpoint
that fails, and the messages on its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import BaseStorage
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from console import aws_calls
from console.request import when_signed_in
from keys.common import only_present, problem_page, unreachable_page
from keys.record import as_of, history
from kmsconsole.frame.cookies import zone_of

Handler = Callable[[HttpRequest], HttpResponse]


def TimeZoneMiddleware(get_response: Handler) -> Handler:
    """Times are shown in the zone that the page's script found out (cookie `tz`, an IANA name), in UTC without it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        zone = zone_of(request.COOKIES.get("tz", ""))
        if zone is None:
            timezone.deactivate()
            return get_response(request)
        with timezone.override(zone):
            return get_response(request)

    return middleware


def MessagesToldMiddleware(get_response: Handler) -> Handler:
    """Django saves no session with a page of status 500 or more: the messages on such a page (of an endpoint that cannot be reached, say)
    would come again on each page that follows. Stands between the sessions' and the messages' middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        shown = get_messages(request)
        if response.status_code >= 500 and isinstance(shown, BaseStorage) and shown.used and request.session.modified:
            request.session.save()
        return response

    return middleware


def NoNulMiddleware(get_response: Handler) -> Handler:
    """No name, filter or search text holds a NUL, and databases fail on one: such an address is a bad request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in the address")
        return get_response(request)

    return middleware


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


class AsOfMiddleware:
    """An address with `as_of` asks for a page as it was. A view that shows only the present answers that instead, so that no page shows the
    present as the past; and nothing is changed there (keys.record.as_of)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> HttpResponse | None:
        if not request.GET.get(as_of.PARAMETER, "").strip():
            return None
        if request.method not in ("GET", "HEAD"):
            page = render(request, "errors/past_is_read_only.html", status=405)
            page["Allow"] = "GET, HEAD"
            return page
        return None if hasattr(view, "shows_past") else only_present(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, history.HistoryBeingRead):
            return None
        page = render(request, "errors/history_being_read.html", {"progress": exception.progress}, status=503)
        page["Retry-After"] = "1"
        return page


class EndpointMiddleware:
    """An endpoint that cannot be reached, or credentials that cannot be opened, are a page that says what is wrong, not a failure."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        signed_in = when_signed_in(request)
        if signed_in is not None and aws_calls.failed(exception):
            return unreachable_page(signed_in, exception)
        if signed_in is not None and isinstance(exception, ClientError):
            return problem_page(signed_in, _("The endpoint refused"), exception)
        return None
