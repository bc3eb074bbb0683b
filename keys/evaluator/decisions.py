"""Decisions for a subject, an action and a key, by the engine's own pure function: one, a matrix, "who can", "which keys".

Before there is a request some condition keys have no value. `cell` asks twice: once as if no statement that hangs on such a key
allowed and all of them denied, once the other way round. If both agree that is the answer; otherwise it depends on the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.public.condition_keys import Values, is_known_beforehand, of_encryption_context
from engine.public.decision import (
    CompiledPolicy,
    Decision,
    GrantView,
    Policies,
    Request,
    Statement,
    decide,
    grants_to,
)
from engine.public.memory import Remembered, texts
from engine.public.vocabulary import CONTEXT_ACTIONS
from keys.evaluator import condition_context
from keys.evaluator.key_view import KeyView, named_in
from keys.evaluator.principal_directory import PrincipalDirectory, Subject

YES, NO, DEPENDS = "yes", "no", "depends"
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request would bring: condition keys (names in lower case) and an encryption context."""

    values: Mapping[str, str | tuple[str, ...]]
    encryption_context: Mapping[str, str]
    now: datetime


def context_of(
    subject: Subject, key: KeyView | None, asked: RequestContext, region: str, *, action: str = "", resource: str = ""
) -> Values:
    """`action` and `resource` where there is no key."""
    return {
        **condition_context.of_principal(subject.principal, region, asked.now),
        **condition_context.caller_account(subject.principal, action, resource if key is None else key.arn),
        **(key.condition_context if key is not None else {}),
        **of_encryption_context(asked.encryption_context),
        **asked.values,
    }


def policies_for(subject: Subject, resource: CompiledPolicy | None, grants: tuple[GrantView, ...] = ()) -> Policies:
    return Policies(identity=subject.identity, resource=resource, boundary=subject.boundary, grants=grants)


def explain(subject: Subject, action: str, key: KeyView, asked: RequestContext) -> Decision:
    """The decision for one request, as the engine would make it."""
    request = Request(
        principal=subject.principal,
        action=action,
        resource=key.arn,
        resource_account=key.account_id,
        context=context_of(subject, key, asked, key.region),
        encryption_context=asked.encryption_context,
    )
    return decide(request, policies_for(subject, key.policy, key.grants))


def explain_other(
    subject: Subject,
    action: str,
    resource: str,
    trust: CompiledPolicy | None,
    asked: RequestContext,
    account_id: str,
    region: str,
    key: KeyView | None = None,
) -> Decision:
    """The same for what is no key: an IAM entity, a list, a role to assume (with its trust policy). `key`: of which an action of the
    console's own is; its policy and grants have no say in that, what is known of it has."""
    parts = resource.split(":", 5)
    owner = parts[4] if len(parts) == 6 and parts[4] else account_id
    context = context_of(subject, key, asked, region, action=action, resource=resource)
    request = Request(subject.principal, action, resource, owner, context)
    return decide(request, policies_for(subject, trust))


class AccessEvaluator:
    """Answers for many actions of one subject on one key; what they share is worked out once."""

    __slots__ = ("_key", "_lenient", "_strict", "_subject", "_values", "asked")

    def __init__(self, subject: Subject, key: KeyView, asked: RequestContext) -> None:
        self._subject, self._key, self.asked = subject, key, asked
        given = _given(asked)
        self._lenient = _narrowed(subject, key, True, given)
        strict = _narrowed(subject, key, False, given)
        self._strict = self._lenient if strict == self._lenient else strict
        taking_part = (self._lenient.resource, self._lenient.boundary, *self._lenient.identity)
        conditional = any(policy is not None and policy.has_conditions for policy in taking_part)
        self._values: Values = context_of(subject, key, asked, key.region) if conditional else {}

    def cell(self, action: str) -> str:
        """YES, NO or DEPENDS."""
        request = Request(
            self._subject.principal,
            action,
            self._key.arn,
            self._key.account_id,
            self._values,
            self.asked.encryption_context,
        )
        strict = decide(request, self._strict).allowed
        if not strict and self._lenient is self._strict:
            return NO
        if strict:
            return YES if self._subject.visible or self._subject.kind in ("service", "anyone") else DEPENDS
        return DEPENDS if decide(request, self._lenient).allowed else NO


def _given(asked: RequestContext) -> frozenset[str]:
    """The condition keys whose values the question itself brings."""
    return frozenset(asked.values) | frozenset(of_encryption_context(asked.encryption_context))


def _narrowed(subject: Subject, key: KeyView, lenient: bool, given: frozenset[str]) -> Policies:
    grants = key.grants
    if grants and not lenient and not given:
        grants = tuple(_unconstrained(grant) for grant in grants)
    elif grants and lenient and not given:
        grants = tuple(replace(grant, constraints={}) for grant in grants)
    return Policies(
        identity=tuple(_variant(policy, lenient, given) for policy in subject.identity),
        resource=_variant(key.policy, lenient, given),
        boundary=_variant(subject.boundary, lenient, given) if subject.boundary is not None else None,
        grants=grants,
    )


def _unconstrained(grant: GrantView) -> GrantView:
    """What a grant allows without looking at the encryption context."""
    if not grant.constraints:
        return grant
    return replace(grant, operations=grant.operations - CONTEXT_ACTIONS)


def _variant(policy: CompiledPolicy, lenient: bool, given: frozenset[str]) -> CompiledPolicy:
    """The policy as if every condition on a key that is not known did hold (lenient for Allow, strict for Deny), or did not."""
    return _variants[policy, lenient, given] if policy.has_conditions else policy


_Asked = tuple[CompiledPolicy, bool, frozenset[str]]


