"""The one door to a decision: every operation of every service asks here before it does anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.context import CallContext
from engine.iam import policy_lookup
from engine.iam.access_denied import access_denied_message
from engine.iam.decide import UNCONDITIONAL, Decision, Policies, Request, decide
from engine.iam.grant_matching import GrantView
from engine.iam.policy import CompiledPolicy
from engine.iam.principal import Principal
from engine.store import cache
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
    conditions: Callable[[], ContextValues] | None = None,
    encryption_context: Mapping[str, str] | None = None,
) -> Decision:
    """Raise AccessDeniedException, in AWS's words, unless `context`'s principal may do `action` on `resource`.

    `resource_policy` is the key policy for KMS keys, the trust policy for AssumeRole. `conditions` gives the condition keys of this
    request beyond the global ones; it is called only if a policy that takes part has conditions or variables.
    """
    memo = context.principal.memo
    if not grants:
        known = memo.get((action, resource))
        if known is not None and known[0] is resource_policy:
            remembered: Decision = known[1]
            return remembered
    request, policies = question(
        context,
        action,
        resource,
        resource_account or context.account_id,
        resource_policy,
        grants,
        conditions,
        encryption_context,
    )
    decision = decide(request, policies)
    if not decision.allowed:
        raise AWSError("AccessDeniedException", access_denied_message(decision, request))
    if decision.holds_for_any_request:
        # It follows from principal, action, resource and policies alone. The principal is another object once its account's IAM
        # has changed, the resource's policy once that has.
        if len(memo) >= _MOST_REMEMBERED:
            memo.clear()
        memo[action, resource] = (resource_policy, decision)
        cache.note_beside()
    return decision


_MOST_REMEMBERED = 10_000


def question(
    context: CallContext,
    action: str,
    resource: str,
    resource_account: str,
    resource_policy: CompiledPolicy | None,
    grants: Sequence[GrantView],
    conditions: Callable[[], ContextValues] | None,
    encryption_context: Mapping[str, str] | None = None,
) -> tuple[Request, Policies]:
    """What is put to `decide` for a call; the access pages ask the same question to show its trace."""
    identity, boundary = policy_lookup.policies_of(context.principal)
    policies = Policies(identity=identity, resource=resource_policy, boundary=boundary, grants=tuple(grants))
    request = Request(
        principal=context.principal,
        action=action,
        resource=resource,
        resource_account=resource_account,
        context=_conditions(context, policies, conditions),
        encryption_context=encryption_context,
    )
    return request, policies


def _conditions(context: CallContext, policies: Policies, own: Callable[[], ContextValues] | None) -> ContextValues:
    """The condition keys of a request, or none if no policy and no grant asks for any."""
    taking_part = [*policies.identity]
    for policy in (policies.resource, policies.boundary):
        if policy is not None:
            taking_part.append(policy)
    if context.principal.session is not None:
        taking_part += context.principal.session.policies
    if not any(policy.has_conditions for policy in taking_part) and not any(
        "SourceArn" in grant.constraints for grant in policies.grants
    ):
        return UNCONDITIONAL
    return {**global_conditions(context), **(own() if own is not None else {})}


def global_conditions(context: CallContext) -> dict[str, str | tuple[str, ...]]:
    """The aws: condition keys that every request carries (AWS global condition context keys). Names in lower case."""
    principal = context.principal
    values: dict[str, str | tuple[str, ...]] = {
        **principal_conditions(principal),
        "aws:requestedregion": context.region,
        "aws:currenttime": f"{context.now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(context.now.timestamp())),
        "aws:securetransport": "true" if context.secure else "false",
        "aws:useragent": context.user_agent,
    }
    if not principal.invoked_by:
        values["aws:sourceip"] = context.source_ip
    if principal.source_arn:
        values["aws:sourcearn"] = principal.source_arn
        if account := principal.source_arn.split(":", 5)[4]:
            values["aws:sourceaccount"] = account
    if principal.session is not None and principal.session.mfa:
        age = context.now - principal.session.created
        values["aws:multifactorauthage"] = str(int(age.total_seconds()))
    return values


def principal_conditions(principal: Principal) -> dict[str, str | tuple[str, ...]]:
    """The aws: condition keys that follow from who calls."""
    values: dict[str, str | tuple[str, ...]] = {
        "aws:principaltype": _PRINCIPAL_TYPES[principal.kind],
        "aws:principalisawsservice": "true" if principal.kind == "service" else "false",
        "aws:viaawsservice": "true" if principal.invoked_by and principal.kind != "service" else "false",
    }
    session = principal.session
    if principal.arn:
        is_role = principal.kind == "assumed-role" and session is not None
        values["aws:principalarn"] = session.issuer_arn if is_role and session else principal.arn
        values["aws:principalaccount"] = principal.account_id
        values["aws:userid"] = principal.unique_id
    if principal.kind == "user" and principal.name:
        values["aws:username"] = principal.name
    if principal.kind == "service":
        values["aws:principalservicename"] = principal.invoked_by
    elif principal.invoked_by:
        values["aws:calledvia"] = (principal.invoked_by,)
        values["aws:calledviafirst"] = values["aws:calledvialast"] = principal.invoked_by
    for name, value in principal.tags.items():
        values[f"aws:principaltag/{name.lower()}"] = value
    if session is not None:
        values["aws:multifactorauthpresent"] = "true" if session.mfa else "false"
        values["aws:tokenissuetime"] = f"{session.created:%Y-%m-%dT%H:%M:%SZ}"
        if session.source_identity:
            values["aws:sourceidentity"] = session.source_identity
        if session.federated_provider:
            values["aws:federatedprovider"] = session.federated_provider
            values.update(session.federated_keys)
    elif principal.provider:
        values["aws:federatedprovider"] = principal.provider
    return values


_PRINCIPAL_TYPES = {
    "root": "Account",
    "user": "User",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "service": "AWSService",
    "anonymous": "Anonymous",
    "web-identity": "FederatedUser",
    "saml": "FederatedUser",
}
