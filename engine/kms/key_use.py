"""What every cryptographic operation does first: find the key, ask for permission, look at state and usage, open the material."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.context import CallContext
from engine.kms import access, algorithms, key_snapshots, specs, states
from engine.kms.key_snapshots import KeyMaterial, KmsKey
from engine.kms_operations import USAGE
from engine.store import cache
from engine.wire.errors import AWSError


def key_for_use(
    context: CallContext,
    parameters: Mapping[str, Any],
    *,
    member: str = "KeyId",
    action: str = "",
    encryption_context: Mapping[str, str] | None = None,
) -> KmsKey:
    """The key that `member` names, which the caller may use for this operation, in a state and of a usage that allow it."""
    identifier = parameters[member]
    key = key_snapshots.find(context, identifier)
    check_use(context, key, parameters, action=action, encryption_context=encryption_context, identifier=identifier)
    return key


def check_use(
    context: CallContext,
    key: KmsKey,
    parameters: Mapping[str, Any],
    *,
    action: str = "",
    encryption_context: Mapping[str, str] | None = None,
    identifier: str = "",
) -> None:
    use = (context.operation, action, id(context.principal))
    if key.memo.get(use) is context.principal and "GrantTokens" not in parameters:
        context.touches_key(key.arn, key.account_id)
        return
    decision = access.authorize(
        context, key, action, params=parameters, encryption_context=encryption_context, identifier=identifier
    )
    if context.operation in USAGE:  # AWS looks at the usage before the state
        states.refuse_wrong_usage(context.operation, key)
    states.refuse_unless_allowed(context.operation, key, context.now)
    if decision.holds_for_any_request and key.creating_until is None and key.updating_until is None:
        # Nothing of this request or moment had a say: it stays so until key or principal are others, which makes other objects.
        if len(key.memo) >= _MOST_REMEMBERED:
            key.memo.clear()
        key.memo[use] = context.principal
        cache.note_beside()


_MOST_REMEMBERED = 1_000


def current(key: KmsKey) -> KeyMaterial:
    """The material in use. The state check has let the key through, so there is one; its absence is a fault of ours."""
    material = key.material
    if material is None or not material.secret:
        raise AWSError("KMSInternalException", f"{key.arn} has no key material.")
    return material


def material_id(member: str, key: KmsKey) -> dict[str, str]:
    """The member of an answer that tells the current material. Material in a key store's device has no ID."""
    return {} if key.custom_key_store_id else {member: current(key).material_id}


def private_key(key: KmsKey) -> Any:
    """The loaded private key of an asymmetric key, kept with the snapshot because loading costs more than most signatures."""
    material = current(key)
    name = f"private:{material.material_id}"
    found = key.memo.get(name)
    if found is None:
        found = key.memo[name] = algorithms.load_private(material.secret)
    return found


def public_key(key: KmsKey) -> Any:
    return algorithms.load_public(current(key).public_key)


def check_algorithm(key: KmsKey, algorithm: str) -> None:
    specs.check_algorithm(key.arn, key.spec, key.usage, algorithm)


def refuse_recipient(parameters: Mapping[str, Any]) -> None:
    """`Recipient` asks for an answer sealed to a Nitro enclave's attested key, which only AWS's hardware can attest."""
    if "Recipient" in parameters:
        raise AWSError(
            "UnsupportedOperationException",
            "Recipient is not supported: there is no Nitro enclave attestation in this service.",
        )


def member_null(member: str) -> AWSError:
    """AWS's answer to a member that its model calls optional and its service wants."""
    return AWSError(
        "ValidationException",
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null",
    )
