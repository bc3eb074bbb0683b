"""What decisions about keys depended on besides the policies and the keys: whether it is still so, they still hold.

Who calls from another address, without a second factor or at another time may be allowed something else by a key policy that asks for it.
Of the time only what conditions made of it is compared: it is another with each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.context import CallContext
from engine.iam import authorize as iam
from engine.iam import condition_keys
from engine.iam.conditions import Condition, compile_condition
from engine.iam.policy import Statement
from engine.iam.variables import Variable

_TIME = frozenset({"aws:currenttime", "aws:epochtime", "aws:multifactorauthage"})
_MOST_CONDITIONS = 1_000  # on the time; more are not put again one by one

Premises = dict[str, Any]  # as JSON has it


class Conflict(Exception):
    """Decisions of different premises."""


class Noted:
    """What decisions of one call depend on, as they are made: `asked` are the condition keys that were looked up."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._about_time: dict[tuple[str, str, tuple[str, ...]], Condition] = {}
        self._time_itself = False

    def statements(self, statements: Iterable[Statement]) -> None:
        """That decisions are by these."""
        for statement in statements:
            if (statement.dynamic or statement.conditions) and not self._time_itself:
                for each in statement.conditions:
                    if each.key in _TIME:
                        self._about_time[each.written, each.key, each.values] = each
                self._time_itself = _by_variable(statement) or len(self._about_time) > _MOST_CONDITIONS

    def premises(self, context: CallContext) -> Premises:
        values = iam.global_conditions(context)
        names = {name for name in self.asked if not _of_key(name)}
        time = self._about_time.values() if names & _TIME and not self._time_itself else ()
        if not self._time_itself:
            names -= _TIME
        return {
            "values": {name: _written(values.get(name)) for name in sorted(names)},
            "time": [[each.written, each.key, list(each.values), each.holds(values)] for each in time],
        }


def both(one: Premises, other: Premises) -> Premises:
    """Raises Conflict."""
    values = {**one.get("values", {}), **other.get("values", {})}
    if any(values[name] != value for name, value in one.get("values", {}).items()):
        raise Conflict
    time = {(written, key, tuple(listed)): holds for written, key, listed, holds in other.get("time", ())}
    for written, key, listed, holds in one.get("time", ()):
        if time.setdefault((written, key, tuple(listed)), holds) != holds:
            raise Conflict
    return {"values": values, "time": [[*key[:2], list(key[2]), holds] for key, holds in time.items()]}


def hold(context: CallContext, premises: Premises) -> bool:
    """Whether they are those of a call that is made now."""
    named, time = premises.get("values", {}), premises.get("time", ())
    if not named and not time:
        return True
    values: Mapping[str, Any] = iam.global_conditions(context)
    return all(_written(values.get(name)) == value for name, value in named.items()) and all(
        compile_condition(written, key, tuple(listed), variables=False).holds(values) == holds
        for written, key, listed, holds in time
    )


def _of_key(name: str) -> bool:
    found = condition_keys.find(name)
    return found is not None and found.source == "key"


def _written(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _by_variable(statement: Statement) -> bool:
    """Whether the time stands for a policy variable."""
    written = (value.lower() for each in statement.conditions if each.variables for value in each.values)
    parts = (part for template in statement.dynamic for part in template.parts)
    return any("${" in value and name in value for value in written for name in _TIME) or any(
        isinstance(part, Variable) and part.name in _TIME for part in parts
    )
