"""The overview: what an administrator needs this morning, each number leading to its list."""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import ClientError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import inventory
from keys.views.common import problem_page


def home(request: HttpRequest) -> HttpResponse:
    try:
        rows = inventory.refreshed(request).filter(manager="CUSTOMER")
    except ClientError as error:
        return problem_page(request, _("Overview"), error)
    total = rows.count()
    counts = {
        name: [
            (value, number, round(100 * number / total) if total else 0)
            for value, number in rows.values_list(name).annotate(number=Count("pk")).order_by("-number")
            if value
        ]
        for name in ("state", "spec", "origin")
    }
    now = timezone.now()
    pending = inventory.visible(request, list(rows.filter(deletion_date__isnull=False).order_by("deletion_date")[:10]))
    due = rows.filter(next_rotation__lte=now + timedelta(days=30)).order_by("next_rotation")
    return render(
        request,
        "keys/overview.html",
        {
            "total": total,
            "counts": [
                ("state", _("By status"), counts["state"]),
                ("spec", _("By key spec"), counts["spec"]),
                ("origin", _("By origin"), counts["origin"]),
            ],
            "pending": [(row, (row.deletion_date - now).days) for row in pending if row.deletion_date],
            "rotating": inventory.visible(request, list(due[:10])),
        },
    )
