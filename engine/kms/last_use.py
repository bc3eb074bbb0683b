"""GetKeyLastUsage: read from the audit trail, which knows every call. A key that was never used has an empty KeyLastUsage."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.kms import access, key_snapshots
from engine.trail import query


def get_key_last_usage(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    answer: dict[str, Any] = {
        "KeyId": key.key_id,
        "KeyCreationDate": key.created,
        "TrackingStartDate": max(query.first_event_time(key.account_id) or key.created, key.created),
        "KeyLastUsage": {},
    }
    use = query.last_use(key.account_id, key.arn)
    if use is not None:
        answer["KeyLastUsage"] = {
            "Operation": use.operation,
            "Timestamp": use.when,
            "CloudTrailEventId": use.event_id,
            "KmsRequestId": use.request_id,
        }
    return answer
