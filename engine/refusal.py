"""What a call would be refused with, told without making it: the same decision, nothing recorded.

A page shows what its reader may not do as unavailable, in the words of the refusal. What depends on what only a request says (a tag that
it brings, the name of what it makes) is not told beforehand: the call itself decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from engine import console_actions
from engine.iam import authorize as iam
from engine.iam import condition_keys, entities
from engine.iam.access_denied import access_denied_message
from engine.iam.authorize import ContextValues
from engine.iam.decide import Policies, Request, decide
from engine.iam.grant_matching import GrantView
from engine.iam.models import Group, ManagedPolicy, Role, User
from engine.iam.policy import CompiledPolicy, Statement
from engine.kms import models, stored_access
from engine.visibility import Viewer, grants_by_key, row_conditions, with_conditions


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about. `policy` and `grants` are a key's. `open`: the name of what is to be made is not chosen yet."""

    arn: str
    account_id: str
    policy: CompiledPolicy | None = None
    grants: tuple[GrantView, ...] = ()
    conditions: Callable[[], ContextValues] | None = None
    open: bool = False


def resource(who: Viewer, arn: str) -> Resource | None:
    """What an ARN (or "*") names, in any account; an ARN that ends in "*" is for what is not made yet. None for a key that is not here."""
    service, region, account_id, name = [*arn.split(":", 5), *[""] * 6][2:6]
    if service == "kms" and name.startswith("key/"):
        key = _key(account_id, region, name[4:])
        return _of_key(who, key) if key is not None else None
    if service == "kms" and name.startswith("alias/"):
        alias = models.Alias.objects.filter(account_id=account_id, region=region, name=name).first()
        target = _key(account_id, region, alias.target_key_id) if alias is not None else None
        conditions = partial(row_conditions, who, target) if target is not None else None
        return Resource(arn, account_id, conditions=conditions, open=name == "alias/*")
    own = account_id or who.context.account_id
    if service == "iam":
        return Resource(arn, own, conditions=lambda: _tags(own, name), open=name.endswith("*"))
    return Resource(arn, own, conditions=lambda: condition_keys.CALLER_ACCOUNT.given(own), open=False)


def key_resources(who: Viewer, key_ids: Iterable[str]) -> dict[str, Resource]:
    """As `resource`, of keys of the principal's own account and Region by their ARNs: read together, for a list tells of each."""
    found = {}
    granted = grants_by_key(who)
    for key_id, (row, values) in with_conditions(who, list(key_ids)).items():
        policy = stored_access.policy_of(row)
        found[row.arn] = Resource(row.arn, row.account_id, policy, granted.get(key_id, ()), partial(dict, values))
    return found


def _key(account_id: str, region: str, key_id: str) -> models.Key | None:
    return models.Key.objects.filter(account_id=account_id, region=region, key_id=key_id).first()


def _of_key(who: Viewer, row: models.Key) -> Resource:
    policy = stored_access.policy_of(row)
    granted = grants_by_key(who, row.key_id).get(row.key_id, ())
    return Resource(row.arn, row.account_id, policy, granted, partial(row_conditions, who, row))


def refusal(who: Viewer, action: str, about: Resource) -> str:
    """The sentence of the AccessDenied that the principal would get for `action` ("iam:DeleteUser") now; "" where it would not, or where
    only the request will tell."""
    if refused := console_actions.refusal_to_member(who.context, action, about.arn):
        return refused
    policy, grants = (about.policy, about.grants) if action.startswith("kms:") else (None, ())
    request, policies = iam.question(who.context, action, about.arn, about.account_id, policy, grants, about.conditions)
    decision = decide(request, policies)
    if decision.allowed:
        required = console_actions.BY_ACTION[action].requires if action in console_actions.BY_ACTION else ""
        return refusal(who, required, about) if required else ""
    if _depends(request, policies, about):
        return ""
    return access_denied_message(decision, request)


def _depends(request: Request, policies: Policies, about: Resource) -> bool:
    """Whether a statement about the action asks for something that only the request brings."""
    session = request.principal.session
    limits = (policies.resource, policies.boundary, *(session.policies if session is not None else ()))
    return any(
        _asks_more(statement, about)
        for policy in (*policies.identity, *limits)
        if policy is not None
        for statement in policy.about(request.action.lower())
    )


def _asks_more(statement: Statement, about: Resource) -> bool:
    if about.open and not statement.any_resource:
        return True
    named = statement.any_resource or statement.about_resource(about.arn, {}) or statement.variables
    return named and any(_brought(condition.key, about) for condition in statement.conditions)


def _brought(name: str, about: Resource) -> bool:
    """Whether only the request brings a condition key. Who calls, from where and when is known of a page's reader too."""
    found = condition_keys.find(name)
    if found is None:
        return True
    if found.source == "key":
        return (about.policy is None and about.conditions is None) or about.arn == "*"
    if found is condition_keys.VIA_SERVICE or name.startswith("iam:resourcetag/"):
        return False
    return found.source == "request" and (
        not name.startswith("aws:") or name.startswith(("aws:requesttag/", "aws:tagkeys"))
    )


_MODELS: dict[str, type[User] | type[Group] | type[Role] | type[ManagedPolicy]] = {
    "user": User,
    "group": Group,
    "role": Role,
    "policy": ManagedPolicy,
}


def entity_arn(account_id: str, kind: str, name: str) -> str:
    """The ARN of a user, group or role as its refusals name it, whether it is there or not."""
    row = _entity(account_id, kind, name)
    return str(row.arn) if row is not None else f"arn:aws:iam::{account_id}:{kind}/{name}"


def _entity(account_id: str, kind: str, name: str) -> User | Group | Role | ManagedPolicy | None:
    model = _MODELS.get(kind)
    return model.objects.filter(account_id=account_id, name__iexact=name).first() if model else None


def _tags(account_id: str, name: str) -> ContextValues:
    kind, _, path = name.partition("/")
    return entities.tag_conditions(_entity(account_id, kind, path.rpartition("/")[2]))
