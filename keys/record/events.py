"""Reading the record of calls for pages, as the signed-in principal: LookupEvents, or many events of the embedded record at once.

CloudTrail's LookupEvents takes one attribute and answers fifty events at a time; a report or a lesson asks for all of many kinds. Of the
embedded record they are read at once, by the console's own action kmsconsole:ReadRecord: one decision and one entry of the record for each
question, however many events answer it. On real AWS the pages of LookupEvents are walked (CloudTrail keeps ninety days there). Another
endpoint is asked for its own record; one that has none says so (`not_told`), and no page shows that as "no calls".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError, PaginationError
from botocore.parsers import ResponseParserError
from django.utils.translation import gettext as _

from console.aws_calls import UnexpectedAnswerError
from console.request import ConsoleRequest
from engine.public import key_policies, proof
from engine.public import record as trail
from engine.public.proof import CheckpointError as CheckpointError  # what `verify` raises
from engine.public.proof import SignedReport as SignedReport  # what `sign_report` answers
from engine.public.record import ANY_ERROR as ANY_ERROR
from engine.public.record import DENIED as DENIED  # how the error codes of what policies do not allow begin
from engine.public.record import DENIED_KIND as DENIED_KIND
from engine.public.record import FACETS as FACETS
from engine.public.record import Answer as Answer
from engine.public.record import Clause as Clause
from engine.public.record import Interval as Interval
from engine.public.record import Lookup
from engine.public.record import Search as Search
from engine.public.record import contexts as contexts
from engine.public.record import is_read_by_console as is_read_by_console
from engine.public.record import keys as keys
from engine.public.record import kind as kind
from engine.public.record import matches as matches
from engine.public.record import user_name as user_name  # what LookupEvents calls the Username
from engine.public.record import values as values
from keys import service
from keys.endpoints import backends

READ_RECORD = "kmsconsole:ReadRecord"
SIGN_REPORT = "kmsconsole:SignComplianceReport"
PAGE = 50
MOST = 200_000  # records that one question reads at most
_CHUNK = 2_000
_MOST_REFUSED = 10_000
_GLOBAL = "us-east-1"  # where CloudTrail keeps the events of IAM
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """Records in the order they happened; `whole` is false where there are more than were read. `begins`: when the embedded record of the
    account begins, where that was asked for."""

    records: list[dict[str, Any]]
    whole: bool
    begins: datetime | None = None


def look_up(request: ConsoleRequest, **parameters: Any) -> dict[str, Any]:
    """One page as LookupEvents answers it. Raises ClientError if the caller may not look events up."""
    with _telling(request):
        answer: dict[str, Any] = service.client(request, "cloudtrail").lookup_events(**parameters)
        return answer


def pages(
    request: ConsoleRequest, most: int, *, region: str | None = None, **parameters: Any
) -> Iterator[list[dict[str, Any]]]:
    """The events as LookupEvents answers them, newest first, a page at a time until `most` were read."""
    settings = {"MaxItems": most, "PageSize": PAGE}
    reader = service.client(request, "cloudtrail", region).get_paginator("lookup_events")
    with _telling(request):
        for page in reader.paginate(**parameters, PaginationConfig=settings):
            yield page["Events"]


@contextmanager
def _telling(request: ConsoleRequest) -> Iterator[None]:
    """Around a LookupEvents call. An endpoint that has no such operation answers in a form of its own: raises ClientError that says so."""
    chosen = service.backend(request)
    try:
        yield
    except (PaginationError, ResponseParserError, UnexpectedAnswerError) as error:
        if chosen.kind != backends.URL:
            raise
        raise not_told(chosen.name) from error
    except ClientError as error:
        if chosen.kind != backends.URL or not (service.unknown_operation(error) or service.not_offered(error)):
            raise
        raise not_told(chosen.name) from error


def not_told(name: str) -> ClientError:
    """What an endpoint without a record of calls cannot tell."""
    message = _(
        "%(endpoint)s does not answer LookupEvents: who used its keys, when, and what was changed is not known here."
    ) % {"endpoint": name}
    return ClientError({"Error": {"Code": "UnsupportedOperationException", "Message": message}}, "LookupEvents")


def _read_record(request: ConsoleRequest, read: Callable[[], T], **asked: Any) -> T:
    """What `read` answers of the embedded record. The principal must be allowed to READ_RECORD; that it read, and what it asked for, is
    recorded, and so is a refusal. Raises ClientError."""
    return service.console_action(request, READ_RECORD, read, parameters=asked)


def sign_report(request: ConsoleRequest, lines: Sequence[str], digests: Mapping[str, str]) -> SignedReport:
    """A report's files, signed by the key that signs the record (engine.public.proof); the event that tells of it has their digests.
    Raises ClientError, CheckpointError."""
    return service.console_action(
        request, SIGN_REPORT, lambda: proof.sign(lines, digests), parameters={"sha256": dict(digests)}
    )


def check_signing(request: ConsoleRequest) -> None:
    """Raises ClientError where `sign_report` would be refused; nothing is recorded."""
    if refused := service.refusal(request, SIGN_REPORT):
        raise refused


def follow(account_id: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """(the account's next events behind the event `after`, oldest first; the last that was looked at), of the embedded record. On nobody's
    behalf: for rules that somebody made who may read the record (audit.alerts)."""
    page = trail.lookup(account_id, Lookup(after=after, limit=limit, oldest_first=True))
    return page.events, page.sequences[-1] if page.sequences else after


def follow_all(account_id: str, after: int = 0) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """All of the account's events behind the event `after`, in pieces as `follow` answers them."""
    while True:
        events, after = follow(account_id, after, _CHUNK)
        yield events, after
        if len(events) < _CHUNK:
            return


def newest_sequence(account_id: str) -> int:
    """That of the account's newest event; 0 where there is none."""
    return trail.latest_sequence(account_id)


def policy_before(account_id: str, region: str, key_arn: str, moment: datetime, event_id: str) -> str | None:
    """The key policy before the PutKeyPolicy of that event, as the embedded record has it; None if it does not."""
    wanted = Lookup(region=region, key=key_arn, names=("PutKeyPolicy", "CreateKey"), end=moment, limit=PAGE)
    found = [each for each in trail.lookup(account_id, wanted).events if not each.get("errorCode")]
    numbers = [number for number, each in enumerate(found) if each["eventID"] == event_id]
    earlier = found[numbers[0] + 1 :] if numbers else []
    if not earlier:
        return None
    given = (earlier[0].get("requestParameters") or {}).get("policy")
    if given is None and earlier[0]["eventName"] == "CreateKey":
        return str(key_policies.default_key_policy(account_id))
    return str(given) if given is not None else None


def begin_verification() -> None:
    """Of what was not verified yet, on nobody's behalf (audit.alerts). A short one is finished when this returns."""
    proof.verify(read_all=False)


def last_verdict() -> tuple[datetime, dict[str, Any]] | None:
    """(when it began, verdict) of the last verification, if it has ended: `unknown`, or the fields of engine.trail.verify.Verdict."""
    found = proof.last_verification()
    return (found.started, found.verdict) if found is not None and found.verdict is not None else None


@dataclass(frozen=True, slots=True)
class Damage:
    """What of the embedded record cannot be read: how many records, and how many are `missing` at its end. `broken`: what the last
    verification found."""

    unreadable: int
    missing: int
    broken: bool


def damage(request: ConsoleRequest) -> Damage | None:
    """None for a record with which nothing is wrong, as far as that was looked at, and for who may not read it."""
    if not may_search(request):
        return None
    _when, verdict = last_verdict() or (None, {})
    missing = max(int(verdict.get("missing", 0)), trail.missing())
    found = Damage(trail.unreadable(), missing, bool(verdict.get("broken_at")) and not missing)
    return found if found.unreadable or found.missing or found.broken else None


def may_search(request: ConsoleRequest) -> bool:
    """Whether `search` would answer: the embedded record does, to who may read it. Nothing is recorded."""
    return service.backend(request).embedded and service.refusal(request, READ_RECORD) is None


def search(request: ConsoleRequest, wanted: Search, limit: int) -> Answer:
    """A page of the embedded record, with how many events there are, facets and histogram. One reading. Raises ClientError."""
    account_id = request.signed_in.account_id
    read = lambda: trail.search(account_id, wanted, limit)  # noqa: E731
    return _read_record(request, read, purpose="search", **_asked(wanted))


def newer(request: ConsoleRequest, wanted: Search, limit: int) -> Answer | None:
    """What matches and is newer than `wanted.since`; None where nothing is. To look whether there is something is no reading: an open page
    asks again and again, and the record would fill with its questions. Raises ClientError."""
    account_id = request.signed_in.account_id
    if refused := service.refusal(request, READ_RECORD):
        raise refused
    if not trail.count(account_id, wanted, 1):
        return None
    read = lambda: trail.search(account_id, wanted, limit, with_survey=False)  # noqa: E731
    return _read_record(request, read, purpose="search", **_asked(wanted))


def every(request: ConsoleRequest, wanted: Search, *, oldest_first: bool = False) -> Iterator[dict[str, Any]]:
    """All events of the embedded record that match, however many, read as they are asked for: an export. One reading, which is decided and
    recorded before the first. Raises ClientError."""
    _read_record(request, lambda: None, purpose="export", **_asked(wanted))
    return trail.every(request.signed_in.account_id, wanted, oldest_first=oldest_first)


def before(wanted: Search, number: int | None) -> Search:
    """The same search from a place on, towards older events."""
    return replace(wanted, before=number)


def after(wanted: Search, number: int) -> Search:
    """The same search of what is newer than a place."""
    return replace(wanted, since=number)


def with_clauses(wanted: Search, clauses: Iterable[Clause]) -> Search:
    return replace(wanted, clauses=tuple(clauses))


def with_hidden(wanted: Search) -> Search:
    return replace(wanted, hidden=True)


def _asked(wanted: Search) -> dict[str, Any]:
    """A search as the record tells of it."""
    asked: dict[str, Any] = {each.field: each.value for each in wanted.clauses}
    asked |= {"startTime": wanted.start.isoformat()} if wanted.start else {}
    asked |= {"endTime": wanted.end.isoformat()} if wanted.end else {}
    asked |= {"text": wanted.text} if wanted.text else {}
    return {"region": wanted.region, "filter": asked}


def may_read(request: ConsoleRequest, names: Iterable[str], until: datetime) -> None:
    """Decides and records the question that `by_names` asks of the embedded record, where its answer is known already. Raises ClientError."""
    _read_record(request, lambda: None, eventNames=sorted(names), endTime=until.isoformat())


def by_names(request: ConsoleRequest, names: Iterable[str], until: datetime) -> FoundEvents:
    """The records of these operations up to `until`, in the order they happened, from every Region of the account. Raises ClientError."""
    wanted = list(names)
    if not service.backend(request).embedded:
        records = [record for name in wanted for record in _aws_by_name(request, name, until)]
        return FoundEvents(sorted(records, key=lambda record: record["eventTime"]), True)
    account_id = request.signed_in.account_id

    def read() -> FoundEvents:
        numbered = [each for name in wanted for each in _embedded_by_name(account_id, name, until)]
        records = [record for _sequence, record in sorted(numbered, key=lambda each: each[0])]
        return FoundEvents(records, True, trail.first_event_time(account_id))

    return _read_record(request, read, eventNames=sorted(wanted), endTime=until.isoformat())


def of_key(request: ConsoleRequest, arn: str, names: Iterable[str], until: datetime) -> FoundEvents:
    """The records of these operations that name a key, up to `until`, in the order they happened. On real AWS those among the key's
    newest events. Raises ClientError."""
    wanted = tuple(names)
    if not service.backend(request).embedded:
        attribute = {"AttributeKey": "ResourceName", "AttributeValue": arn}
        read = [each for page in pages(request, _CHUNK, LookupAttributes=[attribute], EndTime=until) for each in page]
        records = [json.loads(each["CloudTrailEvent"]) for each in reversed(read) if each["EventName"] in wanted]
        return FoundEvents(records, len(read) < _CHUNK)
    account_id = request.signed_in.account_id

    def read_embedded() -> FoundEvents:
        asked = Lookup(key=arn, names=wanted, end=until, limit=_CHUNK)
        found = list(_embedded_pages(account_id, asked, MOST))
        records = [record for page in found for record in page.events]
        return FoundEvents(records[::-1], found[-1].next is None, trail.first_event_time(account_id))

    return _read_record(request, read_embedded, keyId=arn, eventNames=sorted(wanted), endTime=until.isoformat())


def newest_of_key(request: ConsoleRequest, arn: str, start: datetime | None, most: int) -> FoundEvents:
    """The newest `most` records of the embedded record that name a key, newest first. One reading. Raises ClientError."""
    signed_in = request.signed_in

    def read() -> FoundEvents:
        wanted = Lookup(region=signed_in.region, key=arn, start=start, limit=most)
        page = trail.lookup(signed_in.account_id, wanted)
        return FoundEvents(page.events, page.next is None)

    asked = {"startTime": start.isoformat()} if start else {}
    return _read_record(request, read, keyId=arn, **asked)


def _embedded_pages(account_id: str, wanted: Lookup, most: int) -> Iterator[trail.Page]:
    """The pages that answer a question of the embedded record, newest first, until `most` events were read."""
    number = 0
    while number < most:
        page = trail.lookup(account_id, wanted)
        yield page
        number += len(page.events)
        if page.next is None:
            return
        wanted = replace(wanted, before=page.next)


def _embedded_by_name(account_id: str, name: str, until: datetime) -> Iterator[tuple[int, dict[str, Any]]]:
    """(sequence, record): times are whole seconds, so only the sequence tells what came first."""
    for page in _embedded_pages(account_id, Lookup(name=name, end=until, limit=_CHUNK), MOST):
        yield from zip(page.sequences, page.events, strict=True)


def _aws_by_name(request: ConsoleRequest, name: str, until: datetime) -> Iterator[dict[str, Any]]:
    attribute = {"AttributeKey": "EventName", "AttributeValue": name}
    read = pages(request, MOST, LookupAttributes=[attribute], EndTime=until)
    newest_first = [json.loads(event["CloudTrailEvent"]) for page in read for event in page]
    yield from reversed(newest_first)


def since(
    request: ConsoleRequest,
    names: Iterable[str],
    start: datetime,
    *,
    user: str = "",
    everybodys: Iterable[str] = (),
    most: int = _CHUNK,
) -> FoundEvents:
    """The records of these operations from `start` on, the newest `most` of each, from every Region of the account; voided ones left out.

    With `user` (CloudTrail's Username) only of who is called so, but for the operations `everybodys`. On real AWS one sweep of the newest events, of this Region and of IAM's.
    Raises ClientError.
    """
    wanted, shared = list(names), frozenset(everybodys)
    if not service.backend(request).embedded:
        return _aws_since(request, frozenset(wanted), start, user, shared, most)
    account_id = request.signed_in.account_id
    asked = {"eventNames": sorted(wanted), "startTime": start.isoformat(), **({"username": user} if user else {})}
    asked |= {"eventNamesOfEverybody": sorted(shared)} if shared else {}
    return _read_record(request, lambda: _embedded_since(account_id, wanted, start, user, shared, most), **asked)


def _embedded_since(
    account_id: str, names: list[str], start: datetime, user: str, shared: frozenset[str], most: int
) -> FoundEvents:
    numbered: list[tuple[int, dict[str, Any]]] = []
    whole, store = True, trail.event_store().as_it_is()  # brought up to date once for all names
    for name in names:
        page = trail.lookup(account_id, Lookup(name=name, start=start, limit=most), store)
        if page.next is not None and user:  # others crowd them out
            page = trail.lookup(account_id, Lookup(name=name, user=user, start=start, limit=most), store)
        whole = whole and page.next is None
        numbered += zip(page.sequences, page.events, strict=True)
    records = [record for _sequence, record in sorted(numbered, key=lambda each: each[0])]
    kept = [each for each in records if each["eventName"] in shared or _is_of(each, user)]
    return FoundEvents([each for each in kept if not each.get("voided")], whole)


def _is_of(record: dict[str, Any], user: str) -> bool:
    return not user or user_name(record["userIdentity"]) == user


def _aws_since(
    request: ConsoleRequest, names: frozenset[str], start: datetime, user: str, shared: frozenset[str], most: int
) -> FoundEvents:
    only = user if not shared else ""
    narrowed = {"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": only}]} if only else {}
    events: list[dict[str, Any]] = []
    whole = True
    for region in dict.fromkeys([request.signed_in.region, _GLOBAL]):
        read = pages(request, most, region=region, **narrowed, StartTime=start)
        found = [event for page in read for event in page]
        whole = whole and len(found) < most
        events += reversed([event for event in found if event["EventName"] in names])
    read_records = [json.loads(event["CloudTrailEvent"]) for event in events]
    records = [each for each in read_records if only or each["eventName"] in shared or _is_of(each, user)]
    return FoundEvents(sorted(records, key=lambda record: record["eventTime"]), whole)


