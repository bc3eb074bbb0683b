"""Which events a filter finds, how many, when, and by what they can be narrowed further.

The embedded record is searched at once (keys.record.events.search), by who may do that. Any other record is walked by LookupEvents, a page
at a time, and has no facets, for what was not looked at cannot be counted; what LookupEvents cannot filter by is looked for in its answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from audit.forms import KINDS
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from keys.record import events as record
from keys.record.events import Clause, Interval, Search

PAGE = 50
MOST_PAGES = 40  # how far one request looks for events that match every filter, by LookupEvents
FACET_VALUES = 10
FACET_OFFERED = 200  # of the others, to whoever searches them

Shown = dict[str, Any]  # an event as the pages show it
Wanted = dict[str, Any]  # the cleaned data of a FilterForm, the key as an ARN or an ID

# Fields of the form that are fields of the record's terms.
_FIELDS = (
    "key", "alias", "principal", "user", "session", "operation", "kind", "error", "source", "context", "request",
    "event", "grant", "material",
)  # fmt: skip
_BY_PREFIX = ("error",)
# Facet, as the form calls it → its words.
FACETS = {
    "kind": _("Kind of call"),
    "user": _("User"),
    "key": _("Key"),
    "operation": _("Operation"),
    "error": _("Error code"),
    "source": _("Source address"),
}
# What LookupEvents can narrow by, the narrowest first: the form's field → its name there.
_ATTRIBUTES = {"event": "EventId", "key": "ResourceName", "user": "Username", "operation": "EventName"}


@dataclass(frozen=True, slots=True)
class FacetValue:
    """`value` is what the address has for it, `words` what is shown."""

    value: str
    words: Any
    number: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """`whole`: whether the numbers are true; else there are at least as many. `others`: how many values it has beside `values`, of which
    `offered` are the most frequent."""

    name: str
    label: Any
    values: list[FacetValue]
    whole: bool
    others: int = 0
    offered: tuple[Any, ...] = ()


@dataclass(slots=True)
class Found:
    """One page of events; `after`: where to go on; `newest`: the number of the last event there is, and of the first shown; `hidden`: the
    console's own reads that were left out. `total` and `hidden` are true where `whole`, else there are at least as many; where `walked`,
    they are not known. `filtered_here`: what LookupEvents was not asked for, and was looked for in its answers."""

    events: list[Shown] = field(default_factory=list)
    after: str = ""
    newest: int = 0
    looked_until: datetime | None = None
    behind: int = 0
    total: int = 0
    hidden: int = 0
    facets: list[Facet] = field(default_factory=list)
    histogram: tuple[Interval, ...] = ()
    whole: bool = True
    charted: bool = True
    walked: bool = False
    filtered_here: list[str] = field(default_factory=list)


def wanted_events(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None) -> Search:
    """A filter as a question to the record."""
    clauses = [Clause(name, str(wanted[name]), name in _BY_PREFIX) for name in _FIELDS if wanted.get(name)]
    if wanted.get("refused"):
        clauses.append(Clause("error", record.ANY_ERROR))
    return Search(
        region=request.signed_in.region,
        clauses=tuple(clauses),
        text=wanted.get("text", ""),
        hidden=bool(wanted.get("reads") or wanted.get("operation")),
        start=wanted.get("start"),
        end=min((moment for moment in (wanted.get("end"), as_of) if moment), default=None),
        newest=wanted.get("newest"),
    )


def _of_account(request: ConsoleRequest, asked: Search) -> Search:
    """The question with a key ID as the ARN of this account's key, as the index has it."""
    signed_in = request.signed_in
    place = f"arn:aws:kms:{signed_in.region}:{signed_in.account_id}:key/"
    return record.with_clauses(
        asked,
        [
            Clause("key", f"{place}{each.value}") if each.field == "key" and not each.value.startswith("arn:") else each
            for each in asked.clauses
        ],
    )


