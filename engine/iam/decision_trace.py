"""What a decision looked at, in words: each statement and grant, and the first thing of it that does not match the request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from engine.iam.decide import Decision, Policies, Request
from engine.iam.grant_matching import ACTION_PREFIX, GrantView, constraints_hold, grants_to
from engine.iam.policy import CompiledPolicy, Statement
from engine.iam.policy_principals import ACCOUNT


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One statement (or grant) in words: whether it matched, and if not the first thing that did not."""

    policy: str
    kind: str
    statement: str
    effect: str
    matched: bool
    reason: str


def trace(decision: Decision) -> list[TraceLine]:
    """Every statement that was looked at, and why it did or did not match."""
    return list(_lines(decision.request, decision.policies))


def matching(policy: CompiledPolicy, decision: Decision) -> list[Statement]:
    """The statements of one of a decision's policies that match its request, whatever they say."""
    bounded = decision.policies.boundary is not None
    return [each for each in policy.statements if not _mismatch(each, decision.request, bounded=bounded)]


def _lines(request: Request, policies: Policies) -> Iterator[TraceLine]:
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


def _matched(statement: Statement, request: Request) -> str:
    if statement.principals is not None and statement.allows:
        if statement.principals.match(request.principal) == ACCOUNT:
            return _("it trusts the principal's account, whose identity policies decide")
        return _("it names the principal")
    return _("action, resource and conditions match")


def _mismatch(statement: Statement, request: Request, *, bounded: bool) -> str:
    """The first thing of a statement that does not match, in words; empty if it matches."""
    if statement.principals is not None and not statement.is_about(request.principal, bounded=bounded):
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
    operation = request.action.removeprefix(ACTION_PREFIX)
    if not grants_to(grant, request.principal):
        return _("its grantee is %(principal)s") % {"principal": grant.grantee}
    if operation not in grant.operations:
        return _("it does not allow %(operation)s") % {"operation": operation}
    if not constraints_hold(grant, operation, request.context, request.encryption_context):
        return _("its constraint does not hold")
    return ""
