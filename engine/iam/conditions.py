"""Condition operators: one row each. Source: IAM User Guide, "Condition operators" and "Multivalued context keys"."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from engine.iam import patterns
from engine.iam.patterns import Values
from engine.remembered import Remembered

Test = Callable[[str, str], bool]  # (value of the request, value of the policy)


def _number(test: Callable[[Decimal, Decimal], bool]) -> Test:
    def compare(given: str, wanted: str) -> bool:
        try:
            return test(Decimal(given), Decimal(wanted))
        except InvalidOperation:
            return False

    return compare


def _date(test: Callable[[datetime, datetime], bool]) -> Test:
    def compare(given: str, wanted: str) -> bool:
        a, b = parse_date(given), parse_date(wanted)
        return a is not None and b is not None and test(a, b)

    return compare


def parse_date(text: str) -> datetime | None:
    """An ISO 8601 date or date and time, or seconds since the epoch; None for anything else."""
    return _dates[text]


def _read_date(text: str) -> datetime | None:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (OverflowError, OSError, ValueError):
            return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_dates = Remembered(_read_date, entries=4096, longest=64)


def _like(given: str, wanted: str) -> bool:
    return patterns.matches_expanded(wanted, given)


def _arn_like(given: str, wanted: str) -> bool:
    """Each of the six parts of an ARN is matched by itself, so a wildcard does not reach over a colon of the first five."""
    a, b = given.split(":", 5), wanted.split(":", 5)
    return len(a) == len(b) == 6 and all(patterns.matches_expanded(y, x) for x, y in zip(a, b, strict=True))


def _ip(given: str, wanted: str) -> bool:
    network, address = _networks[wanted], _addresses[given]
    return network is not None and address is not None and address in network


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


_networks = Remembered(_network, entries=4096, longest=64)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_addresses = Remembered(_address, entries=4096, longest=64)


def _binary(given: str, wanted: str) -> bool:
    try:
        return base64.b64decode(given, validate=True) == base64.b64decode(wanted, validate=True)
    except binascii.Error:
        return False


@dataclass(frozen=True, slots=True)
class Operator:
    """A row: how one value of the request is compared with one of the policy; `negated` operators hold when none matches."""

    name: str
    test: Test
    negated: bool = False


OPERATORS: dict[str, Operator] = {
    row.name.lower(): row
    for row in (
        Operator("StringEquals", lambda a, b: a == patterns.literal(b)),
        Operator("StringNotEquals", lambda a, b: a == patterns.literal(b), negated=True),
        Operator("StringEqualsIgnoreCase", lambda a, b: a.lower() == patterns.literal(b).lower()),
        Operator("StringNotEqualsIgnoreCase", lambda a, b: a.lower() == patterns.literal(b).lower(), negated=True),
        Operator("StringLike", _like),
        Operator("StringNotLike", _like, negated=True),
        Operator("NumericEquals", _number(lambda a, b: a == b)),
        Operator("NumericNotEquals", _number(lambda a, b: a == b), negated=True),
        Operator("NumericLessThan", _number(lambda a, b: a < b)),
        Operator("NumericLessThanEquals", _number(lambda a, b: a <= b)),
        Operator("NumericGreaterThan", _number(lambda a, b: a > b)),
        Operator("NumericGreaterThanEquals", _number(lambda a, b: a >= b)),
        Operator("DateEquals", _date(lambda a, b: a == b)),
        Operator("DateNotEquals", _date(lambda a, b: a == b), negated=True),
        Operator("DateLessThan", _date(lambda a, b: a < b)),
        Operator("DateLessThanEquals", _date(lambda a, b: a <= b)),
        Operator("DateGreaterThan", _date(lambda a, b: a > b)),
        Operator("DateGreaterThanEquals", _date(lambda a, b: a >= b)),
        Operator("Bool", lambda a, b: a.lower() == b.lower()),
        Operator("BinaryEquals", _binary),
        Operator("IpAddress", _ip),
        Operator("NotIpAddress", _ip, negated=True),
        Operator("ArnEquals", _arn_like),
        Operator("ArnLike", _arn_like),
        Operator("ArnNotEquals", _arn_like, negated=True),
        Operator("ArnNotLike", _arn_like, negated=True),
    )
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key: `Operator: {key: values}` of a Condition block, compiled."""

    written: str
    operator: Operator | None  # None: the Null operator
    key: str
    values: tuple[str, ...]
    if_exists: bool
    set_operator: str  # "", "ForAllValues" or "ForAnyValue"
    variables: bool
    equals: frozenset[str] | None = None  # the values, where one look-up decides: StringEquals and its negation

    def holds(self, context: Values) -> bool:
        given = context.get(self.key)
        if self.operator is None:
            return ("true" if given is None or given == () else "false") in self.values
        if given is None or given == ():
            if self.set_operator == "ForAllValues":
                return True
            if self.set_operator == "ForAnyValue":
                return self.if_exists
            return self.if_exists or self.operator.negated
        if self.equals is not None and isinstance(given, str) and not self.set_operator:
            return (given in self.equals) != self.operator.negated
        wanted = self.values
        if self.variables:
            expanded = (patterns.expand(value, context) for value in wanted)
            wanted = tuple(value for value in expanded if value is not None)
        test, negated = self.operator.test, self.operator.negated
        each = (given,) if isinstance(given, str) else given
        results = (any(test(value, other) for other in wanted) != negated for value in each)
        # Without a set operator a key of several values holds as ForAnyValue does; a negated one as ForAllValues.
        if self.set_operator == "ForAllValues" or (not self.set_operator and negated):
            return all(results)
        return any(results)

    def describe(self, context: Values) -> str:
        """Why it does not hold, in words."""
        given = context.get(self.key)
        said = {"operator": self.written, "key": self.key, "values": list(self.values)}
        if given is None:
            return _("condition %(operator)s on %(key)s wants %(values)r, and it is not in the request") % said
        said["given"] = given if isinstance(given, str) else list(given)
        return _("condition %(operator)s on %(key)s wants %(values)r, and it is %(given)r") % said


