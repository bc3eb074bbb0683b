"""Key policies: the default one, the checks on a new one, get, put and list; every version is remembered."""

from __future__ import annotations

import json
from typing import Any

from engine.context import CallContext
from engine.iam.decide import Policies, Request, decide
from engine.iam.models import Role, User
from engine.iam.policy import CompiledPolicy, MalformedPolicy, compile_policy
from engine.kms import access, keyring, keys, models, paging
from engine.kms.partitions import partition
from engine.wire.errors import AWSError

MAXIMUM_BYTES = 32 * 1024
NAME = "default"


def default(account_id: str, partition: str) -> str:
    """The policy of a key that is created without one: IAM policies of the account decide."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{partition}:iam::{account_id}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        },
        indent=2,
    )


def checked_for_new_key(context: CallContext, parameters: dict[str, Any]) -> str:
    policy = parameters.get("Policy")
    if policy is None:
        return default(context.account_id, partition(context.region))
    check(context, policy, bypass=parameters.get("BypassPolicyLockoutSafetyCheck", False))
    return str(policy)


def check(context: CallContext, policy: str, *, bypass: bool) -> None:
    """Raise MalformedPolicyDocumentException, or LimitExceededException for one over 32 KB.

    Without `bypass` the caller must still be able to put the next policy (KMS Developer Guide, "Lockout safety check").
    """
    if len(policy.encode()) > MAXIMUM_BYTES:
        raise AWSError("LimitExceededException", "The key policy is longer than 32768 bytes.")
    try:
        compiled = compile_policy(policy, name=NAME, kind="resource")
    except MalformedPolicy as reason:
        raise AWSError("MalformedPolicyDocumentException", reason.reason) from reason
    _check_principals(compiled, context.account_id)
    if not bypass:
        _check_lockout(context, compiled)


def _check_principals(policy: CompiledPolicy, account_id: str) -> None:
    """Users and roles of this account must exist, as in AWS; those of other accounts are taken on trust."""
    for statement in policy.statements:
        for name in statement.principals.names if statement.principals else ():
            parts = name.split(":", 5)
            if len(parts) < 6 or parts[2] != "iam" or parts[4] != account_id:
                continue
            kind, _, rest = parts[5].partition("/")
            path, _, short = f"/{rest}".rpartition("/")
            table: type[User] | type[Role] | None = {"user": User, "role": Role}.get(kind)  # type: ignore[assignment]
            known = (
                table is not None and table.objects.filter(account_id=account_id, path=path + "/", name=short).exists()
            )
            if not known:
                raise AWSError(
                    "MalformedPolicyDocumentException",
                    "Policy contains a statement with one or more invalid principals.",
                )


def _check_lockout(context: CallContext, policy: CompiledPolicy) -> None:
    from engine.iam import attached

    identity, boundary = attached.policies_of(context.principal)
    request = Request(context.principal, "kms:PutKeyPolicy", "*", context.account_id, {})
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
    key = keyring.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    _check_name(parameters)
    return {"Policy": key.policy_text, "PolicyName": NAME}


def put_key_policy(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = keys.for_change(context, parameters)
    _check_name(parameters)
    check(context, parameters["Policy"], bypass=parameters.get("BypassPolicyLockoutSafetyCheck", False))
    row.policy = parameters["Policy"]
    row.save(update_fields=["policy"])
    remember(row, context)
    return {}


def list_key_policies(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = keyring.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    found, more = paging.page_of("policies", parameters, [NAME], str, limit=100)
    return {"PolicyNames": found, **more}
