"""A decision in words: what decided, why the rest did not, and the smallest statement that would allow what is denied. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from engine.public.decision import Decision, Kind, Policies, Principal, TraceLine, compile_policy, decide, trace
from keys.evaluator.principal_directory import UNSEEN, Subject

KINDS = {
    "identity": gettext_lazy("identity-based policy"),
    "resource": gettext_lazy("key policy"),
    "boundary": gettext_lazy("permissions boundary"),
    "session": gettext_lazy("session policy"),
    "trust": gettext_lazy("trust policy"),
    "grant": gettext_lazy("grant"),
}


def headline(decision: Decision) -> str:
    """One sentence: allowed or denied, and by what."""
    if decision.allowed:
        return _allowed(decision)
    if decision.reason == "explicit-deny":
        return _("Denied: a statement with Effect Deny matches. It wins over every Allow.")
    kind = KINDS.get(decision.lacking, decision.lacking)
    if decision.lacking == "boundary":
        return _("Denied: a policy allows it, but the permissions boundary does not.")
    if decision.lacking == "session":
        return _("Denied: a policy allows it, but the policy of the session does not.")
    if decision.lacking == "identity" and decision.policies.resource is not None:
        return _(
            "Denied: the %(resource)s leaves it to the principal's account, and no identity-based policy allows it."
        ) % {"resource": KINDS[decision.policies.resource.kind]}
    return _("Denied: no %(kind)s allows it.") % {"kind": kind}


def _allowed(decision: Decision) -> str:
    if decision.reason == "allowed-by-grant":
        return _("Allowed by a grant.")
    if decision.reason == "allowed-by-resource":
        return _("Allowed: the %(resource)s names the principal.") % {
            "resource": KINDS[decision.policies.resource.kind if decision.policies.resource else "resource"]
        }
    if decision.reason == "allowed-by-root":
        return _("Allowed: it is the account itself.")
    if len(decision.deciding) > 1:
        return _(
            "Allowed: the %(resource)s leaves it to the principal's account, and an identity-based policy allows it."
        ) % {"resource": KINDS[decision.deciding[0].policy.kind]}
    if decision.deciding and decision.deciding[0].policy.kind in ("resource", "trust"):
        return _("Allowed: the %(resource)s trusts the account, and this is the account itself.") % {
            "resource": KINDS[decision.deciding[0].policy.kind]
        }
    return _("Allowed by an identity-based policy.")


@dataclass(frozen=True, slots=True)
class Line:
    """One statement (or grant) of the trace: `outcome` is decides, matches or "" (does not match, for the reason given)."""

    policy: str
    kind: Any
    statement: str
    effect: str
    outcome: str
    reason: str


def lines(decision: Decision) -> list[Line]:
    """The trace, with what decided first, then what else matched, then the rest in its order."""
    deciding = {(ref.policy.name, ref.policy.kind, ref.statement.index) for ref in decision.deciding}
    indices: dict[tuple[str, str], int] = {}
    found = []
    for each in trace(decision):
        place = (each.policy, each.kind)
        indices[place] = indices.get(place, -1) + 1
        decides = (*place, indices[place]) in deciding or (
            each.kind == "grant" and decision.grant is not None and each.matched
        )
        outcome = "decides" if decides else "matches" if each.matched else ""
        found.append(
            Line(_policy(each), KINDS.get(each.kind, each.kind), each.statement, each.effect, outcome, each.reason)
        )
    order = {"decides": 0, "matches": 1, "": 2}
    return sorted(found, key=lambda line: order[line.outcome])


def _policy(line: TraceLine) -> str:
    """A policy's name; one that has none is called by what it is, in the reader's language."""
    if line.kind in ("resource", "trust", "grant"):
        return str(KINDS[line.kind])
    return _(line.policy) if line.policy == UNSEEN else policy_name(line.policy)


_OWNED = {
    "user": gettext_lazy("%(policy)s (user %(owner)s)"),
    "group": gettext_lazy("%(policy)s (group %(owner)s)"),
    "role": gettext_lazy("%(policy)s (role %(owner)s)"),
}


def policy_name(policy: str) -> str:
    """A policy's name as keys.evaluator.principal_directory gives it, in the reader's language: an inline one says whose it is."""
    found = re.fullmatch(r"(\S+) \((user|group|role) (\S+)\)", policy)
    return str(_OWNED[found[2]]) % {"policy": found[1], "owner": found[3]} if found else policy


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A statement and the kind of policy it would go into: identity, resource, boundary or trust."""

    kind: str
    where: str
    statement: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.statement, indent=2)


