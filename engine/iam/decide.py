"""The decision: may this principal do this action on this resource, given these policies? Pure, the same for every operation.

`decide` goes through the steps of AWS's flow chart (IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or
deny access") in their order, each a function below: explicit deny, resource-based policy, identity-based policies, permissions
boundary, session policies; and last, for KMS keys, grants (KMS Developer Guide, "Determining access to AWS KMS keys"). The chart's
service and resource control policies belong to AWS Organizations, which is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.iam.grant_matching import GrantView, first_allowing
from engine.iam.policy import CompiledPolicy, Statement
from engine.iam.policy_principals import ACCOUNT
from engine.iam.principal import Principal
from engine.iam.variables import Values

UNCONDITIONAL: Values = {}  # the context of a request when no policy that takes part asks for any condition key

EXPLICIT_DENY, NOT_ALLOWED = "explicit-deny", "not-allowed"
BY_RESOURCE, BY_IDENTITY, BY_GRANT, BY_ROOT = (
    "allowed-by-resource",
    "allowed-by-identity",
    "allowed-by-grant",
    "allowed-by-root",
)

KIND_WORDS = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "trust": "role trust policy",
}

# How directly a resource-based policy allows the caller: by its account, by its role, or by the very user or session (or everyone).
_NOT, _BY_ACCOUNT, _BY_ROLE, _BY_ITSELF = range(4)
_OF_NO_ACCOUNT = ("service", "anonymous", "web-identity", "saml")  # callers that have no identity-based policies


@dataclass(frozen=True, slots=True)
class Request:
    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Values
    encryption_context: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    identity: tuple[CompiledPolicy, ...] = ()
    resource: CompiledPolicy | None = None
    boundary: CompiledPolicy | None = None
    grants: tuple[GrantView, ...] = ()


@dataclass(frozen=True, slots=True)
class StatementRef:
    policy: CompiledPolicy
    statement: Statement

    def __str__(self) -> str:
        label = self.statement.sid or f"statement {self.statement.index + 1}"
        return f"{label} of {KIND_WORDS[self.policy.kind]} {self.policy.name}"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: one of EXPLICIT_DENY … BY_ROOT; `lacking`: the kind of policy that denied or did not allow; `deciding`: the statements that
    did."""

    allowed: bool
    reason: str
    lacking: str
    deciding: tuple[StatementRef, ...]
    grant: GrantView | None
    request: Request
    policies: Policies

    @property
    def holds_for_any_request(self) -> bool:
        """Whether it follows from principal, action, resource and policies alone: no condition, variable or grant took part."""
        return self.request.context is UNCONDITIONAL and not self.policies.grants


def decide(request: Request, policies: Policies) -> Decision:
    """The steps in order. Inside one account one side may be enough, across accounts both must allow.

    Source: IAM User Guide, "Policy evaluation for requests within a single account" and "Cross-account policy evaluation logic".
    """
    principal, action = request.principal, request.action.lower()
    denying = explicit_deny(request, policies, action)
    if denying is not None:
        return Decision(False, EXPLICIT_DENY, denying.policy.kind, (denying,), None, request, policies)

    same_account = principal.account_id == request.resource_account
    of_no_account = principal.kind in _OF_NO_ACCOUNT
    trusting, directness = resource_based_policy(request, policies, action)
    if trusting is not None and (of_no_account or (same_account and directness == _BY_ITSELF)):
        return Decision(True, BY_RESOURCE, "", (trusting,), None, request, policies)

    allowing = identity_based_policies(request, policies, action)
    limit = "" if permissions_boundary(request, policies, action) else "boundary"
    if not session_policies(request, action):
        limit = "session"
    if not limit:
        if trusting is not None and same_account and directness == _BY_ROLE:
            return Decision(True, BY_RESOURCE, "", (trusting,), None, request, policies)
        if (allowing is not None or principal.kind == "root") and (trusting is not None or policies.resource is None):
            deciding = tuple([each for each in (trusting, allowing) if each is not None])
            return Decision(True, BY_IDENTITY if deciding else BY_ROOT, "", deciding, None, request, policies)
    granting = grants(request, policies)
    if granting is not None and not limit:
        return Decision(True, BY_GRANT, "", (), granting, request, policies)

    limits = allowing is not None or (same_account and (directness == _BY_ROLE or granting is not None))
    return implicit_deny(request, policies, trusting, allowing, limit if limits else "")


