"""What each action of a key's page would answer now, by the key's state and kind: the words beside an action that is disabled.

Pages do not ask the endpoint for what its documentation says; the test of this table asks the engine, action by action. Source: KMS
Developer Guide, "Key states of AWS KMS keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DELETING = ("PendingDeletion", "PendingReplicaDeletion")
_DISABLED = "DisabledException: {arn} is disabled."
_PENDING_DELETION = "KMSInvalidStateException: {arn} is pending deletion."
_NOT_PENDING_DELETION = "KMSInvalidStateException: {arn} is not pending deletion."
_PENDING_IMPORT = "KMSInvalidStateException: {arn} is pending import."
_CREATING = "KMSInvalidStateException: {arn} is creating."
_UPDATING = "KMSInvalidStateException: {arn} is updating."
_UNAVAILABLE = "KMSInvalidStateException: {arn} is unavailable."
_WRONG_ORIGIN = "UnsupportedOperationException: {arn} origin is {origin} which is not valid for this operation."
_MANAGED = "AccessDeniedException: {arn} is an AWS managed key: it takes no administration."

Row = Mapping[str, str]
_METADATA: Row = {**dict.fromkeys(_DELETING, _PENDING_DELETION), "Creating": _CREATING}
_SWITCH: Row = {"PendingImport": _PENDING_IMPORT, **_METADATA, "Updating": _UPDATING}
_ROTATION: Row = {
    "Disabled": _DISABLED,
    "PendingImport": _WRONG_ORIGIN,
    **_METADATA,
    "Unavailable": _WRONG_ORIGIN,
    "Updating": _UPDATING,
}

# Action of the page → state → answer. What is not there works.
TABLE: dict[str, Row] = {
    "enable": _SWITCH,
    "disable": _SWITCH,
    "delete": {**_METADATA, "Updating": _UPDATING},
    "cancel-deletion": dict.fromkeys(
        ("Enabled", "Disabled", "PendingImport", "Unavailable", "Creating", "Updating"), _NOT_PENDING_DELETION
    ),
    "rotate": {**_ROTATION, "PendingImport": _PENDING_IMPORT},
    "rotation-on": _ROTATION,
    "rotation-off": _ROTATION,
    "describe": _METADATA,
    "alias-add": _METADATA,
    "tag-add": _METADATA,
    "tag-delete": _METADATA,
    "replicate": {"Disabled": _DISABLED, **_METADATA, "Updating": _UPDATING},
    "primary": {"Disabled": _DISABLED, "PendingImport": _PENDING_IMPORT, **_METADATA, "Updating": _UPDATING},
    "grant-add": {"Disabled": _DISABLED, "PendingImport": _PENDING_IMPORT, **_METADATA},
    "import": {**_METADATA, "Updating": _UPDATING},
    "delete-material": {"Creating": _CREATING},
    "public-key": {
        "Disabled": _DISABLED,
        "PendingImport": _PENDING_IMPORT,
        **_METADATA,
        "Unavailable": _UNAVAILABLE,
    },
    "edit-policy": {},
}
# What an AWS managed key lets one do all the same.
_MANAGED_TOO = frozenset({"grant-revoke", "grant-retire", "public-key"})


def refused(key: Mapping[str, Any]) -> dict[str, str]:
    """Action → the AWS error it would give now, for those that would be refused. `key` is DescribeKey's KeyMetadata."""
    if key.get("KeyManager") == "AWS":
        return {action: _MANAGED.format(arn=key["Arn"]) for action in TABLE if action not in _MANAGED_TOO}
    found = {}
    for action, row in TABLE.items():
        answer = row.get(key["KeyState"])
        if answer is not None:
            found[action] = answer.format(arn=key["Arn"], origin=key.get("Origin", ""))
    if key.get("Origin") != "AWS_KMS":
        found["rotation-on"] = found["rotation-off"] = _WRONG_ORIGIN.format(
            arn=key["Arn"], origin=key.get("Origin", "")
        )
    return found
