"""Key states: what each operation answers in each, as one table; and the effective state, computed from stored facts and a time.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys" (its numbered table).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from engine.kms.stores.snapshots import ORIGINS
from engine.kms_operations import CRYPTOGRAPHIC, USAGE
from engine.wire.errors import AWSError

ENABLED = "Enabled"
DISABLED = "Disabled"
PENDING_IMPORT = "PendingImport"
PENDING_DELETION = "PendingDeletion"
PENDING_REPLICA_DELETION = "PendingReplicaDeletion"
UNAVAILABLE = "Unavailable"
CREATING = "Creating"
UPDATING = "Updating"
DELETING = (PENDING_DELETION, PENDING_REPLICA_DELETION)


class KeyFacts(Protocol):
    """What the rules need to know of a key; engine.kms.key_snapshots.KmsKey is one."""

    @property
    def arn(self) -> str: ...
    @property
    def spec(self) -> str: ...
    @property
    def usage(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def multi_region(self) -> bool: ...
    @property
    def deletion_date(self) -> datetime | None: ...
    @property
    def pending_window_days(self) -> int | None: ...
    @property
    def creating_until(self) -> datetime | None: ...
    @property
    def updating_until(self) -> datetime | None: ...
    @property
    def has_material(self) -> bool: ...
    @property
    def store_connected(self) -> bool: ...


def state(key: KeyFacts, now: datetime) -> str:
    """AWS's KeyState. A pending window without a date is a primary that waits for its replicas to go."""
    if key.deletion_date is not None:
        return PENDING_DELETION
    if key.pending_window_days is not None:
        return PENDING_REPLICA_DELETION
    if key.creating_until is not None and now < key.creating_until:
        return CREATING
    if key.updating_until is not None and now < key.updating_until:
        return UPDATING
    if key.origin in ORIGINS:
        if not key.store_connected:
            return UNAVAILABLE
    elif not key.has_material:
        return PENDING_IMPORT
    return ENABLED if key.enabled else DISABLED


# The answers, by AWS's numbers. Each takes the key's ARN and its origin.
_Answer = Callable[[str, str], AWSError]


def _disabled(arn: str, origin: str) -> AWSError:
    return AWSError("DisabledException", f"{arn} is disabled.")


def _invalid(sentence: str) -> _Answer:
    return lambda arn, origin: AWSError("KMSInvalidStateException", f"{arn} is {sentence}.")


def wrong_origin(arn: str, origin: str) -> AWSError:
    """The answer to what keys of this origin never do."""
    return AWSError("UnsupportedOperationException", f"{arn} origin is {origin} which is not valid for this operation.")


_PENDING_DELETION = _invalid("pending deletion")
_NOT_PENDING_DELETION = _invalid("not pending deletion")
_PENDING_IMPORT = _invalid("pending import")
_UNAVAILABLE = _invalid("unavailable")
_CREATING = _invalid("creating")
_UPDATING = _invalid("updating")

_Row = dict[str, _Answer]
_CRYPTOGRAPHIC: _Row = {
    DISABLED: _disabled,
    PENDING_IMPORT: _PENDING_IMPORT,
    PENDING_DELETION: _PENDING_DELETION,
    PENDING_REPLICA_DELETION: _PENDING_DELETION,
    UNAVAILABLE: _UNAVAILABLE,
    CREATING: _CREATING,
}
_DELETING: _Row = {PENDING_DELETION: _PENDING_DELETION, PENDING_REPLICA_DELETION: _PENDING_DELETION}
_METADATA: _Row = {**_DELETING, CREATING: _CREATING}
_ROTATION: _Row = {
    DISABLED: _disabled,
    PENDING_IMPORT: wrong_origin,
    **_METADATA,
    UNAVAILABLE: wrong_origin,
    UPDATING: _UPDATING,
}

# Operation → state → answer; a state that is not there lets the operation through. An operation that is not there always works.
TABLE: dict[str, _Row] = {
    **dict.fromkeys(CRYPTOGRAPHIC, _CRYPTOGRAPHIC),
    "CreateGrant": {name: answer for name, answer in _CRYPTOGRAPHIC.items() if name != UNAVAILABLE},
    "EnableKey": {PENDING_IMPORT: _PENDING_IMPORT, **_METADATA, UPDATING: _UPDATING},
    "DisableKey": {PENDING_IMPORT: _PENDING_IMPORT, **_METADATA, UPDATING: _UPDATING},
    "EnableKeyRotation": _ROTATION,
    "DisableKeyRotation": _ROTATION,
    "RotateKeyOnDemand": {**_ROTATION, PENDING_IMPORT: _PENDING_IMPORT},
    "GetKeyRotationStatus": {UNAVAILABLE: wrong_origin, CREATING: _CREATING},
    "ListKeyRotations": {UNAVAILABLE: wrong_origin, CREATING: _CREATING},
    "ScheduleKeyDeletion": {**_METADATA, UPDATING: _UPDATING},
    "TagResource": _METADATA,
    "UntagResource": _METADATA,
    "UpdateKeyDescription": _METADATA,
    "CreateAlias": _METADATA,
    "UpdateAlias": _METADATA,
    "CancelKeyDeletion": {
        name: _NOT_PENDING_DELETION for name in (ENABLED, DISABLED, PENDING_IMPORT, UNAVAILABLE, CREATING, UPDATING)
    },
    "GetParametersForImport": {**_METADATA, UPDATING: _UPDATING},
    "ImportKeyMaterial": {**_METADATA, UPDATING: _UPDATING},
    "DeleteImportedKeyMaterial": {CREATING: _CREATING},
    "ReplicateKey": {DISABLED: _disabled, **_METADATA, UPDATING: _UPDATING},
    "UpdatePrimaryRegion": {DISABLED: _disabled, PENDING_IMPORT: _PENDING_IMPORT, **_METADATA, UPDATING: _UPDATING},
}


def refuse_unless_allowed(operation: str, key: KeyFacts, now: datetime) -> None:
    """Raise AWS's error if the key's state does not allow `operation`."""
    row = TABLE.get(operation)
    if row is None:
        return
    answer = row.get(state(key, now))
    if answer is not None:
        raise answer(key.arn, key.origin)


def refusal(operation: str, key_state: str, arn: str, origin: str) -> AWSError | None:
    """AWS's error for `operation` on a key in that state; None if the state allows it."""
    answer = TABLE.get(operation, {}).get(key_state)
    return answer(arn, origin) if answer is not None else None


def refuse_wrong_usage(operation: str, key: KeyFacts) -> None:
    """Raise AWS's error if the key is not for what `operation` does."""
    wanted = USAGE[operation]
    if key.usage != wanted:
        raise AWSError(
            "InvalidKeyUsageException", f"{key.arn} key usage is {key.usage} which is not valid for {operation}."
        )
