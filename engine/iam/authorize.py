"""The one door to a decision: every operation of every service asks here before it does anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.context import CallContext
from engine.iam import attached
from engine.iam.decide import Decision, GrantView, Policies, Request, access_denied_message, decide
from engine.iam.policy import CompiledPolicy
from engine.wire.errors import AWSError

ContextValues = Mapping[str, str | tuple[str, ...]]


def authorize(
    context: CallContext,
    action: str,
    *,
    resource: str = "*",
    resource_account: str = "",
    resource_policy: CompiledPolicy | None = None,
    grants: Sequence[GrantView] = (),
    conditions: ContextValues | None = None,
) -> Decision:
    """Raise AccessDeniedException, in AWS's words, unless `context`'s principal may do `action` on `resource`.

    `resource_policy` is the key policy for KMS keys, the trust policy for AssumeRole. `conditions` are the condition keys of this
    request beyond the global ones.
    """
    request, policies = question(
        context, action, resource, resource_account or context.account_id, resource_policy, grants, conditions
    )
    decision = decide(request, policies)
    if not decision.allowed:
        raise AWSError("AccessDeniedException", access_denied_message(decision, request))
    return decision


def question(
    context: CallContext,
    action: str,
    resource: str,
    resource_account: str,
    resource_policy: CompiledPolicy | None,
    grants: Sequence[GrantView],
    conditions: ContextValues | None,
) -> tuple[Request, Policies]:
    """What is put to `decide` for a call; the access pages ask the same question to show its trace."""
    identity, boundary = attached.policies_of(context.principal)
    request = Request(
        principal=context.principal,
        action=action,
        resource=resource,
        resource_account=resource_account,
        context={**global_conditions(context), **(conditions or {})},
    )
    return request, Policies(identity=identity, resource=resource_policy, boundary=boundary, grants=tuple(grants))


def global_conditions(context: CallContext) -> dict[str, str | tuple[str, ...]]:
    """The aws: condition keys that every request carries (AWS global condition context keys). Names in lower case."""
    principal = context.principal
    values: dict[str, str | tuple[str, ...]] = {
        "aws:principalarn": principal.session.issuer_arn
        if principal.kind == "assumed-role" and principal.session
        else principal.arn,
        "aws:principalaccount": principal.account_id,
        "aws:principaltype": _PRINCIPAL_TYPES[principal.kind],
        "aws:userid": principal.unique_id,
        "aws:principalisawsservice": "true" if principal.kind == "service" else "false",
        "aws:requestedregion": context.region,
        "aws:currenttime": f"{context.now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(context.now.timestamp())),
        "aws:securetransport": "true" if context.secure else "false",
        "aws:useragent": context.user_agent,
        "aws:viaawsservice": "true" if principal.invoked_by else "false",
    }
    if principal.kind == "user":
        values["aws:username"] = principal.name
    if not principal.invoked_by:
        values["aws:sourceip"] = context.source_ip
    else:
        values["aws:calledvia"] = (principal.invoked_by,)
        values["aws:calledviafirst"] = values["aws:calledvialast"] = principal.invoked_by
    for name, value in principal.tags.items():
        values[f"aws:principaltag/{name.lower()}"] = value
    session = principal.session
    if session is not None:
        values["aws:multifactorauthpresent"] = "true" if session.mfa else "false"
        values["aws:tokenissuetime"] = f"{session.created:%Y-%m-%dT%H:%M:%SZ}"
        if session.mfa:
            values["aws:multifactorauthage"] = str(int((context.now - session.created).total_seconds()))
        if session.source_identity:
            values["aws:sourceidentity"] = session.source_identity
    return values


_PRINCIPAL_TYPES = {
    "root": "Account",
    "user": "User",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "service": "AWSService",
    "anonymous": "Anonymous",
}
