"""The events of one key, newest first, as the signed-in principal: of the embedded record in one reading, by who may read it; else by
CloudTrail's LookupEvents, fifty at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.request import ConsoleRequest
from engine.public.vocabulary import CRYPTOGRAPHIC
from keys.record import events

_PAGE = 50
MOST = 2000


@dataclass(frozen=True, slots=True)
class Event:
    """One call that named the key. `service` is the AWS service that made it for the principal, or "" for a direct call."""

    id: str
    time: datetime
    name: str
    principal: str
    service: str
    error: str
    contexts: tuple[Mapping[str, str], ...]
    read_only: bool
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    record: dict[str, Any]

    @property
    def is_use(self) -> bool:
        return self.name in CRYPTOGRAPHIC


@dataclass(frozen=True, slots=True)
class Events:
    """`whole` is false when there are more than were read."""

    found: list[Event]
    whole: bool


def of_key(request: ConsoleRequest, arn: str, *, since: datetime | None = None, most: int = MOST) -> Events:
    """Raises ClientError if the caller may not look events up."""
    if events.may_search(request):
        read = events.newest_of_key(request, arn, since, most)
        return Events([event_of(record) for record in read.records if not record.get("voided")], read.whole)
    found: list[Event] = []
    parameters: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": arn}],
        "MaxResults": _PAGE,
    }
    if since is not None:
        parameters["StartTime"] = since
    while len(found) < most:
        answer = events.look_up(request, **parameters)
        records = [json.loads(entry["CloudTrailEvent"]) for entry in answer["Events"]]
        found += [event_of(record) for record in records if not record.get("voided")]
        token = answer.get("NextToken")
        if not token:
            return Events(found, True)
        parameters["NextToken"] = token
    return Events(found, False)


def event_of(record: dict[str, Any]) -> Event:
    """The event of a record in CloudTrail's form."""
    identity = record["userIdentity"]
    given = record.get("requestParameters") or {}
    contexts = [given[name] for name in given if name.lower().endswith("encryptioncontext") and given[name]]
    return Event(
        id=record["eventID"],
        time=datetime.fromisoformat(record["eventTime"]),
        name=record["eventName"],
        principal=identity.get("arn") or identity.get("invokedBy", ""),
        service=identity.get("invokedBy", ""),
        error=record.get("errorCode", ""),
        contexts=tuple(contexts),
        read_only=bool(record.get("readOnly")),
        request=given,
        response=record.get("responseElements") or {},
        record=record,
    )
