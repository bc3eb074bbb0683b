"""Pages of the frame: style guide, theme and Region switches, languages, errors."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import key_words, redirects, session
from console.awsmodel import regions
from console.request import ConsoleRequest
from engine.public import database
from kmsconsole.frame.component_samples import components
from kmsconsole.frame.cookies import THEMES


def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component once: what the accessibility test walks, and where a page's author looks first."""
    now = timezone.now()
    return render(
        request,
        "styleguide.html",
        {
            "components": components(request),
            "states": key_words.STATES,
            "now": now,
            "later": now + timedelta(days=30),
            "counts": [("Enabled", 12), ("Disabled", 3), ("PendingDeletion", 1)],
            "colours": [
                ("SYMMETRIC_DEFAULT", 6),
                ("RSA_2048", 4),
                ("ECC_NIST_P256", 3),
                ("HMAC_256", 2),
                ("ML_DSA_65", 1),
            ],
            "shell": "aws kms list-keys --region us-east-1",
            "sample": '{\n  "Version": "2012-10-17",\n  "Statement": []\n}',
            "arn": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        },
    )


def _back(request: HttpRequest) -> str:
    return redirects.safe(request, request.POST.get("next", "/"))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    answer = redirect(_back(request))
    wanted = request.POST.get("theme")
    if wanted in THEMES:
        answer.set_cookie("theme", wanted, max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    answer = redirect(_back(request))
    wanted = request.POST.get("language")
    if wanted in dict(settings.LANGUAGES):
        answer.set_cookie(settings.LANGUAGE_COOKIE_NAME, wanted, max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer


@require_POST
def region(request: ConsoleRequest) -> HttpResponse:
    """Pages speak to another Region from now on. A key's page of the old Region would not be found there, so go to the list,
    unless it is said to have the `same` key: a multi-Region key goes by one ID everywhere."""
    wanted = request.POST.get("region", "")
    elsewhere = "/keys/" in _back(request) and "same" not in request.POST
    answer = redirect(reverse("keys") if elsewhere else _back(request))
    if wanted in regions("kms"):
        session.store(request, replace(request.signed_in, region=wanted))
        answer.set_cookie("region", wanted, max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it where no page says which picture it is: beside an export, for one."""
    return redirect(static("img/favicon.svg"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "errors/csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Whatever failed may fail again: this page asks nothing of the session, the database or the frame. What waited for the database in
    vain, because so many others change something, is to be sent again: 503."""
    theme = request.COOKIES.get("theme", "system")
    error = sys.exception()
    busy = isinstance(error, OperationalError) and database.busy(error)
    again = request.get_full_path() if request.method in ("GET", "HEAD") else request.path
    shown = {"theme": theme if theme in THEMES else "system", "again": again}
    text = loader.render_to_string("errors/busy.html" if busy else "errors/500.html", shown)
    if not busy:
        return HttpResponse(text, status=500)
    return HttpResponse(text, status=503, headers={"Retry-After": "3"})