def find(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None, after: str, most: int = PAGE) -> Found:
    """At most `most` events of it. Raises ClientError if the caller may not look events up."""
    asked = wanted_events(request, wanted, as_of)
    if record.may_search(request) and (not after or (after.isdecimal() and len(after) < 19)):
        return _search(request, _of_account(request, asked), int(after) if after else None, most)
    return _walk(lookup(request, wanted, asked), asked, wanted, after, most)


# --- the embedded record, at once


def _search(request: ConsoleRequest, asked: Search, before: int | None, most: int) -> Found:
    answer = record.search(request, record.before(asked, before), most)
    return Found(
        events=[shown(each) for each in answer.events],
        after=str(answer.next or ""),
        newest=answer.newest,
        looked_until=answer.looked_until,
        behind=answer.behind,
        total=answer.total,
        hidden=answer.hidden,
        facets=_facets(asked, answer),
        histogram=answer.histogram,
        whole=answer.whole and not answer.behind,
        charted=answer.charted and answer.whole and not answer.behind,
    )


def _facets(asked: Search, answer: record.Answer) -> list[Facet]:
    clauses = {each.field: each.value for each in asked.clauses if each.value != record.ANY_ERROR}
    found = []
    for name, label in FACETS.items():
        facet, chosen = answer.facets[name], clauses.get(name, "")
        numbers = dict(facet.values)
        if chosen and chosen not in numbers:
            numbers[chosen] = 0
        if chosen or len(numbers) > (0 if name == "error" else 1):
            ranked = sorted(numbers.items(), key=lambda each: (each[0] != chosen, -each[1], each[0]))
            values = [
                FacetValue(value, _words(name, value), number, value == chosen)
                for value, number in ranked[:FACET_VALUES]
            ]
            others = [_words(name, value) for value, _number in ranked[FACET_VALUES:]]
            whole = facet.whole and not answer.behind
            found.append(Facet(name, label, values, whole, len(others), tuple(others[:FACET_OFFERED])))
    return found


def _words(facet: str, value: str) -> Any:
    if facet == "kind":
        return KINDS.get(value, value)
    return value.rpartition("/")[2] if facet == "key" else value


@dataclass(frozen=True, slots=True)
class EventKey:
    """A key that an event names. `place`: where it is, of one of another account or Region; "" of one that pages lead to. A multi-Region key
    has the same ID in each of its Regions, and aliases of its own in each."""

    id: str
    arn: str
    place: str = ""
    alias: str = ""


def with_aliases(request: ConsoleRequest, found: Found, *, named: bool = True) -> None:
    """The keys of these events, and as `named` the aliases that they have now, as far as the reader may know them."""
    account = _account(request)
    by_key = [facet for facet in found.facets if facet.name == "key"]
    arns = {arn for event in found.events for arn in record.keys(event["record"])}
    arns |= {value.value for facet in by_key for value in facet.values}
    places = {arn: _place(arn, account, request.signed_in.region) for arn in arns}
    ids = {arn.rpartition("/")[2] for arn, place in places.items() if not place}
    names = inventory.aliases(request, ids) if named else {}

    def key(arn: str) -> EventKey:
        key_id = arn.rpartition("/")[2]
        return EventKey(key_id, arn, places[arn], "" if places[arn] else names.get(key_id, ""))

    for event in found.events:
        event["named_keys"] = [key(arn) for arn in record.keys(event["record"])]
    for facet in by_key:
        facet.values[:] = [replace(value, words=_key_words(key(value.value))) for value in facet.values]


def _account(request: ConsoleRequest) -> str:
    """Whose keys the pages lead to; "" where an endpoint has told none yet."""
    embedded = service.backend(request).embedded
    return request.signed_in.account_id if embedded else inventory.endpoint_account(request)


def _place(arn: str, account: str, region: str) -> str:
    parts = arn.split(":")
    if len(parts) < 6:  # the ID alone: of here
        return ""
    elsewhere = [parts[3]] if parts[3] != region else []
    if account and parts[4] != account:
        elsewhere.insert(0, parts[4])
    return ", ".join(elsewhere)


def _key_words(key: EventKey) -> str:
    return " · ".join(filter(None, (key.alias, key.id, key.place)))


