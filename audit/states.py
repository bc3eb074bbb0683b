"""What state every key was in at a moment, told by the trail alone: creation, enabling, deletion, imports, up to that moment. Pure.

Comes in: CloudTrail records of the operations in `STATE_EVENTS`, oldest first. What each changes of a state is in
keys/record/key_states.py. A key that no record creates (older than the trail, or another account's) is not there, rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keys.record import key_states

STATE_EVENTS = (
    "CreateKey",
    "ReplicateKey",
    *key_states.CHANGES,
    "UpdateKeyDescription",
    "PutKeyPolicy",
    "CreateAlias",
    "DeleteAlias",
    "UpdateAlias",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySnapshot(key_states.StateFacts):
    """A key at the moment asked about. `since`, `by` and `event_id` are of the last change of its state."""

    key_id: str
    arn: str
    spec: str
    usage: str
    origin: str
    created: datetime
    since: datetime
    by: str
    event_id: str
    description: str = ""
    aliases: frozenset[str] = frozenset()
    policy_since: datetime | None = None
    policy_event_id: str = ""


def replay(records: Iterable[dict[str, Any]], region: str, moment: datetime) -> list[KeySnapshot]:
    """The keys of a Region at `moment`, by their IDs, deleted ones too. Refused calls change nothing, nor do voided ones."""
    keys: dict[str, KeySnapshot] = {}
    for record in records:
        when = datetime.fromisoformat(record["eventTime"])
        if when > moment or record.get("errorCode") or record.get("voided"):
            continue
        _apply(keys, record, region, when)
    return sorted(keys.values(), key=lambda key: key.key_id)


def _apply(keys: dict[str, KeySnapshot], record: dict[str, Any], region: str, when: datetime) -> None:
    name, given, answer = (
        record["eventName"],
        record.get("requestParameters") or {},
        record.get("responseElements") or {},
    )
    identity = record.get("userIdentity", {})
    change: dict[str, Any] = {
        "since": when,
        "by": identity.get("arn") or identity.get("invokedBy", ""),
        "event_id": record["eventID"],
    }
    if name in ("CreateKey", "ReplicateKey"):
        metadata = answer.get("keyMetadata") or answer.get("replicaKeyMetadata") or {}
        if f":{region}:" in metadata.get("arn", ""):
            keys[metadata["keyId"]] = _created(metadata, change, when)
        return
    for resource in record.get("resources") or ():
        arn = resource["ARN"]
        key = keys.get(arn.rpartition("/")[2])
        if key is None or key.arn != arn:
            continue
        keys[key.key_id] = replace(key, **_changed(name, key, given, answer, when, change))


def _created(metadata: dict[str, Any], change: dict[str, Any], when: datetime) -> KeySnapshot:
    return KeySnapshot(
        key_id=metadata["keyId"],
        arn=metadata["arn"],
        spec=metadata.get("keySpec", metadata.get("customerMasterKeySpec", "")),
        usage=metadata.get("keyUsage", ""),
        origin=metadata.get("origin", "AWS_KMS"),
        created=when,
        **key_states.created(metadata),
        description=metadata.get("description", ""),
        policy_since=when,
        policy_event_id=change["event_id"],
        **change,
    )


def _changed(
    name: str, key: KeySnapshot, given: dict[str, Any], answer: dict[str, Any], when: datetime, change: dict[str, Any]
) -> dict[str, Any]:
    """What a call changed of a key."""
    facts = key_states.changed(name, given, answer)
    if facts:
        return {**facts, **change}
    if name == "UpdateKeyDescription":
        return {"description": given.get("description", "")}
    if name == "PutKeyPolicy":
        return {"policy_since": when, "policy_event_id": change["event_id"]}
    alias = str(given.get("aliasName", "")).removeprefix("alias/")
    if name in ("CreateAlias", "UpdateAlias") and key.key_id in str(given.get("targetKeyId", "")):
        return {"aliases": key.aliases | {alias}}
    return {"aliases": key.aliases - {alias}}
