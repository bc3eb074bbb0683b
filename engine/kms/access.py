"""Permission for an operation on a key: the condition keys of the request, the key policy, the grants, then engine.iam's decision.

The condition keys are the rows of engine.iam.condition_keys. They are gathered only when a policy that takes part has conditions, which most have not.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any

from engine.context import CallContext
from engine.iam import authorize as iam
from engine.iam.access_denied import NOT_THERE_OR_NOT_ALLOWED, access_denied_message
from engine.iam.condition_keys import (
    CALLER_ACCOUNT,
    ENCRYPTION_ALGORITHM,
    GRANT_CONSTRAINT_TYPE,
    GRANT_IS_FOR_AWS_RESOURCE,
    RE_ENCRYPT_ON_SAME_KEY,
    REQUEST_ALIAS,
    VIA_SERVICE,
    KeyFacts,
    Values,
    of_encryption_context,
    of_key,
    of_request,
)
from engine.iam.decide import Decision, decide
from engine.iam.policy import compile_policy
from engine.kms import key_snapshots
from engine.kms.key_snapshots import KmsKey
from engine.kms.specs import SYMMETRIC_DEFAULT
from engine.kms_operations import CROSS_ACCOUNT
from engine.wire.errors import AWSError


def authorize(
    context: CallContext,
    key: KmsKey,
    action: str = "",
    *,
    params: Mapping[str, Any] | None = None,
    conditions: Mapping[str, str | tuple[str, ...]] | None = None,
    encryption_context: Mapping[str, str] | None = None,
    identifier: str = "",
) -> Decision:
    """Raise AccessDeniedException unless the caller may do `action` (default: the operation) on `key`.

    `params` are the request's members, `encryption_context` the one that counts where it is not `params["EncryptionContext"]`,
    `identifier` the key identifier as the caller wrote it (for kms:RequestAlias). What is said of another account's key is said
    whether it is there or not (`_refused_elsewhere`).
    """
    action = action or context.operation
    parameters = params or {}
    elsewhere = key.account_id != context.account_id
    if elsewhere and context.operation not in CROSS_ACCOUNT:
        context.touches_key(key.arn, key.account_id)
        raise _owner_only(context, key, action)
    check_tokens(parameters.get("GrantTokens", ()))
    given = parameters.get("EncryptionContext") if encryption_context is None else encryption_context
    try:
        decision = iam.authorize(
            context,
            f"kms:{action}",
            resource=key.arn,
            resource_account=key.account_id,
            resource_policy=key.policy,
            grants=key.grants,
            conditions=lambda: {
                **key_conditions(context, key),
                **_operation_conditions(context, key, action, parameters),
                **_written_conditions(parameters, given, identifier),
                **(conditions or {}),
            },
            encryption_context=given,
        )
    except AWSError as error:
        if not elsewhere or error.code != "AccessDeniedException":
            context.touches_key(key.arn, key.account_id)
            raise
        written = {**_written_conditions(parameters, given, identifier), **(conditions or {})}
        named = identifier or parameters.get("KeyId", "")
        raise _refused_elsewhere(context, key, action, named, written, given) from error
    context.touches_key(key.arn, key.account_id)
    return decision


_NOBODY = compile_policy(key_snapshots.NOBODY, name="default", kind="resource")


def _refused_elsewhere(
    context: CallContext,
    key: KmsKey,
    action: str,
    named: str,
    conditions: Values,
    encryption_context: Mapping[str, str] | None,
) -> AWSError:
    """The refusal of another account's key, as if it were not there: made of the request and the caller's own policies alone.

    So neither its words nor its record tell whether there is such a key or alias, or which key an alias points to.
    """
    by_ciphertext = not named and context.operation in ("Decrypt", "ReEncrypt")  # which tells the key's ARN itself
    resource = named or (key.arn if by_ciphertext else "*")
    context.touches_key(resource, key.account_id)
    request, policies = iam.question(
        context, f"kms:{action}", resource, key.account_id, _NOBODY, (), lambda: conditions, encryption_context
    )
    decision = decide(request, policies)
    if by_ciphertext and decision.lacking == "resource":
        return not_here(context, action)
    return AWSError("AccessDeniedException", access_denied_message(decision, request))


def _written_conditions(
    parameters: Mapping[str, Any], encryption_context: Mapping[str, str] | None, identifier: str
) -> Values:
    """What the request says by itself, whichever key it is about."""
    return {
        **of_request(parameters),
        **of_encryption_context(encryption_context),
        **alias_condition(identifier or parameters.get("KeyId", "")),
    }


def _owner_only(context: CallContext, key: KmsKey, action: str) -> AWSError:
    """No policy can allow this across accounts, so the answer is the one of a key policy that does not."""
    return AWSError(
        "AccessDeniedException",
        f"User: {context.principal.arn} is not authorized to perform: kms:{action} on resource: {key.arn} "
        f"because no resource-based policy allows the kms:{action} action",
    )


def refuse_elsewhere(context: CallContext, key: KmsKey) -> None:
    """For an operation that is about the caller's own keys alone and asks for no permission on the key itself, or not first."""
    if key.account_id != context.account_id:
        context.touches_key(key.arn, key.account_id)
        raise _owner_only(context, key, context.operation)


def not_here(context: CallContext, action: str) -> AWSError:
    """Of a ciphertext's key that is destroyed, in another Region or another account's KMS says no more than that it cannot be used here."""
    return AWSError(
        "AccessDeniedException",
        f"User: {context.principal.arn} is not authorized to perform: kms:{action or context.operation} "
        f"on the resource associated with this ciphertext {NOT_THERE_OR_NOT_ALLOWED}",
    )