def newer(request: ConsoleRequest, wanted: Wanted, since: int) -> Found | None:
    """What matches and came after the event of this number; None where nothing did. Raises ClientError."""
    asked = record.after(_of_account(request, wanted_events(request, {**wanted, "newest": None}, None)), since)
    answer = record.newer(request, asked, PAGE)
    if answer is None:
        return None
    return Found(events=[shown(each) for each in answer.events], after=str(answer.next or ""), newest=answer.newest)


# --- any record, by LookupEvents

Lookup = Callable[[str], dict[str, Any]]


def _attribute(wanted: Wanted) -> str:
    """The field that LookupEvents is asked by: it takes one."""
    return next((name for name in _ATTRIBUTES if wanted.get(name)), "")


def lookup(request: ConsoleRequest, wanted: Wanted, asked: Search) -> Lookup:
    """LookupEvents with what it can narrow by: a time range and one attribute, the narrowest."""
    name = _attribute(wanted)
    attributes = [{"AttributeKey": _ATTRIBUTES[name], "AttributeValue": wanted[name]}] if name else []
    parameters: dict[str, Any] = {
        "MaxResults": PAGE,
        **({"LookupAttributes": attributes} if attributes else {}),
        **({"StartTime": asked.start} if asked.start else {}),
        **({"EndTime": asked.end} if asked.end else {}),
    }
    return lambda after: record.look_up(request, **parameters, **({"NextToken": after} if after else {}))


def _walk(look_up: Lookup, asked: Search, wanted: Wanted, after: str, most: int) -> Found:
    narrowed = _attribute(wanted)
    others = [name for name in ("text", *_FIELDS, "refused") if wanted.get(name) and name != narrowed]
    found = Found(after=after, walked=True, filtered_here=others)
    for _number in range(MOST_PAGES):
        answer = look_up(found.after)
        events = [of_event(event) for event in answer["Events"]]
        found.events += [each for each in events if record.matches(each["record"], asked)]
        if not asked.hidden:
            unhidden = record.with_hidden(asked)
            reads = [each for each in events if record.is_read_by_console(each["record"])]
            found.hidden += sum(record.matches(each["record"], unhidden) for each in reads)
        found.looked_until = moment(events[-1]["record"]) if events else found.looked_until
        found.after = answer.get("NextToken", "")
        if not found.after or len(found.events) >= most:
            break
    return found


def every(request: ConsoleRequest, wanted: Wanted, as_of: datetime | None, *, oldest_first: bool) -> Iterator[Shown]:
    """Every event that matches, however many, the console's reads too: an export is not cut. LookupEvents knows only newest first. Raises
    ClientError before the first event, if at all for want of permission."""
    asked = record.with_hidden(wanted_events(request, wanted, as_of))
    if record.may_search(request):
        return map(shown, record.every(request, _of_account(request, asked), oldest_first=oldest_first))
    look_up = lookup(request, wanted, asked)
    return _walked(look_up, look_up(""), asked)


def _walked(look_up: Lookup, answer: dict[str, Any], asked: Search) -> Iterator[Shown]:
    while True:
        yield from (each for each in map(of_event, answer["Events"]) if record.matches(each["record"], asked))
        after = answer.get("NextToken", "")
        if not after:
            return
        answer = look_up(after)


# --- one event


def of_event(event: dict[str, Any]) -> Shown:
    """An event as LookupEvents answers it."""
    return {**shown(json.loads(event["CloudTrailEvent"])), "user": event.get("Username", "")}


def shown(each: dict[str, Any]) -> Shown:
    error = each.get("errorCode", "")
    return {
        "id": each["eventID"],
        "name": each["eventName"],
        "time": moment(each),
        "user": record.user_name(each["userIdentity"]),
        "source_ip": each.get("sourceIPAddress", ""),
        "service": each["eventSource"].partition(".")[0],
        "error": error,
        "voided": each.get("voided", False),
        "keys": [arn.rpartition("/")[2] for arn in record.keys(each)],
        "kind": record.kind(each),
        "sets_key_policy": not error and each["eventName"] == "PutKeyPolicy",
        "record": each,
    }


def moment(each: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(each["eventTime"])
