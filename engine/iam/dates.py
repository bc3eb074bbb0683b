"""Dates of conditions, in every form that IAM takes: ISO 8601 as the W3C has it, from the year down, or seconds since 1970.

A text with a "t" or a "-" is a date, any other a number of seconds: "2026" is in 1970, "2026-01" is a month's first day. Years may be
far outside of what Python's datetime holds, so a moment is a plain number. Source: IAM User Guide, "Date condition operators"; what is
taken beyond the W3C's profile is what AWS was recorded to take (moto's validator tests).
"""

from __future__ import annotations

import re
from fractions import Fraction

_LONGEST = 64  # characters; no date is longer
_SECONDS = re.compile(r"-?(\d{1,19})(\.\d{1,9})?", re.ASCII)
_LARGEST = 2**63 - 1
_DATE = re.compile(
    r"(?P<year>-?\d{1,9})(-(?P<month>\d{1,2})(-(?P<day>\d{1,2}))?)?"
    r"(t((?P<hour>\d{1,2})(:(?P<minute>\d{1,2})(:(?P<second>\d{1,2})(\.(?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<zone>z|[+-]\d{2}(:?\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)
_YEARS = range(-292275054, 292278994)  # what milliseconds in 64 bits reach


def parse_date(text: str) -> Fraction | None:
    """Seconds since 1970, or None for what is no date."""
    if len(text) > _LONGEST:
        return None
    if "t" in text.lower() or "-" in text:
        return _date(text)
    found = _SECONDS.fullmatch(text)
    if found is None or int(found[1]) > _LARGEST:
        return None
    return Fraction(text)


def _date(text: str) -> Fraction | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if year not in _YEARS or not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 59):
        return None
    fraction = Fraction(f"0.{found['fraction'] or 0}")
    offset = _offset(found["zone"] or "z")
    if offset is None:
        return None
    return Fraction(((_days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second) + fraction


def _offset(zone: str) -> int | None:
    """Minutes east of UTC."""
    if zone in ("z", "Z"):
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, before its introduction too. Years begin in March, so that leap days are last."""
    year -= month <= 2
    of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468
