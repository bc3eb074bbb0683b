"""The decision: may this principal do this action on this resource, given these policies? Pure, the same for every operation.

An explicit deny anywhere wins. Inside one account the resource's policy (key policy, trust policy) decides for principals it names,
and may delegate to the account, whose identity policies then decide; across accounts both sides must allow. Permission boundaries and
session policies narrow; grants add. Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Determining access".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.iam.patterns import Values
from engine.iam.policy import ACCOUNT, DIRECT, CompiledPolicy, Statement
from engine.iam.principal import Principal

# Grant operations whose constraints are compared with the request's encryption context.
CONTEXT_ACTIONS = frozenset(
    {
        "Encrypt",
        "Decrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    }
)
_CONTEXT_PREFIX = "kms:encryptioncontext:"


@dataclass(frozen=True, slots=True)
class Request:
    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Values
    encryption_context: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class GrantView:
    grant_id: str
    grantee: str
    operations: frozenset[str]
    constraints: Mapping[str, Any]
    key_arn: str = ""
    name: str = ""


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
class TraceLine:
    """One statement (or grant) in words: whether it matched, and if not the first thing that did not."""

    policy: str
    kind: str
    statement: str
    effect: str
    matched: bool
    reason: str


KIND_WORDS = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "trust": "resource-based policy",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: explicit-deny, allowed-by-resource, allowed-by-identity, allowed-by-grant, allowed-by-root, or not-allowed;
    `lacking`: the kind of policy that denied or did not allow."""

    allowed: bool
    reason: str
    lacking: str
    deciding: tuple[StatementRef, ...]
    grant: GrantView | None
    request: Request
    policies: Policies

    def trace(self) -> list[TraceLine]:
        """Every statement that was looked at, and why it did or did not match."""
        return list(_trace(self.request, self.policies))


def decide(request: Request, policies: Policies) -> Decision:
    principal = request.principal
    action = request.action.lower()
    session_policies = principal.session.policies if principal.session is not None else ()
    resource_policy = policies.resource

    allow_resource: tuple[StatementRef, str] | None = None
    if resource_policy is not None:
        denied, allow_resource = _resource_side(resource_policy, action, request)
        if denied is not None:
            return _no(request, policies, "explicit-deny", resource_policy.kind, (denied,))
    allow_identity: StatementRef | None = None
    for policy in policies.identity:
        denied, allowed = _plain(policy, action, request)
        if denied is not None:
            return _no(request, policies, "explicit-deny", policy.kind, (denied,))
        allow_identity = allow_identity or allowed
    narrowing: list[CompiledPolicy] = [*session_policies]
    if policies.boundary is not None:
        narrowing.append(policies.boundary)
    narrowed_by = ""
    session_allowed = not session_policies
    for policy in narrowing:
        denied, allowed = _plain(policy, action, request)
        if denied is not None:
            return _no(request, policies, "explicit-deny", policy.kind, (denied,))
        if policy.kind == "session":
            session_allowed = session_allowed or allowed is not None
        elif allowed is None:
            narrowed_by = policy.kind
    if not session_allowed:
        narrowed_by = "session"

    same_account = principal.account_id == request.resource_account
    is_root = principal.kind == "root"
    identity_allows = (allow_identity is not None or is_root) and not narrowed_by
    grant = _grant(request, policies.grants)

    if principal.kind in ("service", "anonymous"):
        if allow_resource is not None:
            return _yes(request, policies, "allowed-by-resource", (allow_resource[0],))
        if grant is not None:
            return _yes(request, policies, "allowed-by-grant", (), grant)
        return _no(request, policies, "not-allowed", "resource")

    if resource_policy is None:
        if identity_allows:
            return _yes(
                request, policies, "allowed-by-identity" if allow_identity else "allowed-by-root", _refs(allow_identity)
            )
        return _no(request, policies, "not-allowed", narrowed_by if allow_identity and narrowed_by else "identity")

    if same_account:
        if allow_resource is not None and allow_resource[1] == DIRECT:
            statement = allow_resource[0].statement
            named = statement.principals is not None and statement.principals.names_session(principal)
            if not narrowed_by or named or principal.kind == "user":
                return _yes(request, policies, "allowed-by-resource", (allow_resource[0],))
        if allow_resource is not None and identity_allows:
            return _yes(request, policies, "allowed-by-identity", (allow_resource[0], *_refs(allow_identity)))
        if grant is not None and not narrowed_by:
            return _yes(request, policies, "allowed-by-grant", (), grant)
        if narrowed_by and (allow_identity is not None or allow_resource is not None):
            return _no(request, policies, "not-allowed", narrowed_by)
        return _no(request, policies, "not-allowed", "identity" if allow_resource is not None else "resource")

    if identity_allows and allow_resource is not None:
        return _yes(request, policies, "allowed-by-identity", (allow_resource[0], *_refs(allow_identity)))
    if grant is not None and identity_allows:
        return _yes(request, policies, "allowed-by-grant", _refs(allow_identity), grant)
    if not identity_allows:
        return _no(request, policies, "not-allowed", narrowed_by if allow_identity and narrowed_by else "identity")
    return _no(request, policies, "not-allowed", "resource")


def _refs(ref: StatementRef | None) -> tuple[StatementRef, ...]:
    return () if ref is None else (ref,)


def _yes(
    request: Request,
    policies: Policies,
    reason: str,
    deciding: tuple[StatementRef, ...],
    grant: GrantView | None = None,
) -> Decision:
    return Decision(True, reason, "", deciding, grant, request, policies)


def _no(
    request: Request, policies: Policies, reason: str, lacking: str, deciding: tuple[StatementRef, ...] = ()
) -> Decision:
    return Decision(False, reason, lacking, deciding, None, request, policies)