def authorize_new(
    context: CallContext, action: str, conditions: Mapping[str, str | tuple[str, ...]] | None = None
) -> None:
    """Permission for what has no key yet or is about none: CreateKey, ListKeys, GenerateRandom… It has no kms:CallerAccount."""
    iam.authorize(context, f"kms:{action}", resource="*", conditions=lambda: {**_via(context), **(conditions or {})})


def authorize_store(context: CallContext) -> None:
    """Permission for an operation on custom key stores."""
    authorize_new(context, context.operation, CALLER_ACCOUNT.given(context.principal.account_id))


def authorize_tags_of_new(
    context: CallContext, arn: str, conditions: Mapping[str, str | tuple[str, ...]] | None = None
) -> None:
    """Who makes a key with tags needs kms:TagResource too, by an IAM policy (API Reference, CreateKey, Tags)."""
    iam.authorize(
        context,
        "kms:TagResource",
        resource=arn,
        conditions=lambda: {**CALLER_ACCOUNT.given(context.account_id), **_via(context), **(conditions or {})},
    )


def authorize_resource(context: CallContext, arn: str, key: KmsKey | None) -> None:
    """Permission for a resource that has no policy of its own (an alias): the caller's identity policies decide."""
    iam.authorize(
        context,
        f"kms:{context.operation}",
        resource=arn,
        conditions=lambda: key_conditions(context, key) if key is not None else {},
    )


def key_conditions(context: CallContext, key: KmsKey) -> Values:
    """What is known of the key itself and of who calls."""
    facts = KeyFacts(
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        multi_region_type=("PRIMARY" if key.is_primary else "REPLICA") if key.multi_region else "",
        account_id=key.account_id,
        aliases=key.aliases,
        tags=key.tags,
    )
    return CALLER_ACCOUNT.given(context.principal.account_id) | of_key(facts) | _via(context)


def _via(context: CallContext) -> Values:
    service = context.principal.invoked_by
    return VIA_SERVICE.given(f"{service.partition('.')[0]}.{context.region}.amazonaws.com") if service else {}


def _operation_conditions(context: CallContext, key: KmsKey, action: str, parameters: Mapping[str, Any]) -> Values:
    """What an operation means beyond its members' words."""
    values: Values = {}
    if action in ENCRYPTION_ALGORITHM.operations:
        member = _ALGORITHM_MEMBERS.get(action, "EncryptionAlgorithm")
        values |= ENCRYPTION_ALGORITHM.given(parameters.get(member, SYMMETRIC_DEFAULT))
    if action == "ReEncryptFrom":
        destination = key_snapshots.find(context, parameters["DestinationKeyId"])
        values |= RE_ENCRYPT_ON_SAME_KEY.given(destination.arn == key.arn)
    if action in GRANT_IS_FOR_AWS_RESOURCE.operations:
        values |= GRANT_IS_FOR_AWS_RESOURCE.given(bool(context.principal.invoked_by))
    return values


# Where the request may name the algorithm. For data keys it is the one that encrypts them, which no request names.
# Source: KMS Developer Guide, "kms:EncryptionAlgorithm".
_ALGORITHM_MEMBERS = {"ReEncryptFrom": "SourceEncryptionAlgorithm", "ReEncryptTo": "DestinationEncryptionAlgorithm"}


def constraint_conditions(constraints: Mapping[str, Any]) -> Values:
    """A grant's constraints, for CreateGrant and RetireGrant: their types, and the encryption context that they ask for."""
    if not constraints:
        return {}
    asked: dict[str, str] = {}
    for name in CONTEXT_CONSTRAINTS:
        asked.update(constraints.get(name, {}))
    return {**of_encryption_context(asked), **GRANT_CONSTRAINT_TYPE.given(constraints)}


CONTEXT_CONSTRAINTS = ("EncryptionContextEquals", "EncryptionContextSubset")


def alias_condition(identifier: str) -> Values:
    """kms:RequestAlias, when the key was named by an alias."""
    alias = key_snapshots.alias_name(identifier)
    return REQUEST_ALIAS.given(alias) if alias else {}


TOKEN_PREFIX = b"kmsconsole-grant\x01"


_GRANT_ID, _UNIQUE = 64, 16  # bytes of a token behind its prefix


def grant_token(grant_id: str) -> str:
    """A token of a grant, another one each time. It says which grant it is of; the grant itself is in force as soon as it is made."""
    return base64.b64encode(TOKEN_PREFIX + grant_id.encode() + os.urandom(_UNIQUE)).decode()


def token_grant_id(token: str) -> str:
    """Raises InvalidGrantTokenException for what is no grant token."""
    try:
        raw = base64.b64decode(token, validate=True)
    except ValueError as reason:
        raise _invalid_token() from reason
    if not raw.startswith(TOKEN_PREFIX) or len(raw) != len(TOKEN_PREFIX) + _GRANT_ID + _UNIQUE:
        raise _invalid_token()
    return raw[len(TOKEN_PREFIX) : -_UNIQUE].decode("ascii", errors="replace")


def check_tokens(tokens: Sequence[str]) -> None:
    for token in tokens:
        token_grant_id(token)


def _invalid_token() -> AWSError:
    return AWSError("InvalidGrantTokenException", "The grant token is not valid.")


def dry_run(parameters: Mapping[str, Any]) -> None:
    """Raise DryRunOperationException if the caller asked for a dry run: called when all checks have passed."""
    if parameters.get("DryRun"):
        raise AWSError("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
