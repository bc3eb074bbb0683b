"""One decision for all keys that do not differ in anything it depends on, so that 100,000 keys take no more of them than they have kinds.

A decision is a function of the policies, of whether the key's ARN is among those that a statement names, and of the condition keys that
it looks up. Which these are shows when it is made: their names and values are noted then, in the order they are looked up. For another
key the same names are looked up in that order; where each has a value that was seen, the decision is the one that was made.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from engine.context import CallContext
from engine.iam.decide import Policies, Request, decide
from engine.iam.policy import CompiledPolicy, Statement
from engine.iam.variables import Values

_MOST = 20_000  # decisions that are remembered; what differs from key to key is not worth it


class KeyValues(Protocol):
    """The condition keys of a request about one key."""

    def get(self, name: str) -> Any: ...


class _Noting:
    """A request's condition keys, noting which were looked up. It can nothing but `get`: what was read another way would not be noted."""

    __slots__ = ("asked", "values")

    def __init__(self, values: KeyValues) -> None:
        self.values = values
        self.asked: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        found = self.asked[name] = self.values.get(name)
        return default if found is None else found


_Branches = dict[Any, Any]  # a value → the decision, or the name that is looked up next and its branches


class SharedDecision:
    """Whether a principal is allowed one action by its policies and one key policy, for key after key; no grants. Of another action that the
    same `statements` are about it is the same.

    `asked` takes in the condition keys that the decisions look up."""

    def __init__(
        self,
        context: CallContext,
        identity: tuple[CompiledPolicy, ...],
        boundary: CompiledPolicy | None,
        action: str,
        key_policy: CompiledPolicy,
        asked: set[str],
    ) -> None:
        self._policies = Policies(identity=identity, resource=key_policy, boundary=boundary)
        self._context, self._action = context, f"kms:{action}"
        session = context.principal.session
        taking_part = [key_policy, *identity, *([boundary] if boundary else []), *(session.policies if session else ())]
        self.statements = [each for policy in taking_part for each in policy.about(self._action.lower())]
        self._naming: list[Statement] = [each for each in self.statements if not each.any_resource]
        self._by_variables = any(each.variables for each in self._naming)
        self._branches: _Branches = {}
        self._made = 0
        self._asked = asked

    @property
    def names_keys(self) -> bool:
        """Whether a statement is about some keys by their ARNs."""
        return bool(self._naming)

    @property
    def same_for_all(self) -> bool:
        """Whether nothing of a key but its policy takes part."""
        return not self._naming and not any(each.conditions for each in self.statements)

    def allowed(self, arn: str, values: KeyValues) -> bool:
        if self._by_variables:
            return self._decide(arn, _Noting(values))
        matches = tuple([each.resources.match(arn) for each in self._naming])
        branches, value = self._branches, cast(Any, matches)
        while (found := branches.get(value)) is not None:
            if isinstance(found, bool):
                return found
            name, branches = found
            value = values.get(name)
        return self._made_anew(arn, values, matches)

    def _made_anew(self, arn: str, values: KeyValues, matches: tuple[bool, ...]) -> bool:
        noting = _Noting(values)
        allowed = self._decide(arn, noting)
        self._made += 1
        if self._made <= _MOST:
            branches, value = self._branches, cast(Any, matches)
            for name, asked in noting.asked.items():
                _name, branches = branches.setdefault(value, (name, {}))
                value = asked
            branches[value] = allowed
        return allowed

    def _decide(self, arn: str, noting: _Noting) -> bool:
        request = Request(
            self._context.principal, self._action, arn, self._context.account_id, cast(Values, noting), None
        )
        allowed = decide(request, self._policies).allowed
        self._asked.update(noting.asked)
        return allowed
