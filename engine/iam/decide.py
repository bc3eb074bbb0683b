"""The decision: may this principal do this action on this resource, given these policies? Pure, the same for every operation.

An explicit deny anywhere wins. Inside one account the resource's policy (key policy, trust policy) decides for principals it names,
and may delegate to the account, whose identity policies then decide; across accounts both sides must allow. Permission boundaries and
session policies narrow what identity policies and a role named in a resource policy give, not what a session or user named there gets.
A grant is enough by itself, from another account too (service-linked roles have no KMS permission but their grants); boundaries and
session policies narrow it. Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Determining access" and "Grants".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from engine.iam.policy import ACCOUNT, DIRECT, CompiledPolicy, Statement
from engine.iam.principal import Principal
from engine.iam.variables import Values

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


UNCONDITIONAL: Values = {}  # the context of a request when no policy that takes part asks for any condition key


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
    grantee_id: str = ""  # unique ID of the user or role that the grantee's ARN stood for


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
    "trust": "role trust policy",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: explicit-deny, allowed-by-resource, allowed-by-identity, allowed-by-grant, allowed-by-root, or not-allowed;
    `lacking`: the kind of policy that denied or did not allow; `deciding`: the statements that did."""

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

    def trace(self) -> list[TraceLine]:
        """Every statement that was looked at, and why it did or did not match."""
        return list(_trace(self.request, self.policies))


def decide(request: Request, policies: Policies) -> Decision:
    principal = request.principal
    action = request.action.lower()
    session_policies = principal.session.policies if principal.session is not None else ()
    resource_policy = policies.resource

    allow_resource: StatementRef | None = None
    strength = 0
    if resource_policy is not None:
        denied, allow_resource, strength = _resource_side(
            resource_policy, action, request, bounded=policies.boundary is not None
        )
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
            return _yes(request, policies, "allowed-by-resource", (allow_resource,))
        if grant is not None:
            return _yes(request, policies, "allowed-by-grant", (), grant)
        return _no(request, policies, "not-allowed", _resource_kind(policies))

    if resource_policy is None:
        if identity_allows:
            return _yes(
                request, policies, "allowed-by-identity" if allow_identity else "allowed-by-root", _refs(allow_identity)
            )
        return _no(request, policies, "not-allowed", narrowed_by if allow_identity and narrowed_by else "identity")

    if same_account and (strength == _SESSION or (strength == _ROLE and not narrowed_by)):
        return _yes(request, policies, "allowed-by-resource", _refs(allow_resource))
    if allow_resource is not None and identity_allows:
        return _yes(request, policies, "allowed-by-identity", (allow_resource, *_refs(allow_identity)))
    if grant is not None and not narrowed_by:
        return _yes(request, policies, "allowed-by-grant", (), grant)
    if same_account:
        if narrowed_by and (allow_identity is not None or strength == _ROLE or grant is not None):
            return _no(request, policies, "not-allowed", narrowed_by)
        return _no(request, policies, "not-allowed", "identity" if allow_resource is not None else resource_policy.kind)
    if not identity_allows:
        return _no(request, policies, "not-allowed", narrowed_by if allow_identity and narrowed_by else "identity")
    return _no(request, policies, "not-allowed", resource_policy.kind)


def _resource_kind(policies: Policies) -> str:
    return policies.resource.kind if policies.resource is not None else "resource"


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
        if statement.conditions and not statement.holds(request.context):
            continue
        if not statement.allows:
            return StatementRef(policy, statement), None
        allowed = StatementRef(policy, statement)
    return None, allowed


# How directly a resource policy names the caller.
_ACCOUNT, _ROLE, _SESSION = 1, 2, 3


def _resource_side(
    policy: CompiledPolicy, action: str, request: Request, *, bounded: bool
) -> tuple[StatementRef | None, StatementRef | None, int]:
    """(the statement that denies, the one that allows most directly, how directly).

    `bounded`: a Deny with NotPrincipal always denies a caller that has a permissions boundary (IAM User Guide, "NotPrincipal").
    """
    allowed: Statement | None = None
    strength = 0
    principal = request.principal
    for statement in policy.about(action):
        if statement.allows and strength == _SESSION:
            continue
        principals = statement.principals
        assert principals is not None
        match = principals.match(principal)
        if not match and not (bounded and principals.negated and not statement.allows):
            continue
        if not statement.about_resource(request.resource, request.context):
            continue
        if statement.conditions and not statement.holds(request.context):
            continue
        if not statement.allows:
            return StatementRef(policy, statement), None, 0
        found = _ACCOUNT
        if match == DIRECT:
            found = _SESSION if principals.negated or principals.names_session(principal) else _ROLE
        if found > strength:
            allowed, strength = statement, found
    return None, StatementRef(policy, allowed) if allowed is not None else None, strength


def _grant(request: Request, grants: Sequence[GrantView]) -> GrantView | None:
    if not grants or not request.action.startswith("kms:"):
        return None
    operation = request.action[4:]
    for grant in grants:
        if (
            operation in grant.operations
            and is_named(grant.grantee, grant.grantee_id, request.principal)
            and _constraints_hold(grant, operation, request)
        ):
            return grant
    return None


def grants_to(grant: GrantView, principal: Principal) -> bool:
    """Whether the grant's grantee is this principal."""
    return is_named(grant.grantee, grant.grantee_id, principal)


