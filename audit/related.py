"""Which other events an event leads to: a row each, a filter of the list of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from keys.record import events

Record = dict[str, Any]


def _session(record: Record) -> Iterable[str]:
    identity = record["userIdentity"]
    return [identity["accessKeyId"]] if "sessionContext" in identity and identity.get("accessKeyId") else []


def _term(field: str) -> Callable[[Record], Iterable[str]]:
    return lambda record: dict.fromkeys(events.values(record, field))


# Words, the filter's field, and its values of an event.
RELATED: tuple[tuple[Any, str, Callable[[Record], Iterable[str]]], ...] = (
    (_("Same request"), "request", lambda record: [record["requestID"]] if record.get("requestID") else []),
    (_("Same session"), "session", _session),
    (_("Same grant"), "grant", _term("grant")),
    (_("Same key material"), "material", _term("material")),
    (
        _("Same encryption context"),
        "context",
        lambda record: dict.fromkeys(f"{name}={value}" for name, value in events.contexts(record)),
    ),
    (_("Same source address"), "source", lambda record: [each for each in [record.get("sourceIPAddress")] if each]),
)


def of(record: Record) -> list[tuple[Any, str, str]]:
    """(words, value, query) of each way to related events."""
    found = [(words, value, field) for words, field, values in RELATED for value in values(record)]
    return [(words, value, urlencode({field: value, "reads": "on"})) for words, value, field in found]
