"""Key policies: the checks on a new one, get, put and list; every version is remembered."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.iam import principal_ids
from engine.iam.authorize import global_conditions
from engine.iam.condition_keys import CALLER_ACCOUNT, OVERLY_PERMISSIVE
from engine.iam.decide import Policies, Request, decide
from engine.iam.policy import CompiledPolicy, MalformedPolicy, compile_policy, parse
from engine.kms import access, key_snapshots, models, paging
from engine.kms.changing import for_change
from engine.kms.default_key_policy import default_key_policy
from engine.region_names import partition
from engine.wire.errors import AWSError

MAXIMUM_BYTES = 32 * 1024
NAME = "default"


def checked_for_new_key(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """The policy members of a new key's row."""
    policy = parameters.get("Policy")
    if policy is None:
        return {"policy": default_key_policy(context.account_id, partition(context.region))}
    bypass = parameters.get("BypassPolicyLockoutSafetyCheck", False)
    return {"policy": str(policy), "policy_pins": check(context, policy, bypass=bypass)}


def check(context: CallContext, policy: str, *, bypass: bool) -> dict[str, str]:
    """The unique IDs of the principals it names, to be stored with it (engine.iam.principal_ids). Users and roles of accounts that are here
    must exist, as in AWS; those of other accounts are taken on trust.

    Raise MalformedPolicyDocumentException, or LimitExceededException for one over 32 KB.

    Without `bypass` the caller must still be able to put the next policy (KMS Developer Guide, "Lockout safety check").
    """
    if len(policy.encode()) > MAXIMUM_BYTES:
        raise AWSError("LimitExceededException", "The key policy is longer than 32768 bytes.")
    try:
        compiled = compile_policy(policy, name=NAME, kind="resource")
    except MalformedPolicy as reason:
        if reason.reason.startswith("Invalid principal"):  # IAM's words, which name it; KMS's do not
            raise _invalid_principals() from reason
        raise AWSError("MalformedPolicyDocumentException", reason.reason) from reason
    if not isinstance(parse(policy).get("Id", ""), str):
        raise AWSError("MalformedPolicyDocumentException", "Syntax error in policy: Id must be a string")
    if any(each.allows and each.principals and each.principals.negated for each in compiled.statements):
        raise AWSError("MalformedPolicyDocumentException", "NotPrincipal is not supported with Effect Allow.")
    _check_set_operators(compiled)
    try:
        found = principal_ids.pin_policy(compiled)
    except principal_ids.UnknownPrincipal as reason:
        raise _invalid_principals() from reason
    if not bypass:
        _check_lockout(context, compiled)
    return found


def _invalid_principals() -> AWSError:
    return AWSError(
        "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."
    )


def _check_set_operators(policy: CompiledPolicy) -> None:
    for statement in policy.statements:
        for condition in statement.conditions:
            if condition.set_operator != "ForAllValues":
                continue
            for start, sentence in OVERLY_PERMISSIVE.items():
                if condition.key.startswith(start):
                    raise AWSError("MalformedPolicyDocumentException", sentence)


def _check_lockout(context: CallContext, policy: CompiledPolicy) -> None:
    from engine.iam import policy_lookup

    identity, boundary = policy_lookup.policies_of(context.principal)
    known = {**global_conditions(context), **CALLER_ACCOUNT.given(context.account_id)}
    request = Request(context.principal, "kms:PutKeyPolicy", "*", context.account_id, known)
    if not decide(request, Policies(identity=identity, resource=policy, boundary=boundary)).allowed:
        raise AWSError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def remember(row: models.Key, context: CallContext) -> None:
    """Keep the policy the key has now in its history."""
    last = row.policy_versions.order_by("-number").values_list("number", flat=True).first() or 0
    models.KeyPolicyVersion.objects.create(
        key=row, number=last + 1, document=row.policy, principal_arn=context.principal.arn, created=context.now
    )


def _check_name(parameters: dict[str, Any]) -> None:
    if parameters.get("PolicyName", NAME) != NAME:
        raise AWSError("NotFoundException", "No such policy exists")


def get_key_policy(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    _check_name(parameters)
    return {"Policy": principal_ids.shown(key.policy_text, dict(key.policy_pins)), "PolicyName": NAME}


def put_key_policy(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    _check_name(parameters)
    bypass = parameters.get("BypassPolicyLockoutSafetyCheck", False)
    row.policy_pins = check(context, parameters["Policy"], bypass=bypass)
    row.policy = parameters["Policy"]
    row.save(update_fields=["policy", "policy_pins"])
    remember(row, context)
    return {}


def list_key_policies(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    found, more = paging.page_of("policies", parameters, [NAME], str, limit=100)
    return {"PolicyNames": found, **more}
