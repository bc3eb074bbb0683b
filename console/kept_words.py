"""What went wrong, kept in English (in a file, a row, the log) and shown in the reader's language.

A problem is one of a few messages, `%(name)s` in them for what differs. Who shows it gives the messages that it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from django.utils.translation import gettext


def in_readers_language(kept: str, messages: Iterable[str]) -> str:
    """As it was kept where it is none of the messages: the words of an operating system or of another program."""
    for message in messages:
        found = _pattern(message).fullmatch(kept)
        if found is not None:
            return gettext(message) % found.groupdict() if found.groupdict() else gettext(message)
    return kept


@cache
def _pattern(message: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", message)  # text, name, text, …
    return re.compile("".join(f"(?P<{part}>.*)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))
