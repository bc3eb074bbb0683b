"""Every version of a key policy, as the trail tells it: CloudTrail's records of CreateKey and PutKeyPolicy hold the text, who put it
and when. So it works with any endpoint that has a trail, as far back as the trail goes (90 days on AWS)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.request import ConsoleRequest
from engine.public.key_policies import default_key_policy
from keys.policy import policy_document
from keys.record import events

_PAGES = 40  # of 50 events: how far a page looks


@dataclass(frozen=True, slots=True)
class Version:
    """`event_id` names it; `policy` is its text; `current` marks the one in force."""

    event_id: str
    operation: str
    who: str
    when: datetime
    policy: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Newest first. `complete` is False when there were more events than a page looks through, or the key is older than its trail."""

    versions: list[Version]
    complete: bool

    def find(self, event_id: str) -> Version | None:
        return next((version for version in self.versions if version.event_id == event_id), None)


def read(request: ConsoleRequest, key: dict[str, Any], policy_now: str) -> History:
    """`key` as DescribeKey has it. Raises ClientError if the caller may not look events up."""
    created = key["CreationDate"]
    puts, whole = _events(request, "PutKeyPolicy", key["Arn"], created - timedelta(hours=1), None)
    births, _whole = _events(
        request, "CreateKey", key["Arn"], created - timedelta(hours=1), created + timedelta(hours=1)
    )
    versions = [_version(record, key) for record in (*puts, *births)]
    versions.sort(key=lambda version: version.when, reverse=True)
    for number, version in enumerate(versions):
        if policy_document.same(version.policy, policy_now):
            versions[number] = Version(
                version.event_id, version.operation, version.who, version.when, version.policy, current=True
            )
            break
    return History(versions, whole and bool(births))


def _events(
    request: ConsoleRequest, name: str, arn: str, start: datetime, end: datetime | None
) -> tuple[list[dict[str, Any]], bool]:
    """The records of the successful events of a name that touch the key, and whether all were looked at."""
    records, whole = _looked_at(request, name, start, end)
    return [
        record
        for record in records
        if any(arn == resource.get("ARN") for resource in record.get("resources") or ())
        and "errorCode" not in record
        and not record.get("voided")
    ], whole


def _looked_at(
    request: ConsoleRequest, name: str, start: datetime, end: datetime | None
) -> tuple[list[dict[str, Any]], bool]:
    """The records of a name, and whether they are all: of the embedded record in one reading, else by LookupEvents."""
    if end is None and events.may_search(request):
        read = events.since(request, [name], start, most=_PAGES * events.PAGE)
        return read.records[::-1], read.whole  # newest first, as LookupEvents answers
    parameters: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}],
        "StartTime": start,
    }
    if end is not None:
        parameters["EndTime"] = end
    found = []
    for number, page in enumerate(events.pages(request, (_PAGES + 1) * events.PAGE, **parameters)):
        found += [json.loads(event["CloudTrailEvent"]) for event in page]
        if number + 1 >= _PAGES:
            return found, False
    return found, True


def _version(record: dict[str, Any], key: dict[str, Any]) -> Version:
    given = (record.get("requestParameters") or {}).get("policy")
    identity = record.get("userIdentity") or {}
    return Version(
        event_id=record["eventID"],
        operation=record["eventName"],
        who=identity.get("arn") or identity.get("invokedBy", ""),
        when=datetime.fromisoformat(record["eventTime"]),
        policy=given or default_key_policy(key["AWSAccountId"], key["Arn"].split(":")[1]),
    )
