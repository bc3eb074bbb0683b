"""Reading the trail for the audit pages: LookupEvents as the signed-in principal, and, once that is permitted, the embedded trail whole.

CloudTrail's LookupEvents takes one attribute and answers fifty events at a time; an auditor asks for all of many kinds. On real AWS
the pages are walked (CloudTrail keeps ninety days there); of the embedded trail they are read at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from engine.public import record as trail
from engine.public.record import Lookup, user_name
from keys import service

PAGE = 50
MOST = 200_000  # records that one question reads at most
_CHUNK = 2_000
_GLOBAL = "us-east-1"  # where CloudTrail keeps the events of IAM


@dataclass(frozen=True, slots=True)
class Found:
    """Records in the order they happened; `whole` is false where there are more than were read."""

    records: list[dict[str, Any]]
    whole: bool


def look_up(request: HttpRequest, **parameters: Any) -> dict[str, Any]:
    """One page as LookupEvents answers it. Raises ClientError if the caller may not look events up."""
    answer: dict[str, Any] = service.client(request, "cloudtrail").lookup_events(**parameters)
    return answer


def pages(
    request: HttpRequest, most: int, *, region: str | None = None, **parameters: Any
) -> Iterator[list[dict[str, Any]]]:
    """The events as LookupEvents answers them, newest first, a page at a time until `most` were read."""
    settings = {"MaxItems": most, "PageSize": PAGE}
    reader = service.client(request, "cloudtrail", region).get_paginator("lookup_events")
    for page in reader.paginate(**parameters, PaginationConfig=settings):
        yield page["Events"]


def permitted(request: HttpRequest) -> None:
    """Raises ClientError unless the principal may look events up; the record has it that it looked."""
    look_up(request, MaxResults=1)


def of_kinds(request: HttpRequest, names: Iterable[str], until: datetime) -> list[dict[str, Any]]:
    """The records of these operations up to `until`, in the order they happened, from every Region of the account."""
    permitted(request)
    if service.backend(request).kind == service.AWS:
        records = [record for name in names for record in _theirs(request, name, until)]
        return sorted(records, key=lambda record: record["eventTime"])
    numbered = [each for name in names for each in _ours(request, name, until)]
    return [record for _sequence, record in sorted(numbered, key=lambda each: each[0])]


def _ours(request: HttpRequest, name: str, until: datetime) -> Iterator[tuple[int, dict[str, Any]]]:
    """(sequence, record): times are whole seconds, so only the sequence tells what came first."""
    account_id = request.signed_in.account_id  # type: ignore[attr-defined]
    before, read = None, 0
    while read < MOST:
        page = trail.lookup(account_id, Lookup(name=name, end=until, limit=_CHUNK, before=before))
        yield from zip(page.sequences, page.events, strict=True)
        read += len(page.events)
        if page.next is None:
            return
        before = page.next


def _theirs(request: HttpRequest, name: str, until: datetime) -> Iterator[dict[str, Any]]:
    attribute = {"AttributeKey": "EventName", "AttributeValue": name}
    read = pages(request, MOST, LookupAttributes=[attribute], EndTime=until)
    newest_first = [json.loads(event["CloudTrailEvent"]) for page in read for event in page]
    yield from reversed(newest_first)


def since(request: HttpRequest, names: Iterable[str], start: datetime, *, user: str = "", most: int = _CHUNK) -> Found:
    """What came of these operations from `start` on, the newest `most` of each, from every Region of the account; voided ones left out.

    With `user` (CloudTrail's Username) only of who is called so. On real AWS one sweep of the newest events, of this Region and of IAM's.
    Raises ClientError unless the principal may look events up.
    """
    permitted(request)
    if service.backend(request).kind == service.AWS:
        return _theirs_since(request, frozenset(names), start, user, most)
    account_id = request.signed_in.account_id  # type: ignore[attr-defined]
    numbered: list[tuple[int, dict[str, Any]]] = []
    whole = True
    for name in names:
        page = trail.lookup(account_id, Lookup(name=name, start=start, limit=most))
        if page.next is not None and user:  # others crowd them out
            page = trail.lookup(account_id, Lookup(name=name, user=user, start=start, limit=most))
        whole = whole and page.next is None
        numbered += zip(page.sequences, page.events, strict=True)
    records = [record for _sequence, record in sorted(numbered, key=lambda each: each[0])]
    return Found([each for each in records if not each.get("voided") and _is_of(each, user)], whole)


def _is_of(record: dict[str, Any], user: str) -> bool:
    return not user or user_name(record["userIdentity"]) == user


def _theirs_since(request: HttpRequest, names: frozenset[str], start: datetime, user: str, most: int) -> Found:
    narrowed = {"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": user}]} if user else {}
    events: list[dict[str, Any]] = []
    whole = True
    for region in dict.fromkeys([request.signed_in.region, _GLOBAL]):  # type: ignore[attr-defined]
        read = pages(request, most, region=region, **narrowed, StartTime=start)
        found = [event for page in read for event in page]
        whole = whole and len(found) < most
        events += reversed([event for event in found if event["EventName"] in names])
    records = [json.loads(event["CloudTrailEvent"]) for event in events]
    return Found(sorted(records, key=lambda record: record["eventTime"]), whole)


def refused_since(request: HttpRequest, start: datetime, most: int) -> list[dict[str, Any]]:
    """Records of refused calls in this Region; on real AWS of any calls, the newest `most`, for it cannot be asked for refusals alone."""
    if service.backend(request).kind == service.AWS:
        return [
            json.loads(event["CloudTrailEvent"]) for page in pages(request, most, StartTime=start) for event in page
        ]
    permitted(request)
    signed_in = request.signed_in  # type: ignore[attr-defined]
    return trail.lookup(signed_in.account_id, Lookup(region=signed_in.region, errors_only=True, start=start)).events


def begins(request: HttpRequest) -> datetime | None:
    """When the embedded trail of the account begins."""
    return trail.first_event_time(request.signed_in.account_id)  # type: ignore[attr-defined]
