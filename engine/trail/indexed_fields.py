"""What an audit record is looked up by, read from its JSON; the same for the index of a file journal and the tables of a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from engine.kms_operations import USES


@dataclass(frozen=True, slots=True)
class IndexedFields:
    """`error`, `access_key` and `role` are "" where there is none; `used` is 1 for a successful cryptographic operation."""

    account: str
    event_id: str
    time: int
    region: str
    source: str
    name: str
    error: str
    principal: str
    user: str
    access_key: str
    role: str
    read_only: int
    used: int
    resources: tuple[str, ...]
    voids: str

    @classmethod
    def of(cls, record: bytes) -> IndexedFields:
        event = orjson.loads(record)
        identity: dict[str, Any] = event["userIdentity"]
        issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
        name, error = event["eventName"], event.get("errorCode", "")
        return cls(
            account=event.get("recipientAccountId", ""),
            event_id=event["eventID"],
            time=int(datetime.fromisoformat(event["eventTime"]).timestamp()),
            region=event["awsRegion"],
            source=event["eventSource"],
            name=name,
            error=error,
            principal=identity.get("arn", identity.get("invokedBy", "")),
            user=user_name(identity),
            access_key=identity.get("accessKeyId", ""),
            role=issuer["arn"] if issuer.get("type") == "Role" else "",
            read_only=int(bool(event.get("readOnly"))),
            used=int(name in USES and not error),
            resources=tuple(resource["ARN"] for resource in event.get("resources", ())),
            voids=event["serviceEventDetails"]["voidedEventID"] if name == "EventVoided" else "",
        )


def user_name(identity: dict[str, Any]) -> str:
    """What LookupEvents calls the Username: the user's name, a role session's name, a service, the account of who took a role."""
    if "userName" in identity:
        return str(identity["userName"])
    if identity.get("type") == "AWSAccount":
        return str(identity["accountId"])
    arn = identity.get("arn", "")
    return str(arn.rpartition("/")[2] if "/" in arn else identity.get("invokedBy", arn.rpartition(":")[2]))
