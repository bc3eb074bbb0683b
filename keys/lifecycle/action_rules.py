"""What each action of a key's page would answer now, by the reader's permissions and the key's state and kind: the words beside an
action that is disabled.

Pages do not ask the endpoint for what its documentation says: the engine's table of key states answers. The test asks the engine itself,
action by action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.request import ConsoleRequest
from engine.public.key_states import refusal, wrong_origin
from keys import permissions
from keys.lifecycle import approvals

_MANAGED = "AccessDeniedException: {arn} is an AWS managed key: it takes no administration."

# Action of the page → the operation that it asks for.
OPERATIONS = {
    "enable": "EnableKey",
    "disable": "DisableKey",
    "delete": "ScheduleKeyDeletion",
    "cancel-deletion": "CancelKeyDeletion",
    "rotate": "RotateKeyOnDemand",
    "rotation-on": "EnableKeyRotation",
    "rotation-off": "DisableKeyRotation",
    "describe": "UpdateKeyDescription",
    "alias-add": "CreateAlias",
    "tag-add": "TagResource",
    "tag-delete": "UntagResource",
    "replicate": "ReplicateKey",
    "primary": "UpdatePrimaryRegion",
    "grant-add": "CreateGrant",
    "import": "ImportKeyMaterial",
    "delete-material": "DeleteImportedKeyMaterial",
    "public-key": "GetPublicKey",
    "edit-policy": "PutKeyPolicy",
}
# What a key in a custom key store never does.
_NOT_IN_STORES = ("rotate", "import", "delete-material")
# What an AWS managed key lets one do all the same.
_MANAGED_TOO = frozenset({"grant-revoke", "grant-retire", "public-key"})


def unavailable_actions(request: ConsoleRequest, key: Mapping[str, Any]) -> dict[str, str]:
    """Action → the AWS error that this reader would get now: the engine asks for permission first, then looks at the key."""
    found = refused_actions(key)
    two_persons = approvals.required(request.signed_in.account_id)
    for action, operation in {**OPERATIONS, "grant-revoke": "RevokeGrant"}.items():
        asked = f"kms:{operation}"
        if two_persons and operation in approvals.GUARDED_OPERATIONS:
            asked = approvals.REQUEST
        alias = [f"{key['Arn'].rpartition(':')[0]}:alias/*"] if operation == "CreateAlias" else []
        for arn in (*alias, key["Arn"]):
            why = permissions.refusal(request, asked, arn)
            if why:
                found[action] = why
                break
    return found


def refused_actions(key: Mapping[str, Any]) -> dict[str, str]:
    """Action → the AWS error it would give now, for those that would be refused. `key` is DescribeKey's KeyMetadata."""
    arn, origin = key["Arn"], key.get("Origin", "")
    if key.get("KeyManager") == "AWS":
        return {action: _MANAGED.format(arn=arn) for action in OPERATIONS if action not in _MANAGED_TOO}
    found = {}
    for action, operation in OPERATIONS.items():
        error = refusal(operation, key["KeyState"], arn, origin)
        if error is not None:
            found[action] = str(error)
    if key.get("CustomKeyStoreId"):
        for action in _NOT_IN_STORES:
            found[action] = str(wrong_origin(arn, origin))
    if origin != "AWS_KMS":
        found["rotation-on"] = found["rotation-off"] = str(wrong_origin(arn, origin))
    return found
