"""CloudTrail: LookupEvents over the event history of the caller's account and Region, and what is asked of trails.

There is no trail, in AWS's sense of one that delivers files to a bucket: the event history is there without. So there are no digest files
either, and no public keys to check them with. Source: AWS CloudTrail API Reference.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from typing import Any

import orjson

from engine.context import CallContext
from engine.iam.authorize import authorize
from engine.operation import Operation
from engine.region_names import partition
from engine.trail import indexed_fields, query
from engine.wire.errors import AWSError

_ATTRIBUTES = {
    "EventId": "event_id",
    "EventName": "name",
    "Username": "user",
    "EventSource": "source",
    "AccessKeyId": "access_key",
    "ResourceName": "key",
}
_MOST = 50


def lookup_events(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    authorize(context, "cloudtrail:LookupEvents")
    start, end = parameters.get("StartTime"), parameters.get("EndTime")
    if start is not None and end is not None and start > end:
        raise AWSError("InvalidTimeRangeException", "Start time must be before or equal to end time.")
    attributes = parameters.get("LookupAttributes", [])
    if len(attributes) > 1:  # API Reference, LookupEvents: "Currently the list can contain only one item."
        raise AWSError("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    wanted: dict[str, Any] = {}
    for attribute in attributes:
        name, value = attribute["AttributeKey"], attribute["AttributeValue"]
        if name == "ReadOnly":
            wanted["read_only"] = value == "true"
        elif name == "ResourceType":
            if value != "AWS::KMS::Key":
                return {"Events": []}
        else:
            wanted[_ATTRIBUTES[name]] = _key_arn(context, value) if name == "ResourceName" else value
    if parameters.get("EventCategory"):
        return {"Events": []}  # Insights events: there are none
    page = query.lookup(
        context.account_id,
        query.Lookup(
            region=context.region,
            start=start,
            end=end,
            limit=parameters.get("MaxResults", _MOST),
            before=_read_token(parameters),
            **wanted,
        ),
    )
    answer: dict[str, Any] = {"Events": [_entry(event) for event in page.events]}
    if page.next is not None:
        answer["NextToken"] = base64.b64encode(f"events|{page.next}|{_question(parameters)}".encode()).decode()
    return answer


def _question(parameters: dict[str, Any]) -> str:
    """What is asked for, in short: a token is for the next page of the same answer (API Reference, LookupEvents, NextToken)."""
    asked = [parameters.get(name) for name in ("LookupAttributes", "StartTime", "EndTime", "EventCategory")]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()[:16]


def _key_arn(context: CallContext, name: str) -> str:
    """A key may be named by its ID alone."""
    return name if name.startswith("arn:") else f"arn:aws:kms:{context.region}:{context.account_id}:key/{name}"


def _read_token(parameters: dict[str, Any]) -> int | None:
    token = parameters.get("NextToken")
    if token is None:
        return None
    try:
        kind, value, question = base64.b64decode(token, validate=True).decode().split("|")
        if kind == "events" and question == _question(parameters):
            return int(value)
    except ValueError as reason:
        raise _invalid_token() from reason
    raise _invalid_token()


def _invalid_token() -> AWSError:
    return AWSError("InvalidNextTokenException", "Invalid token.")


def _entry(event: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": "true" if event.get("readOnly") else "false",
        "EventTime": datetime.fromisoformat(event["eventTime"]),
        "EventSource": event["eventSource"],
        "Username": indexed_fields.user_name(event["userIdentity"]),
        "Resources": [
            {"ResourceType": resource["type"], "ResourceName": resource["ARN"]}
            for resource in event.get("resources", ())
        ],
        "CloudTrailEvent": orjson.dumps(event).decode(),
    }
    access_key_id = event["userIdentity"].get("accessKeyId")
    if access_key_id:
        entry["AccessKeyId"] = access_key_id
    return entry


_TRAIL_NAME = re.compile(r"[A-Za-z0-9](?!.*[._-]{2})[A-Za-z0-9._-]{1,126}[A-Za-z0-9]")
_TRAIL_ARN = re.compile(r"arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:trail/(.+)")


def describe_trails(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    authorize(context, "cloudtrail:DescribeTrails")
    for name in parameters.get("trailNameList", ()):
        _trail_arn(context, name)
    return {"trailList": []}


def get_trail_status(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    arn = _trail_arn(context, parameters["Name"])
    authorize(context, "cloudtrail:GetTrailStatus", resource=arn)
    raise AWSError("TrailNotFoundException", f"Unknown trail: {arn} for the user: {context.account_id}")


def list_public_keys(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    authorize(context, "cloudtrail:ListPublicKeys")
    start, end = parameters.get("StartTime"), parameters.get("EndTime")
    if start is not None and end is not None and start > end:
        raise AWSError("InvalidTimeRangeException", "Start time must be before or equal to end time.")
    if "NextToken" in parameters:  # none was given out
        raise AWSError("InvalidTokenException", "Invalid token.")
    return {"PublicKeyList": []}


def _trail_arn(context: CallContext, name: str) -> str:
    """Raises InvalidTrailNameException for what is neither a trail's name nor its ARN."""
    by_arn = _TRAIL_ARN.fullmatch(name)
    if not _TRAIL_NAME.fullmatch(by_arn[1] if by_arn else name):
        raise AWSError(
            "InvalidTrailNameException",
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).",
        )
    where = f"{partition(context.region)}:cloudtrail:{context.region}:{context.account_id}"
    return name if by_arn else f"arn:{where}:trail/{name}"


OPERATIONS: dict[str, Operation] = {
    "DescribeTrails": Operation(describe_trails),
    "GetTrailStatus": Operation(get_trail_status),
    "ListPublicKeys": Operation(list_public_keys),
    "LookupEvents": Operation(lookup_events),
}
