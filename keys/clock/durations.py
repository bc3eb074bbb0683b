"""How far an account's clock is ahead, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.request import ConsoleRequest
from keys import service


def ahead(request: ConsoleRequest) -> str:
    """Of this page's account; empty where the clock was never moved or the endpoint keeps its own time."""
    seconds = service.clock_ahead(request)
    return span(seconds) if seconds else ""


def span(seconds: float) -> str:
    """ "90 days", "3 hours", "1 day and 6 hours"; to the minute below an hour."""
    minutes = max(1, round(seconds / 60))
    days, hours = minutes // 1440, minutes % 1440 // 60
    parts = []
    if days:
        parts.append(ngettext("%(number)d day", "%(number)d days", days) % {"number": days})
    if hours:
        parts.append(ngettext("%(number)d hour", "%(number)d hours", hours) % {"number": hours})
    if not parts:
        parts.append(ngettext("%(number)d minute", "%(number)d minutes", minutes) % {"number": minutes})
    return _(" and ").join(parts)