def refused_since(request: ConsoleRequest, start: datetime, most: int) -> FoundEvents:
    """Records of the calls of this Region that got an error, newest first. Another endpoint's record cannot be asked for errors alone:
    there they are those among the newest `most` events. Raises ClientError."""
    if not service.backend(request).embedded:
        read = [event for page in pages(request, most, StartTime=start) for event in page]
        records = [json.loads(event["CloudTrailEvent"]) for event in read]
        return FoundEvents([each for each in records if each.get("errorCode")], len(read) < most)
    account_id, region = request.signed_in.account_id, request.signed_in.region
    return _read_record(
        request,
        lambda: _embedded_refused_since(account_id, region, start),
        errorsOnly=True,
        region=region,
        startTime=start.isoformat(),
    )


def _embedded_refused_since(account_id: str, region: str, start: datetime) -> FoundEvents:
    wanted = Lookup(region=region, errors_only=True, start=start, limit=_CHUNK)
    read = list(_embedded_pages(account_id, wanted, _MOST_REFUSED))
    return FoundEvents([record for page in read for record in page.events], read[-1].next is None)


def latest_sequence(account_id: str) -> int:
    """For keys.record.projection, which follows the embedded record; whoever shows what is kept asks for READ_RECORD."""
    return trail.latest_sequence(account_id)


def changes(account_id: str, names: Iterable[str], after: int, until: int) -> list[tuple[int, dict[str, Any]]]:
    return trail.in_order(account_id, names, after, until)


def event_id_at(account_id: str, sequence: int) -> str:
    """ "" where the record has no such event."""
    return trail.event_id_at(account_id, sequence) or ""


def removed_through() -> int:
    """For keys.record.projection, which keeps the changes of records that were removed."""
    return trail.removed_through()


def begins(account_id: str) -> datetime | None:
    return trail.first_event_time(account_id)


def of_source(request: ConsoleRequest, source: str, names: Iterable[str], region: str, most: int) -> FoundEvents:
    """Of another endpoint: the records of these operations among the newest `most` events of a service, in the order they happened."""
    wanted = frozenset(names)
    attribute = {"AttributeKey": "EventSource", "AttributeValue": source}
    read = [each for page in pages(request, most, region=region, LookupAttributes=[attribute]) for each in page]
    records = [json.loads(each["CloudTrailEvent"]) for each in read if each["EventName"] in wanted]
    done = [each for each in records if not each.get("errorCode")]
    return FoundEvents(sorted(done, key=lambda each: each["eventTime"]), len(read) < most)
