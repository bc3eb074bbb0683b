"""What went wrong, kept in English (in a file, a row, the log) and shown in the reader's language.

A problem is one of a few messages, `%(name)s` in them for what differs. Who shows it gives the messages that it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.translation import gettext

_NAMED = re.compile(r"%\((\w+)\)s")


def in_readers_language(kept: str, messages: Iterable[str]) -> str:
    """As it was kept where it is none of the messages: the words of an operating system or of another program."""
    for message in messages:
        values = _values(message, kept)
        if values is not None:
            return gettext(message) % values if values else gettext(message)
    return kept


def _values(message: str, kept: str) -> dict[str, str] | None:
    """What the names in a message stand for in what was kept of it, each up to where the message goes on; None of another message."""
    first, *parts = _NAMED.split(message)  # text, name, text, …
    if not parts:
        return {} if kept == first else None
    *between, last_name, last = parts
    if len(kept) < len(first) + len(last) or not kept.startswith(first) or not kept.endswith(last):
        return None
    values: dict[str, str] = {}
    rest = kept[len(first) : len(kept) - len(last)]
    for name, text in zip(between[::2], between[1::2], strict=True):
        values[name], found, rest = rest.partition(text)
        if not found:
            return None
    return {**values, last_name: rest}