def _plain(policy: CompiledPolicy, action: str, request: Request) -> tuple[StatementRef | None, StatementRef | None]:
    """(the statement that denies, the first that allows) of a policy without principals."""
    allowed: StatementRef | None = None
    for statement in policy.about(action):
        if statement.allows and allowed is not None:
            continue
        if not statement.about_resource(request.resource, request.context):
            continue
        if not all(condition.holds(request.context) for condition in statement.conditions):
            continue
        if not statement.allows:
            return StatementRef(policy, statement), None
        allowed = StatementRef(policy, statement)
    return None, allowed


def _resource_side(
    policy: CompiledPolicy, action: str, request: Request
) -> tuple[StatementRef | None, tuple[StatementRef, str] | None]:
    """(the statement that denies, the best that allows and how it names the principal: DIRECT before ACCOUNT)."""
    allowed: tuple[StatementRef, str] | None = None
    for statement in policy.about(action):
        if statement.allows and allowed is not None and allowed[1] == DIRECT:
            continue
        assert statement.principals is not None
        match = statement.principals.match(request.principal)
        if not match or not statement.about_resource(request.resource, request.context):
            continue
        if not all(condition.holds(request.context) for condition in statement.conditions):
            continue
        if not statement.allows:
            return StatementRef(policy, statement), None
        if allowed is None or match == DIRECT:
            allowed = (StatementRef(policy, statement), match)
    return None, allowed


def _grant(request: Request, grants: Sequence[GrantView]) -> GrantView | None:
    if not grants or not request.action.startswith("kms:"):
        return None
    operation = request.action[4:]
    for grant in grants:
        if (
            operation in grant.operations
            and grants_to(grant, request.principal)
            and _constraints_hold(grant, operation, request)
        ):
            return grant
    return None


def grants_to(grant: GrantView, principal: Principal) -> bool:
    """Whether the grant's grantee is this principal: its ARN, its role's, its account's root, or its service."""
    if principal.kind == "service":
        return grant.grantee == principal.invoked_by
    if grant.grantee in (principal.arn, f"arn:aws:iam::{principal.account_id}:root"):
        return True
    return principal.session is not None and grant.grantee == principal.session.issuer_arn


def _constraints_hold(grant: GrantView, operation: str, request: Request) -> bool:
    """Encryption context for the operations that have one; SourceArn for all but RetireGrant."""
    if not grant.constraints:
        return True
    source = grant.constraints.get("SourceArn")
    if source and operation != "RetireGrant" and request.context.get("aws:sourcearn") != source:
        return False
    if operation not in CONTEXT_ACTIONS:
        return True
    context = dict(request.encryption_context or {})
    equals = grant.constraints.get("EncryptionContextEquals")
    if equals and context != equals:
        return False
    subset = grant.constraints.get("EncryptionContextSubset")
    return not subset or all(context.get(name) == value for name, value in subset.items())


def access_denied_message(decision: Decision, request: Request) -> str:
    """AWS's sentence. Source: IAM User Guide, "Troubleshoot access denied error messages"."""
    subject = request.principal.arn or "anonymous"
    where = KIND_WORDS[decision.lacking]
    start = f"User: {subject} is not authorized to perform: {request.action} on resource: {request.resource}"
    article = "an" if where.startswith("i") else "a"
    if decision.reason == "explicit-deny":
        return f"{start} with an explicit deny in {article} {where}"
    return f"{start} because no {where} allows the {request.action} action"


def _trace(request: Request, policies: Policies) -> Iterator[TraceLine]:
    looked_at: list[CompiledPolicy] = [policies.resource] if policies.resource else []
    looked_at += policies.identity
    looked_at += [policies.boundary] if policies.boundary else []
    looked_at += request.principal.session.policies if request.principal.session else ()
    for policy in looked_at:
        for statement in policy.statements:
            reason = _mismatch(statement, request)
            yield TraceLine(
                policy=policy.name,
                kind=policy.kind,
                statement=statement.sid or f"statement {statement.index + 1}",
                effect="Allow" if statement.allows else "Deny",
                matched=not reason,
                reason=reason or _matched(statement, request),
            )
    for grant in policies.grants:
        reason = _grant_mismatch(grant, request)
        yield TraceLine(
            "grants", "grant", grant.name or grant.grant_id, "Allow", not reason, reason or "the grant allows it"
        )


def _matched(statement: Statement, request: Request) -> str:
    if statement.principals is not None and statement.allows:
        if statement.principals.match(request.principal) == ACCOUNT:
            return "it trusts the principal's account, whose identity policies decide"
        return "it names the principal"
    return "action, resource and conditions match"


def _mismatch(statement: Statement, request: Request) -> str:
    """The first thing of a statement that does not match, in words; empty if it matches."""
    if statement.principals is not None and not statement.principals.match(request.principal):
        return f"it is not about {request.principal.arn or request.principal.invoked_by}"
    if not statement.about_action(request.action.lower()):
        return f"it is not about {request.action}"
    if not statement.about_resource(request.resource, request.context):
        return f"it is not about {request.resource}"
    for condition in statement.conditions:
        if not condition.holds(request.context):
            return condition.describe(request.context)
    return ""


def _grant_mismatch(grant: GrantView, request: Request) -> str:
    operation = request.action.removeprefix("kms:")
    if not grants_to(grant, request.principal):
        return f"its grantee is {grant.grantee}"
    if operation not in grant.operations:
        return f"it does not allow {operation}"
    if not _constraints_hold(grant, operation, request):
        return "its constraint does not hold"
    return ""
