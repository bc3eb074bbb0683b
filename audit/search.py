"""Which events a filter finds, and by what they can be narrowed further: by kind of call, user, key, error and source address.

The embedded record is read at once (keys.record.events.search), by who may do that: one question answers a page and its facets. Any other
record is walked by LookupEvents, a page at a time, and has no facets, for what was not looked at cannot be counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from audit.forms import DENIED, KINDS
from console.request import ConsoleRequest
from engine.public.vocabulary import READ, WRITE, kind_of_call
from keys.record import events as record

PAGE = 50
MOST_PAGES = 40  # how far one request looks for events that match every filter
FACET_VALUES = 10

Shown = dict[str, Any]  # an event as the pages show it
Wanted = dict[str, Any]  # the cleaned data of a FilterForm, the key as an ARN or an ID


@dataclass(frozen=True, slots=True)
class FacetValue:
    """`value` is what the address has for it, `words` what is shown."""

    value: str
    words: Any
    number: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: Any
    values: list[FacetValue]


@dataclass(slots=True)
class Found:
    """One page of events; `after`: where to go on; `hidden`: the console's own reads that were left out. The numbers of `facets` are true
    where `whole`, else there are at least as many."""

    events: list[Shown] = field(default_factory=list)
    after: str = ""
    looked_until: datetime | None = None
    hidden: int = 0
    facets: list[Facet] = field(default_factory=list)
    whole: bool = True


def find(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None, after: str, most: int = PAGE) -> Found:
    """At most `most` events of it. Raises ClientError if the caller may not look events up."""
    if record.may_search(request) and (not after or (after.isdecimal() and len(after) < 19)):
        return _search(request, wanted, as_of, int(after) if after else None, most)
    return _walk(lookup(request, wanted, as_of), wanted, after, most)


def _end(wanted: Wanted, as_of: datetime | None) -> datetime | None:
    return min((moment for moment in (wanted.get("end"), as_of) if moment), default=None)


# --- the embedded record, at once


def _search(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None, before: int | None, most: int) -> Found:
    narrowed = _narrowed(request, wanted)
    if wanted.get("start"):
        narrowed["start"] = wanted["start"]
    if end := _end(wanted, as_of):
        narrowed["end"] = end
    newest, *rest = record.search(request, dict.fromkeys((None, before)), **narrowed)
    found = _page(rest[0] if rest else newest, wanted, most)
    counted = [shown for shown in map(_of_record, newest.records) if _matches(shown, wanted)]
    if _hides(wanted):
        counted = [shown for shown in counted if not _is_read_by_console(shown)]
    found.facets, found.whole = _facets(counted, wanted, narrowed.get("key", "")), newest.next is None
    return found


def _narrowed(request: ConsoleRequest, wanted: Wanted) -> dict[str, Any]:
    """The one condition that the record is asked by: the narrowest that it has an index of. The others are looked at event by event."""
    if key := wanted.get("key"):
        signed_in = request.signed_in
        place = f"arn:aws:kms:{signed_in.region}:{signed_in.account_id}:key/"
        return {"key": key if key.startswith("arn:") else f"{place}{key}"}
    for name, column in (("user", "user"), ("operation", "name")):
        if wanted.get(name):
            return {column: wanted[name]}
    if wanted.get("refused") or wanted.get("error") or wanted.get("kind") == DENIED:
        return {"errors_only": True}
    return {"read_only": wanted["kind"] != WRITE} if wanted.get("kind") else {}


def _page(newest: record.NewestEvents, wanted: Wanted, most: int) -> Found:
    found = Found(looked_until=newest.looked_until, after=str(newest.next or ""))
    hides, last = _hides(wanted), 0
    for sequence, each in zip(newest.sequences, newest.records, strict=True):
        shown = _of_record(each)
        if not _matches(shown, wanted):
            continue
        if hides and _is_read_by_console(shown):
            found.hidden += 1
            continue
        if len(found.events) == most:
            found.after = str(last)
            break
        found.events.append({**shown, "time": _moment(each)})
        last = sequence
    return found


def _facets(events: list[Shown], wanted: Wanted, key: str) -> list[Facet]:
    found = []
    for name, (label, values) in FACETS.items():
        chosen = key if name == "key" else str(wanted.get(name) or "")
        numbers = Counter(value for shown in events for value in values(shown) if value)
        if chosen and chosen not in numbers:
            numbers[chosen] = 0
        if chosen or len(numbers) > (0 if name == "error" else 1):
            ranked = sorted(numbers.items(), key=lambda each: (each[0] != chosen, -each[1], each[0]))
            shown_values = [
                FacetValue(value, _words(name, value), number, value == chosen)
                for value, number in ranked[:FACET_VALUES]
            ]
            found.append(Facet(name, label, shown_values))
    return found


def _words(facet: str, value: str) -> Any:
    if facet == "kind":
        return KINDS.get(value, value)
    return value.rpartition("/")[2] if facet == "key" else value


# --- any record, by LookupEvents

Lookup = Callable[[str], dict[str, Any]]


def lookup(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None) -> Lookup:
    """LookupEvents with what it can narrow by: a time range and one attribute, the narrowest."""
    attributes = [
        {"AttributeKey": name, "AttributeValue": wanted[field]}
        for field, name in (("key", "ResourceName"), ("user", "Username"), ("operation", "EventName"))
        if wanted.get(field)
    ][:1]
    end = _end(wanted, as_of)
    parameters: dict[str, Any] = {
        "MaxResults": PAGE,
        **({"LookupAttributes": attributes} if attributes else {}),
        **({"StartTime": wanted["start"]} if wanted.get("start") else {}),
        **({"EndTime": end} if end else {}),
    }
    return lambda after: record.look_up(request, **parameters, **({"NextToken": after} if after else {}))


def _walk(look_up: Lookup, wanted: Wanted, after: str, most: int) -> Found:
    found = Found(after=after)
    hides = _hides(wanted)
    for _number in range(MOST_PAGES):
        answer = look_up(found.after)
        events = [of_event(event) for event in answer["Events"]]
        matching = [each for each in events if _matches(each, wanted)]
        kept = [each for each in matching if not (hides and _is_read_by_console(each))]
        found.events += kept
        found.hidden += len(matching) - len(kept)
        found.looked_until = _moment(events[-1]["record"]) if events else found.looked_until
        found.after = answer.get("NextToken", "")
        if not found.after or len(found.events) >= most:
            break
    return found


def every(look_up: Lookup, answer: dict[str, Any], wanted: Wanted) -> Iterator[Shown]:
    """Every event that matches from an answer on, however many: an export is not cut."""
    while True:
        yield from (shown for shown in map(of_event, answer["Events"]) if _matches(shown, wanted))
        after = answer.get("NextToken", "")
        if not after:
            return
        answer = look_up(after)


# --- one event


def of_event(event: dict[str, Any]) -> Shown:
    """An event as LookupEvents answers it."""
    shown = _of_record(json.loads(event["CloudTrailEvent"]))
    return {**shown, "user": event.get("Username", ""), "time": _moment(shown["record"])}


def _of_record(each: dict[str, Any]) -> Shown:
    error = each.get("errorCode", "")
    return {
        "id": each["eventID"],
        "name": each["eventName"],
        "user": record.user_name(each["userIdentity"]),
        "source_ip": each.get("sourceIPAddress", ""),
        "service": each["eventSource"].partition(".")[0],
        "error": error,
        "voided": each.get("voided", False),
        "keys": [resource["ARN"].rpartition("/")[2] for resource in each.get("resources") or ()],
        "kind": DENIED
        if error.startswith(record.DENIED)
        else kind_of_call(each["eventName"], read_only=bool(each.get("readOnly"))),
        "sets_key_policy": not error and each["eventName"] == "PutKeyPolicy",
        "record": each,
    }


def _moment(each: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(each["eventTime"])


# Facet, as the form calls it → its words, and what an event counts for.
FACETS: dict[str, tuple[Any, Callable[[Shown], Iterable[str]]]] = {
    "kind": (_("Kind of call"), lambda shown: (shown["kind"],)),
    "user": (_("User"), lambda shown: (shown["user"],)),
    "key": (_("Key"), lambda shown: {each["ARN"] for each in shown["record"].get("resources") or ()}),
    "error": (_("Error code"), lambda shown: (shown["error"],)),
    "source": (_("Source address"), lambda shown: (shown["source_ip"],)),
}


def _matches(shown: Shown, wanted: Wanted) -> bool:
    for name, column in (("user", "user"), ("operation", "name"), ("kind", "kind"), ("source", "source_ip")):
        if wanted.get(name) and shown[column] != wanted[name]:
            return False
    if wanted.get("error") and not shown["error"].startswith(wanted["error"]):
        return False
    return not wanted.get("refused") or bool(shown["error"])


def _hides(wanted: Wanted) -> bool:
    """Whether the console's own reads are left out: unless they, or an operation by name, are asked for."""
    return not (wanted.get("reads") or wanted.get("operation"))


def _is_read_by_console(shown: Shown) -> bool:
    """What a page asked to show itself: answered, changed nothing, and used no key."""
    from_console = shown["record"].get("sessionCredentialFromConsole") == "true"
    return bool(from_console and shown["kind"] == READ and not shown["error"])