def smallest(decision: Decision, subject: Subject) -> list[Suggestion]:
    """The fewest statements that together would allow what was denied; none where only taking a Deny away would help.

    Each is tried by the same decision before it is offered.
    """
    if decision.allowed or decision.reason == "explicit-deny":
        return []
    possible = list(_candidates(decision, subject))
    for size in (1, 2, 3):
        for chosen in combinations(possible, size):
            if decide(decision.request, _with(decision.policies, chosen)).allowed:
                return list(chosen)
    return []


def _candidates(decision: Decision, subject: Subject) -> Iterator[Suggestion]:
    request, policies = decision.request, decision.policies
    plain = {"Effect": "Allow", "Action": request.action, "Resource": request.resource}
    if subject.visible and subject.kind in ("user", "role"):
        where = (
            _("a policy of user %(name)s or of a group of theirs")
            if subject.kind == "user"
            else _("a policy of role %(name)s")
        )
        yield Suggestion("identity", where % {"name": subject.name}, plain)
    if policies.resource is not None:
        principal = {"Service": subject.arn} if subject.kind == "service" else {"AWS": named(request.principal) or "*"}
        statement = {"Effect": "Allow", "Principal": principal, "Action": request.action}
        if policies.resource.kind == "trust":
            yield Suggestion("trust", _("the role's trust policy"), statement)
        else:
            yield Suggestion("resource", _("the key policy"), {**statement, "Resource": "*"})
    if policies.boundary is not None:
        yield Suggestion("boundary", _("the permissions boundary %(name)s") % {"name": policies.boundary.name}, plain)


def named(principal: Principal) -> str:
    """How a policy names this principal: a role by its own ARN and not by a session's."""
    session = principal.session
    return session.issuer_arn if principal.kind == "assumed-role" and session is not None else principal.arn


def _with(policies: Policies, added: tuple[Suggestion, ...]) -> Policies:
    changed = policies
    for each in added:
        text = json.dumps({"Version": "2012-10-17", "Statement": [each.statement]})
        if each.kind == "identity":
            changed = replace(
                changed, identity=(*changed.identity, compile_policy(text, name="added", kind="identity"))
            )
            continue
        kind: Kind = "boundary" if each.kind == "boundary" else "trust" if each.kind == "trust" else "resource"
        before = changed.boundary if kind == "boundary" else changed.resource
        assert before is not None
        extra = compile_policy(text, name="added", kind=kind)
        joined = replace(before, statements=(*before.statements, *extra.statements), _by_action={})
        changed = replace(changed, boundary=joined) if kind == "boundary" else replace(changed, resource=joined)
    return changed


_DENIED = re.compile(
    r"User: (?P<principal>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>\S+)| on this resource| on the resource associated with this ciphertext)?(?P<rest>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Denial:
    """An AccessDenied error taken apart. `suggestion` is the statement that is missing, as far as the message tells."""

    principal: str
    action: str
    resource: str
    explicit: bool
    suggestion: Suggestion | None


def denial(message: str) -> Denial | None:
    """Read AWS's own sentence; None for one that does not say who, what and why. Source: IAM User Guide, "Troubleshoot access
    denied error messages"."""
    found = _DENIED.search(message)
    if found is None:
        return None
    principal, action, resource = found["principal"], found["action"], found["resource"] or "*"
    rest = found["rest"]
    explicit = "explicit deny" in rest
    return Denial(
        principal, action, resource, explicit, None if explicit else _from_message(principal, action, resource, rest)
    )


def _from_message(principal: str, action: str, resource: str, rest: str) -> Suggestion | None:
    plain = {"Effect": "Allow", "Action": action, "Resource": resource}
    if "no identity-based policy" in rest:
        return Suggestion("identity", _("a policy of this principal, or of a group it is in"), plain)
    if "no permissions boundary" in rest:
        return Suggestion("boundary", _("the principal's permissions boundary"), plain)
    if "no resource-based polic" in rest or "no role trust policy" in rest:
        statement = {"Effect": "Allow", "Principal": {"AWS": role_arn(principal)}, "Action": action}
        if action == "sts:AssumeRole":
            return Suggestion("trust", _("the role's trust policy"), statement)
        return Suggestion("resource", _("the key policy"), {**statement, "Resource": "*"})
    return None


def role_arn(arn: str) -> str:
    """The ARN a policy names for a principal: of a session, its role's (whose path a session's ARN does not tell)."""
    parts = arn.split(":", 5)
    if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        return f"{parts[0]}:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
    return arn
