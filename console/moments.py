"""The one way in which pages write a moment: year, month, day, as the AWS CLI does; in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

_DAY, _MINUTE, _SECOND = "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"


def day(moment: datetime) -> str:
    return timezone.localtime(moment).strftime(_DAY)


def to_minute(moment: datetime) -> str:
    return timezone.localtime(moment).strftime(_MINUTE)


def to_second(moment: datetime) -> str:
    return timezone.localtime(moment).strftime(_SECOND)


def in_full(moment: datetime) -> str:
    """To the second, with its zone, and in UTC where that is another."""
    local = timezone.localtime(moment)
    universal = f"{moment.astimezone(UTC):{_SECOND}} UTC"
    return universal if not local.utcoffset() else f"{local:{_SECOND} %Z} ({universal})"


def ago(moment: datetime, now: datetime) -> str:
    """In words, from `now` on: "3 minutes ago", "in 2 days". `now` may be another than the machine's: an account has a clock of its own."""
    return naturaltime(timezone.now() + (moment - now))


def minutes(duration: timedelta) -> str:
    """How long, to the minute; from an hour on to the hour or the day besides."""
    whole = int(duration.total_seconds()) // 60
    if whole < 60:
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60} min" if whole < 1_440 else f"{whole // 1_440} d"
