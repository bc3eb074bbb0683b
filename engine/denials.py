"""Which actions a principal is not allowed on keys, for a hundred thousand of them together: what they have in common is decided once.

The decision is the one that each call is decided with. Nothing of a key leaves here but whether it may be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from engine.iam import authorize as iam
from engine.iam import condition_keys
from engine.iam.access_denied import access_denied_message
from engine.kms import models, stored_access
from engine.premises import Noted, Premises
from engine.shared_decisions import SharedDecision
from engine.visibility import Viewer, alias_names, conditions, decision, for_key, grants_by_key, with_conditions

_CHUNK = 2_000
_FACTS = ("spec", "usage", "origin", "multi_region", "primary_region")
_FEW_POLICIES = 100
_REMEMBERED = 20_000  # kinds of keys under one policy
_MOST_POLICIES = 2_000  # key policies whose decisions are remembered


class Denials:
    """Which of `actions` a principal is not allowed on keys, asked for as many as one likes, one lot after another. What keys have in
    common is decided once, by the policies that the principal has now."""

    def __init__(self, who: Viewer, actions: tuple[str, ...]) -> None:
        self._who, self._actions = who, actions
        self._place = {"account_id": who.context.account_id, "region": who.context.region}
        self._globals = iam.global_conditions(who.context)
        self._policies: dict[tuple[str, str], _UnderPolicy] = {}
        self._noted = Noted()

    def of(self, key_ids: Iterable[str] | None = None) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(key ID, the actions that are not allowed) for each key of the Region where any is not; all keys, or those named."""
        return ((key_id, refused) for key_id, refused in self.of_each(key_ids) if refused)

    def of_each(self, key_ids: Iterable[str] | None = None) -> Iterator[tuple[str, tuple[str, ...]]]:
        """As `of`, for every key that is there. A key that is not there is not allowed to anybody."""
        rows = models.Key.objects.filter(**self._place)
        if key_ids is not None:
            rows = rows.filter(key_id__in=list(key_ids))
        granted = grants_by_key(self._who)
        tags = Cast("tags", TextField())  # as it is stored: most keys' are the same as another's
        columns = ("key_id", "policy", Cast("policy_pins", TextField()), *_FACTS, tags)
        every = rows.values_list(*columns).iterator(chunk_size=_CHUNK)
        while listed := list(islice(every, _CHUNK)):
            aliases = _Aliases(self._place, [row[0] for row in listed])
            found = {}
            for key_id, text, pins, *facts in listed:
                under = self._policies.get((text, pins)) or self._under(text, pins)
                found[key_id] = under.denied(key_id, tuple(facts), aliases)
            perhaps = [key_id for key_id, refused in found.items() if refused and key_id in granted]
            for key_id, (row, values) in with_conditions(self._who, perhaps).items():
                found[key_id] = tuple(
                    action for action in found[key_id] if not for_key(self._who, action, row, values, granted[key_id])
                )
            yield from found.items()

    def premises(self) -> Premises:
        """What was so besides the policies and the keys, as far as what was decided until now depended on it."""
        return self._noted.premises(self._who.context)

    def of_all(self) -> tuple[str, ...] | None:
        """The actions that are not allowed on any key of the Region while the others are on all, if that follows from the policies alone: None
        where something of a key takes part."""
        if grants_by_key(self._who):
            return None
        texts = models.Key.objects.filter(**self._place).order_by()
        named = list(texts.values_list("policy", Cast("policy_pins", TextField())).distinct()[: _FEW_POLICIES + 1])
        if len(named) > _FEW_POLICIES:
            return None
        under = [self._under(*each) for each in named]
        found = {each.of_any() for each in under} if all(each.same_for_all for each in under) else set()
        return found.pop() if len(found) == 1 else None

    def _under(self, text: str, pins: str) -> _UnderPolicy:
        policy = stored_access.key_policy(text, json.loads(pins))
        who, asked = self._who, self._noted.asked
        decisions: dict[str, SharedDecision] = {}
        shared: dict[tuple[int, ...], SharedDecision] = {}
        for action in self._actions:
            decision = SharedDecision(who.context, who.identity, who.boundary, action, policy, asked)
            decisions[action] = shared.setdefault(tuple(map(id, decision.statements)), decision)
        for each in shared.values():
            self._noted.statements(each.statements)
        if len(self._policies) >= _MOST_POLICIES:
            self._policies.clear()  # every key has one of its own, more or less
        made = self._policies[text, pins] = _UnderPolicy(self._who, decisions, self._globals)
        return made