def explicit_deny(request: Request, policies: Policies, action: str) -> StatementRef | None:
    """The first statement that denies, of any policy: it wins over all that allow.

    Source: IAM User Guide, "The difference between explicit and implicit denies".
    """
    resource, context = request.resource, request.context
    policy = policies.resource
    if policy is not None:
        bounded = policies.boundary is not None
        for statement in policy.denies(action):
            if statement.is_about(request.principal, bounded=bounded) and statement.covers(resource, context):
                return StatementRef(policy, statement)
    session, boundary = request.principal.session, policies.boundary
    others = policies.identity
    if session is not None:
        others += session.policies
    if boundary is not None:
        others += (boundary,)
    for policy in others:
        for statement in policy.denies(action):
            if statement.covers(resource, context):
                return StatementRef(policy, statement)
    return None


def resource_based_policy(request: Request, policies: Policies, action: str) -> tuple[StatementRef | None, int]:
    """The statement of the key policy (or trust policy) that allows the caller most directly, and how directly.

    One that names the account leaves it to the account's identity-based policies. One that names the role is limited by boundary and
    session policies, one that names the user or the session is not.
    Source: IAM User Guide, "Policy evaluation for requests within a single account" and "IAM role principals".
    """
    policy, principal = policies.resource, request.principal
    if policy is None:
        return None, _NOT
    trusting: Statement | None = None
    directness = _NOT
    for statement in policy.allows(action):
        principals = statement.principals
        assert principals is not None
        match = principals.match(principal)
        if not match:
            continue
        found = _BY_ACCOUNT
        if match != ACCOUNT:
            found = _BY_ITSELF if principals.negated or principals.names_session(principal) else _BY_ROLE
        if found > directness and statement.covers(request.resource, request.context):
            trusting, directness = statement, found
            if found == _BY_ITSELF:
                break
    return StatementRef(policy, trusting) if trusting is not None else None, directness


def identity_based_policies(request: Request, policies: Policies, action: str) -> StatementRef | None:
    """The first statement of the caller's own policies and its groups' that allows.

    Source: IAM User Guide, "Identity-based policies and resource-based policies".
    """
    for policy in policies.identity:
        statement = _first_allow(policy, request, action)
        if statement is not None:
            return StatementRef(policy, statement)
    return None


def permissions_boundary(request: Request, policies: Policies, action: str) -> bool:
    """Whether the boundary allows too: it gives nothing by itself. Source: IAM User Guide, "Permissions boundaries for IAM entities"."""
    boundary = policies.boundary
    return boundary is None or _first_allow(boundary, request, action) is not None


def session_policies(request: Request, action: str) -> bool:
    """Whether one of the session's policies allows, if it was begun with any; a federated user has nothing without.

    Source: IAM User Guide, "Session policies"; STS API Reference, GetFederationToken.
    """
    session = request.principal.session
    if session is None or (not session.policies and request.principal.kind != "federated-user"):
        return True
    return any(_first_allow(policy, request, action) is not None for policy in session.policies)


def grants(request: Request, policies: Policies) -> GrantView | None:
    """The first grant that allows. It is enough by itself, from another account too; boundary and session policies limit it.

    Service-linked roles have no KMS permission but their grants. Source: KMS Developer Guide, "Grants in AWS KMS".
    """
    if not policies.grants:
        return None
    return first_allowing(
        policies.grants, request.action, request.principal, request.context, request.encryption_context
    )


def implicit_deny(
    request: Request, policies: Policies, trusting: StatementRef | None, allowing: StatementRef | None, limit: str
) -> Decision:
    """Nothing denies, and not all allow that must: says which kind of policy lacks a statement.

    `limit`: the kind, boundary or session, that keeps the caller from what another policy or grant allows.
    Source: IAM User Guide, "The difference between explicit and implicit denies" and "Troubleshoot access denied error messages".
    """
    principal, resource = request.principal, policies.resource
    lacking: str
    if principal.kind in _OF_NO_ACCOUNT:
        lacking = resource.kind if resource is not None else "resource"
    elif limit or resource is None:
        lacking = limit or "identity"
    elif principal.account_id == request.resource_account:
        lacking = "identity" if trusting is not None else resource.kind
    else:
        lacking = resource.kind if allowing is not None or principal.kind == "root" else "identity"
    return Decision(False, NOT_ALLOWED, lacking, (), None, request, policies)


def _first_allow(policy: CompiledPolicy, request: Request, action: str) -> Statement | None:
    for statement in policy.allows(action):
        if statement.covers(request.resource, request.context):
            return statement
    return None
