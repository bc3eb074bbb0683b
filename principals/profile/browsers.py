"""Which browser and system a User-Agent header names, for a person who looks for a session that is not theirs. A header may say anything."""

from __future__ import annotations

_UNKNOWN = "–"
# The first that is found counts: a browser's header names those that it wants to be taken for after its own name.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def name(user_agent: str) -> str:
    """ "Firefox, Linux"; the beginning of a header that names none."""
    found = [next((shown for mark, shown in table if mark in user_agent), "") for table in (_BROWSERS, _SYSTEMS)]
    return ", ".join(each for each in found if each) or user_agent[:40] or _UNKNOWN