def denied_actions(
    who: Viewer, actions: tuple[str, ...], key_ids: Iterable[str] | None = None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """As `Denials.of`, for who asks once."""
    return Denials(who, actions).of(key_ids)


class _UnderPolicy:
    """The decisions under one key policy."""

    def __init__(
        self,
        who: Viewer,
        decisions: dict[str, SharedDecision],
        globals_: Mapping[str, str | tuple[str, ...]],
    ) -> None:
        self._who, self._decisions, self._globals = who, decisions, globals_
        self._different = list(dict.fromkeys(decisions.values()))
        self.same_for_all = all(each.same_for_all for each in self._different)
        self._by_arn = any(each.names_keys for each in self._different)
        self._by_facts: dict[tuple[Any, ...], tuple[str, ...]] = {}

    def denied(self, key_id: str, facts: tuple[Any, ...], aliases: _Aliases) -> tuple[str, ...]:
        """The actions that are not allowed on a key, grants aside. `facts`: of _FACTS, and its tags."""
        if self.same_for_all:
            facts = ()
        known = None if self._by_arn else self._by_facts.get(facts)
        if known is not None:
            return known
        context = self._who.context
        row = models.Key(account_id=context.account_id, region=context.region, key_id=key_id)
        values = _Values(self._globals, key_id, aliases)
        if facts:
            for name, value in zip(_FACTS, facts[:-1], strict=True):
                setattr(row, name, value)
            row.tags = json.loads(facts[-1])
            values.given |= conditions(self._who, row, ())
        allowed = {each: each.allowed(row.arn, values) for each in self._different}
        refused = tuple([action for action, each in self._decisions.items() if not allowed[each]])
        if not values.told_aliases and len(self._by_facts) < _REMEMBERED:
            self._by_facts[facts] = refused
        return refused

    def of_any(self) -> tuple[str, ...]:
        """Of no key in particular, where it is the same for all."""
        return self.denied("any", (), _Aliases({}, []))


class _Aliases:
    """The aliases of some keys, read together when the first is asked for: few policies do."""

    def __init__(self, place: Mapping[str, str], key_ids: list[str]) -> None:
        self._place, self._key_ids = place, key_ids
        self._names: dict[str, list[str]] | None = None

    def of(self, key_id: str) -> list[str]:
        if self._names is None:
            self._names = alias_names(self._place, self._key_ids)
        return self._names.get(key_id, [])


class _Values:
    """The condition keys of a request about a key. Its aliases are among them when they are asked for."""

    def __init__(self, given: Mapping[str, str | tuple[str, ...]], key_id: str, aliases: _Aliases) -> None:
        self.given = dict(given)
        self.told_aliases = False
        self._key_id, self._aliases = key_id, aliases

    def get(self, name: str) -> Any:
        if name == condition_keys.RESOURCE_ALIASES.lower:
            self.told_aliases = True
            return tuple(self._aliases.of(self._key_id)) or None
        return self.given.get(name)


def refusals(who: Viewer, action: str, key_ids: Iterable[str]) -> dict[str, str]:
    """Key ID → the sentence that an AccessDeniedException would say if the principal tried `action`, for those where it would."""
    found: dict[str, str] = {}
    granted = grants_by_key(who)
    refused = [key_id for key_id, _actions in denied_actions(who, (action,), key_ids)]
    for key_id, (row, values) in with_conditions(who, refused).items():
        policy = stored_access.policy_of(row)
        made, request = decision(who, action, row.arn, policy, granted.get(key_id, ()), values)
        found[key_id] = access_denied_message(made, request)
    return found
