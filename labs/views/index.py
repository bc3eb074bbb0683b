"""The labs, one card each."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy

LABS = (
    (
        "lab-envelope",
        gettext_lazy("Envelope encryption"),
        gettext_lazy("A file of any size under a data key, in five steps, and back. Every byte that crosses the wire."),
    ),
)


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "labs/index.html", {"labs": LABS})
