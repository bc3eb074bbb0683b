"""Every version of a key policy, as the trail tells it: CloudTrail's records of CreateKey and PutKeyPolicy hold the text, who put it
and when. Who may read the embedded record gets them all from the key's history, at once; at any other endpoint that has a trail
LookupEvents is asked, as far back as the trail goes (90 days on AWS)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from console.request import ConsoleRequest
from engine.public.key_policies import default_key_policy
from keys import service
from keys.policy import policy_document
from keys.record import events, history

_PAGES = 40  # of 50 events: how far a page looks by LookupEvents
_NAMES = ("PutKeyPolicy", "CreateKey")


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
    """`key` as DescribeKey has it. Raises ClientError if the caller may not look events up, HistoryBeingRead."""
    if events.may_search(request):
        told = history.of_key(request, key["Arn"], service.record_now(request)).records
        records, whole = [each for each in told if each["eventName"] in _NAMES][::-1], True
    else:
        records, whole = _looked_up(request, key)
    now = policy_document.pretty(policy_now)
    versions = [_version(record, key) for record in records]
    for number, version in enumerate(versions):
        if policy_document.pretty(version.policy) == now:
            versions[number] = replace(version, current=True)
            break
    return History(versions, whole and any(each.operation == "CreateKey" for each in versions))


def _looked_up(request: ConsoleRequest, key: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """(newest first, whether all events were looked at), by LookupEvents."""
    begin, hour = key["CreationDate"], timedelta(hours=1)
    puts, whole = _events(request, "PutKeyPolicy", key["Arn"], StartTime=begin - hour)
    births, _whole = _events(request, "CreateKey", key["Arn"], StartTime=begin - hour, EndTime=begin + hour)
    return [*puts, *births], whole


def _events(request: ConsoleRequest, name: str, arn: str, **period: Any) -> tuple[list[dict[str, Any]], bool]:
    """The records of the successful events of a name that touch the key, and whether all were looked at."""
    attributes = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found: list[dict[str, Any]] = []
    whole = True
    read = events.pages(request, (_PAGES + 1) * events.PAGE, LookupAttributes=attributes, **period)
    for number, page in enumerate(read, start=1):
        found += [json.loads(event["CloudTrailEvent"]) for event in page]
        if number >= _PAGES:
            whole = False
            break
    return [
        record
        for record in found
        if any(arn == resource.get("ARN") for resource in record.get("resources") or ())
        and "errorCode" not in record
        and not record.get("voided")
    ], whole


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