def exists(written: str) -> bool:
    """Whether there is an operator of this name, set operator and IfExists included."""
    set_operator, colon, name = written.rpartition(":")
    if colon and set_operator not in ("ForAllValues", "ForAnyValue"):
        return False
    return name.lower() == "null" or name.lower().removesuffix("ifexists") in OPERATORS


def compile_condition(written: str, key: str, values: tuple[str, ...], *, variables: bool) -> Condition:
    """Raises KeyError for an operator that does not exist, ValueError for a use that it does not allow."""
    if not exists(written):
        raise KeyError(written)
    set_operator, _colon, name = written.rpartition(":")
    if name.lower() == "null":
        if not values or any(value.lower() not in ("true", "false") for value in values):
            raise ValueError(written)
        return Condition(
            written, None, key.lower(), tuple(value.lower() for value in values), False, set_operator, False
        )
    if_exists = name.lower().endswith("ifexists")
    operator = OPERATORS[name.lower().removesuffix("ifexists")]
    dynamic = variables and any(patterns.has_variable(value) for value in values)
    plain = not dynamic and operator.name in ("StringEquals", "StringNotEquals")
    equals = frozenset(values) if plain else None
    return Condition(written, operator, key.lower(), values, if_exists, set_operator, dynamic, equals)


def compile_block(block: Mapping[str, Mapping[str, object]], *, variables: bool) -> tuple[Condition, ...]:
    """The conditions of a Condition block, whose shape the caller has checked."""
    compiled = []
    for written, keys in block.items():
        for key, values in keys.items():
            listed = values if isinstance(values, list) else [values]
            texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in listed)
            compiled.append(compile_condition(written, key, texts, variables=variables))
    return tuple(compiled)