def is_named(name: str, unique_id: str, principal: Principal) -> bool:
    """Whether a grant's `name` is this principal: its ARN, its role's, its account's root, or the service that it is.

    With a `unique_id`, that alone counts: a user or role deleted and made anew under the same name is another principal.
    """
    if principal.kind == "service":
        return name == principal.invoked_by
    if unique_id:
        return unique_id == principal.unique_id.partition(":")[0]
    if not principal.arn:
        return False
    if name == principal.arn or (name.endswith(":root") and name.split(":", 5)[4:5] == [principal.account_id]):
        return True
    return principal.session is not None and name == principal.session.issuer_arn


def _constraints_hold(grant: GrantView, operation: str, request: Request) -> bool:
    """Encryption context for the operations that have one; SourceArn for all but RetireGrant.

    Keys of an encryption context are compared without regard to case here, values exactly (API Reference, GrantConstraints).
    """
    constraints = grant.constraints
    if not constraints:
        return True
    source = constraints.get("SourceArn")
    if source and operation != "RetireGrant" and request.context.get("aws:sourcearn") != source:
        return False
    if operation not in CONTEXT_ACTIONS:
        return True
    given = _folded(request.encryption_context)
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if isinstance(equals, Mapping) and equals and given != _folded(equals):
        return False
    return not isinstance(subset, Mapping) or _folded(subset).items() <= given.items()


def _folded(pairs: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (pairs or {}).items()}


def access_denied_message(decision: Decision, request: Request) -> str:
    """AWS's sentence. Source: IAM User Guide, "Troubleshoot access denied error messages".

    Of another account's key, KMS does not tell whether it is there (KMS Developer Guide, "Troubleshooting key access").
    """
    principal = request.principal
    start = (
        f"User: {principal.arn or principal.invoked_by or 'anonymous'} is not authorized to perform: {request.action}"
    )
    if decision.lacking == "resource" and principal.account_id and principal.account_id != request.resource_account:
        return f"{start} on this resource {NOT_THERE_OR_NOT_ALLOWED}"
    where = KIND_WORDS[decision.lacking]
    start += f" on resource: {request.resource}"
    if decision.reason == "explicit-deny":
        article = "the" if decision.lacking == "trust" else "an" if where.startswith("i") else "a"
        return f"{start} with an explicit deny in {article} {where}"
    return f"{start} because no {where} allows the {request.action} action"


NOT_THERE_OR_NOT_ALLOWED = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)


def _trace(request: Request, policies: Policies) -> Iterator[TraceLine]:
    looked_at: list[CompiledPolicy] = [policies.resource] if policies.resource else []
    looked_at += policies.identity
    looked_at += [policies.boundary] if policies.boundary else []
    looked_at += request.principal.session.policies if request.principal.session else ()
    for policy in looked_at:
        for statement in policy.statements:
            reason = _mismatch(statement, request, bounded=policies.boundary is not None)
            yield TraceLine(
                policy=policy.name,
                kind=policy.kind,
                statement=statement.sid or _("statement %(number)d") % {"number": statement.index + 1},
                effect="Allow" if statement.allows else "Deny",
                matched=not reason,
                reason=reason or _matched(statement, request),
            )
    for grant in policies.grants:
        reason = _grant_mismatch(grant, request)
        yield TraceLine(
            "grants", "grant", grant.name or grant.grant_id, "Allow", not reason, reason or _("the grant allows it")
        )


def matching(policy: CompiledPolicy, decision: Decision) -> list[Statement]:
    """The statements of one of a decision's policies that match its request, whatever they say."""
    bounded = decision.policies.boundary is not None
    return [each for each in policy.statements if not _mismatch(each, decision.request, bounded=bounded)]


def _matched(statement: Statement, request: Request) -> str:
    if statement.principals is not None and statement.allows:
        if statement.principals.match(request.principal) == ACCOUNT:
            return _("it trusts the principal's account, whose identity policies decide")
        return _("it names the principal")
    return _("action, resource and conditions match")


def _names(statement: Statement, request: Request, bounded: bool) -> bool:
    principals = statement.principals
    assert principals is not None
    return bool(principals.match(request.principal)) or (bounded and principals.negated and not statement.allows)


def _mismatch(statement: Statement, request: Request, *, bounded: bool) -> str:
    """The first thing of a statement that does not match, in words; empty if it matches."""
    if statement.principals is not None and not _names(statement, request, bounded):
        return _("does not match %(what)s") % {"what": request.principal.arn or request.principal.invoked_by}
    if not statement.about_action(request.action.lower()):
        return _("does not match %(what)s") % {"what": request.action}
    if not statement.about_resource(request.resource, request.context):
        return _("does not match %(what)s") % {"what": request.resource}
    for condition in statement.conditions:
        if not condition.holds(request.context):
            return condition.describe(request.context)
    return ""


def _grant_mismatch(grant: GrantView, request: Request) -> str:
    operation = request.action.removeprefix("kms:")
    if not grants_to(grant, request.principal):
        return _("its grantee is %(principal)s") % {"principal": grant.grantee}
    if operation not in grant.operations:
        return _("it does not allow %(operation)s") % {"operation": operation}
    if not _constraints_hold(grant, operation, request):
        return _("its constraint does not hold")
    return ""
