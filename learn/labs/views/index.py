"""The labs, one card each."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy

from console.request import ConsoleRequest

LABS = (
    (
        "lab-envelope",
        gettext_lazy("Envelope encryption"),
        gettext_lazy("A file of any size under a data key, in five steps, and back. Every byte that crosses the wire."),
    ),
    (
        "lab-direct",
        gettext_lazy("Directly or as an envelope"),
        gettext_lazy("Why not the KMS key directly: both ways measured. Calls, bytes over the wire, time and quota."),
    ),
    (
        "lab-ciphertext",
        gettext_lazy("What a ciphertext tells"),
        gettext_lazy("What can and cannot be told from a blob. Flip a bit of it, and see what KMS answers."),
    ),
    (
        "lab-services",
        gettext_lazy("Integrated services"),
        gettext_lazy(
            "S3, EBS, RDS, DynamoDB, Lambda and others under their own key or yours: the calls they make, on whose behalf, and what the audit keeps."
        ),
    ),
)


def page(request: ConsoleRequest) -> HttpResponse:
    return render(request, "learn/labs/index.html", {"labs": LABS})
