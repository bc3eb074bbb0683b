"""A CloudTrail record as an event of the Open Cybersecurity Schema Framework: class API Activity (6003), profile Cloud, for SIEMs. Pure.

Source: schema.ocsf.io, version 1.3.0. The mapping is the table below: where in the OCSF event → what of the record. What has no place in the
schema is in `unmapped`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from keys.record import events

Record = dict[str, Any]
VERSION = "1.3.0"
CATEGORY, CLASS = 6, 6003
_UNKNOWN, _CREATE, _READ, _UPDATE, _DELETE, _OTHER = 0, 1, 2, 3, 4, 99
_ACTIVITIES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete"}
# How an operation's name begins → what it does. A use of a key is none of these, and is called by its own name.
_VERBS = {
    "Create": _CREATE,
    "Replicate": _CREATE,
    "Add": _CREATE,
    "Delete": _DELETE,
    "ScheduleKeyDeletion": _DELETE,
    "Remove": _DELETE,
    "Retire": _DELETE,
    "Revoke": _DELETE,
    "Untag": _DELETE,
}
_USER_TYPES = {"IAMUser": 1, "Root": 2, "AWSService": 3}  # User, Admin, System
_OTHER_USER = 99


def _activity(record: Record) -> int:
    kind = events.kind({**record, "errorCode": ""})  # what was tried, whether or not it was allowed
    if kind == "use":
        return _OTHER
    if kind == "read":
        return _READ
    return next((number for verb, number in _VERBS.items() if record["eventName"].startswith(verb)), _UPDATE)


def _activity_name(record: Record) -> str:
    return _ACTIVITIES.get(_activity(record), str(record["eventName"]))


def _type_name(record: Record) -> str:
    return f"API Activity: {_ACTIVITIES.get(_activity(record), 'Other')}"


def _user(record: Record) -> Record | None:
    identity = record["userIdentity"]
    if not identity.get("arn") and not identity.get("principalId"):
        return None
    return _kept(
        {
            "type": identity.get("type"),
            "type_id": _USER_TYPES.get(identity.get("type", ""), _OTHER_USER),
            "name": events.user_name(identity),
            "uid": identity.get("principalId") or identity.get("arn"),
            "uid_alt": identity.get("arn"),
            "account": _kept({"uid": identity.get("accountId")}) or None,
            "credential_uid": identity.get("accessKeyId"),
        }
    )


def _session(record: Record) -> Record | None:
    context = record["userIdentity"].get("sessionContext", {})
    attributes = context.get("attributes", {})
    created = attributes.get("creationDate")
    return (
        _kept(
            {
                "uid": record["userIdentity"].get("accessKeyId"),
                "created_time": _milliseconds(created) if created else None,
                "issuer": context.get("sessionIssuer", {}).get("arn"),
                "is_mfa": {"true": True, "false": False}.get(attributes.get("mfaAuthenticated")),
            }
        )
        or None
    )


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _endpoint(record: Record) -> Record:
    source = record.get("sourceIPAddress") or "unknown"
    is_service = source.endswith(".amazonaws.com") or " " in source or source == "unknown"
    return {"svc_name": source} if is_service else {"ip": source}


def _resources(record: Record) -> list[Record] | None:
    return [
        _kept(
            {
                "uid": each.get("ARN"),
                "type": each.get("type"),
                "owner": {"account": {"uid": each["accountId"]}} if each.get("accountId") else None,
            }
        )
        for each in record.get("resources") or ()
    ] or None


def _failed(record: Record) -> bool:
    return bool(record.get("errorCode"))


# Place in the OCSF event → value of a record; None is left out.
MAPPING: dict[str, Callable[[Record], Any]] = {
    "activity_id": _activity,
    "activity_name": _activity_name,
    "category_uid": lambda record: CATEGORY,
    "category_name": lambda record: "Application Activity",
    "class_uid": lambda record: CLASS,
    "class_name": lambda record: "API Activity",
    "type_uid": lambda record: CLASS * 100 + _activity(record),
    "type_name": _type_name,
    "severity_id": lambda record: 2 if _failed(record) else 1,
    "severity": lambda record: "Low" if _failed(record) else "Informational",
    "time": lambda record: _milliseconds(record["eventTime"]),
    "status_id": lambda record: 2 if _failed(record) else 1,
    "status": lambda record: "Failure" if _failed(record) else "Success",
    "status_code": lambda record: record.get("errorCode"),
    "status_detail": lambda record: record.get("errorMessage"),
    "metadata.version": lambda record: VERSION,
    "metadata.uid": lambda record: record["eventID"],
    "metadata.event_code": lambda record: record.get("eventType"),
    "metadata.original_time": lambda record: record["eventTime"],
    "metadata.log_name": lambda record: record.get("eventCategory"),
    "metadata.profiles": lambda record: ["cloud"],
    "metadata.product.name": lambda record: "CloudTrail",
    "metadata.product.vendor_name": lambda record: "kmsconsole",
    "metadata.product.version": lambda record: record.get("eventVersion"),
    "cloud.provider": lambda record: "AWS",
    "cloud.region": lambda record: record.get("awsRegion"),
    "cloud.account.uid": lambda record: record.get("recipientAccountId"),
    "actor.user": _user,
    "actor.session": _session,
    "actor.invoked_by": lambda record: record["userIdentity"].get("invokedBy"),
    "api.operation": lambda record: record["eventName"],
    "api.service.name": lambda record: record["eventSource"],
    "api.request.uid": lambda record: record.get("requestID") or record["eventID"],
    "api.request.data": lambda record: record.get("requestParameters"),
    "api.response.data": lambda record: record.get("responseElements"),
    "api.response.error": lambda record: record.get("errorCode"),
    "api.response.error_message": lambda record: record.get("errorMessage"),
    "src_endpoint": _endpoint,
    "http_request.user_agent": lambda record: record.get("userAgent"),
    "resources": _resources,
}
_MAPPED = frozenset(
    (
        "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
        "errorCode", "errorMessage", "requestParameters", "responseElements", "requestID", "eventID", "resources", "eventType",
        "recipientAccountId", "eventCategory",
    )
)  # fmt: skip


def api_activity(record: Record, asked: dict[str, str] | None = None) -> Record:
    """The OCSF event of a record; `asked`, the filter it was exported by, is in `unmapped`."""
    event: Record = {}
    for place, value_of in MAPPING.items():
        value = value_of(record)
        if value is None:
            continue
        *path, name = place.split(".")
        inner = event
        for step in path:
            inner = inner.setdefault(step, {})
        inner[name] = value
    unmapped = {name: value for name, value in record.items() if name not in _MAPPED}
    if asked:
        unmapped["exportFilter"] = asked
    return {**event, "unmapped": unmapped} if unmapped else event


def _kept(members: Record) -> Record:
    return {name: value for name, value in members.items() if value is not None}