def _vary(asked: _Asked) -> CompiledPolicy:
    policy, lenient, given = asked
    statements = tuple(
        changed
        for statement in policy.statements
        if (changed := _assume_unknown(statement, lenient, given)) is not None
    )
    return policy if statements == policy.statements else replace(policy, statements=statements, _by_action={})


_variants: Remembered[_Asked, CompiledPolicy] = Remembered(
    _vary, entries=20_000, longest=64 << 10, total=12 << 20, size=lambda asked: len(asked[0].text) + texts(asked[2])
)


def _assume_unknown(statement: Statement, lenient: bool, given: frozenset[str]) -> Statement | None:
    certain = tuple(each for each in statement.conditions if is_known_beforehand(each.key) or each.key in given)
    if len(certain) == len(statement.conditions):
        return statement
    if statement.allows == lenient:
        return replace(statement, conditions=certain)
    return None


@dataclass(frozen=True, slots=True)
class Row:
    subject: Subject
    cells: tuple[str, ...]

    @property
    def any(self) -> bool:
        return any(cell != NO for cell in self.cells)


def subjects_of(directory: PrincipalDirectory, key: KeyView) -> list[Subject]:
    """The account's principals, and whoever else the key's policy or grants name."""
    found = [*directory.subjects]
    for name in sorted(named_in(key.policy, key.grants) - set(directory.by_arn)):
        subject = directory.find(name)
        if subject is not None:  # a name of nobody (deleted, misspelt) can do nothing
            found.append(replace(subject, arn=name))
    return found


def matrix(directory: PrincipalDirectory, key: KeyView, actions: Sequence[str], asked: RequestContext) -> list[Row]:
    rows = []
    for subject in subjects_of(directory, key):
        evaluator = AccessEvaluator(subject, key, asked)
        rows.append(Row(subject, tuple(evaluator.cell(action) for action in actions)))
    return rows


class KeyDecisions:
    """Answers of one subject on many keys. Where no variable, no grant to it and no condition that can be judged takes part, keys of one
    policy whose ARNs the same statements take in get one and the same answer, which is worked out once."""

    __slots__ = ("_about", "_answers", "_asked", "_given", "_own", "_plain", "_subject")

    def __init__(self, subject: Subject, asked: RequestContext) -> None:
        self._own = (*subject.identity, *((subject.boundary,) if subject.boundary is not None else ()))
        self._subject, self._asked, self._given = subject, asked, _given(asked)
        self._about = [each for policy in self._own for each in policy.statements if not each.any_resource]
        self._plain: dict[tuple[CompiledPolicy, tuple[str, ...]], bool] = {}
        self._answers: dict[tuple[object, ...], tuple[str, ...]] = {}

    def _is_plain(self, policy: CompiledPolicy, actions: tuple[str, ...]) -> bool:
        """Whether nothing but a key's ARN can tell two keys of this policy apart, for these actions."""
        place = (policy, actions)
        if place not in self._plain:
            about = [each for action in actions for one in (policy, *self._own) for each in one.about(action.lower())]
            own = (each for action in actions for each in policy.about(action.lower()))
            judged = (condition.key for each in about for condition in each.conditions)
            self._plain[place] = (
                not any(each.variables for each in about)
                and not any(is_known_beforehand(name) or name in self._given for name in judged)
                and all(each.any_resource for each in own)
            )
        return self._plain[place]

    def cells(self, key: KeyView, actions: Sequence[str]) -> tuple[str, ...]:
        policy, wanted = key.policy, tuple(actions)
        mine = any(grants_to(grant, self._subject.principal) for grant in key.grants)
        if mine or not self._is_plain(policy, wanted):
            return self._ask(key, wanted)
        taken_in = tuple(statement.about_resource(key.arn, {}) for statement in self._about)
        place = (policy, key.account_id, wanted, taken_in)
        found = self._answers.get(place)
        if found is None:
            found = self._answers[place] = self._ask(key, wanted)
        return found

    def _ask(self, key: KeyView, actions: Sequence[str]) -> tuple[str, ...]:
        evaluator = AccessEvaluator(self._subject, key, self._asked)
        return tuple(evaluator.cell(action) for action in actions)


def keys_for(
    subject: Subject, keys: Iterable[KeyView], actions_of: Callable[[KeyView], Sequence[str]], asked: RequestContext
) -> list[tuple[KeyView, list[tuple[str, str]]]]:
    """(key, [(action, answer)]) for each key on which the subject may, or may in some requests, do one of the actions."""
    found, many = [], KeyDecisions(subject, asked)
    for key in keys:
        actions = actions_of(key)
        cells = [(a, cell) for a, cell in zip(actions, many.cells(key, actions), strict=True) if cell != NO]
        if cells:
            found.append((key, cells))
    return found


def differences(
    directory: PrincipalDirectory, before: KeyView, after: KeyView, actions: Sequence[str], asked: RequestContext
) -> list[tuple[Subject, list[tuple[str, str, str]]]]:
    """(principal, [(action, answer before, answer after)]) for everyone whose access another key policy would change."""
    everyone = {subject.arn: subject for side in (before, after) for subject in subjects_of(directory, side)}
    found = []
    for subject in everyone.values():
        then, now = AccessEvaluator(subject, before, asked), AccessEvaluator(subject, after, asked)
        changes = [(action, old, new) for action in actions if (old := then.cell(action)) != (new := now.cell(action))]
        if changes:
            found.append((subject, changes))
    return found


def may_change_policy(subject: Subject, policy: CompiledPolicy, account_id: str, key_arn: str) -> bool:
    """Whether the subject could put the next key policy under this one: the lock-out check of PutKeyPolicy."""
    request = Request(subject.principal, "kms:PutKeyPolicy", key_arn or "*", account_id, {})
    return decide(request, policies_for(subject, policy)).allowed
