"""A key's state as the record tells it: what each call changes of it, and the state at a moment. Pure.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys" and "Logging AWS KMS API calls with AWS CloudTrail".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.public.key_states import DISABLED, ENABLED, PENDING_DELETION, PENDING_IMPORT, PENDING_REPLICA_DELETION

DELETED = "Deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFacts:
    """What a key's state is computed from. Without a word of its creation it is enabled and has material."""

    enabled: bool = True
    deletion_date: datetime | None = None
    waits_for_replicas: bool = False
    has_material: bool = True
    valid_to: datetime | None = None

    def state(self, moment: datetime) -> str:
        if self.deletion_date is not None:
            return DELETED if self.deletion_date <= moment else PENDING_DELETION
        if self.waits_for_replicas:
            return PENDING_REPLICA_DELETION
        if not self.has_material or (self.valid_to is not None and self.valid_to <= moment):
            return PENDING_IMPORT
        return ENABLED if self.enabled else DISABLED


Part = Mapping[str, Any]  # requestParameters or responseElements


def created(metadata: Part) -> dict[str, Any]:
    """Facts of a new key, by the metadata that the record of its creation has."""
    return {"has_material": metadata.get("origin") != "EXTERNAL"}


def changed(name: str, given: Part, answer: Part) -> dict[str, Any]:
    """The facts that a call changed, for `dataclasses.replace`; none if it has no part in the state."""
    change = CHANGES.get(name)
    return change(given, answer) if change is not None else {}


def _scheduled(given: Part, answer: Part) -> dict[str, Any]:
    waits = answer.get("keyState") == PENDING_REPLICA_DELETION
    date = _moment(answer.get("deletionDate")) or (None if waits else _NOT_YET)
    return {"deletion_date": date, "waits_for_replicas": waits}


def _imported(given: Part, answer: Part) -> dict[str, Any]:
    expires = given.get("expirationModel") != "KEY_MATERIAL_DOES_NOT_EXPIRE"
    return {"has_material": True, "valid_to": _moment(given.get("validTo")) if expires else None}


CHANGES: dict[str, Callable[[Part, Part], dict[str, Any]]] = {
    "EnableKey": lambda given, answer: {"enabled": True},
    "DisableKey": lambda given, answer: {"enabled": False},
    "ScheduleKeyDeletion": _scheduled,
    "CancelKeyDeletion": lambda given, answer: {
        "deletion_date": None,
        "waits_for_replicas": False,
        "enabled": False,
    },
    "ImportKeyMaterial": _imported,
    "DeleteImportedKeyMaterial": lambda given, answer: {"has_material": False, "valid_to": None},
}

SCHEDULED, CANCELLED = "ScheduleKeyDeletion", "CancelKeyDeletion"

# How dates stand in the record: ISO 8601 here, and as AWS writes them.
_AWS_DATES = ("%b %d, %Y %H:%M:%S %p", "%b %d, %Y, %I:%M:%S %p")
_NOT_YET = datetime.max.replace(tzinfo=UTC)  # where the record gives no date, or one in no known form


def _moment(value: Any) -> datetime | None:
    if not value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    for form in _AWS_DATES:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return _NOT_YET
