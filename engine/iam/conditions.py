"""Condition operators: one row each. Source: IAM User Guide, "Condition operators" and "Multivalued context keys".

What a policy writes is compiled once; a request's value is then compared in time linear in both (engine.iam.patterns). Nothing here
raises for any text: what is no number, date, address or ARN matches nothing.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import variables as policy_variables
from engine.iam.dates import parse_date
from engine.iam.many_texts import Pattern, matched
from engine.iam.patterns import Glob, Piece, Wildcards, glob_of, wildcards
from engine.iam.variables import Template, Values, are_text
from engine.remembered import Remembered

Test = Callable[[str], bool]  # whether a value of the request matches one of the policy's


class Patterns:
    """A test by patterns, which many values can be put to at once: one by one would cost patterns × values."""

    __slots__ = ("one", "parts", "patterns")

    def __init__(
        self, one: Test, patterns: Callable[[], Sequence[Pattern]], parts: Callable[[str], Sequence[str]]
    ) -> None:
        self.one, self.patterns, self.parts = one, patterns, parts

    def __call__(self, given: str) -> bool:
        return self.one(given)

    def each(self, given: Sequence[str]) -> Iterable[bool]:
        return matched(self.patterns(), map(self.parts, given)) if len(given) > _FEW else map(self.one, given)


_FEW = 8  # values; so many are compared sooner one by one


def _whole(text: str) -> Sequence[str]:
    return (text,)


def _whole_lower(text: str) -> Sequence[str]:
    return (text.lower(),)


def _arn_parts(text: str) -> Sequence[str]:
    return text.split(":", 5)


def _texts(plain: Iterable[str], found: Iterable[list[Piece]]) -> list[Pattern]:
    """Texts as patterns without wildcards."""
    return [
        (glob_of([(text, False) for text, _wild in pieces]),)
        for pieces in [*found, *([(each, False)] for each in plain)]
    ]


Matcher = Callable[[Values], Test]  # the test for a request, whose values stand for the variables


def _split(values: Iterable[str], variables: bool) -> tuple[list[str], list[Template]]:
    """(those without variables, those with)."""
    plain, dynamic = [], []
    for value in values:
        template = policy_variables.template(value) if variables and "${" in value else None
        if template is None or template.is_plain:
            plain.append(value)
        else:
            dynamic.append(template)
    return plain, dynamic


def _always(test: Test) -> Matcher:
    return lambda context: test


def _equals(values: Sequence[str], variables: bool) -> Matcher:
    plain, dynamic = _split(values, variables)
    known = frozenset(plain)
    if not dynamic:
        return _always(known.__contains__)

    def match(context: Values) -> Test:
        found = [pieces for each in dynamic if (pieces := each.pieces(context)) is not None]
        one = lambda given: given in known or any(are_text(pieces, given) for pieces in found)  # noqa: E731
        return Patterns(one, lambda: _texts(known, found), _whole)

    return match


def _equals_ignore_case(values: Sequence[str], variables: bool) -> Matcher:
    plain, dynamic = _split(values, variables)
    known = frozenset(value.lower() for value in plain)

    def match(context: Values) -> Test:
        found = [_lowered(pieces) for each in dynamic if (pieces := each.pieces(context)) is not None]

        def test(given: str) -> bool:
            lower = given.lower()
            return lower in known or any(are_text(pieces, lower) for pieces in found)

        return Patterns(test, lambda: _texts(known, found), _whole_lower) if found else test

    return match


def _lowered(pieces: list[Piece]) -> list[Piece]:
    known = {text: text.lower() for text, _wild in pieces}  # one of each, however often a variable comes
    return [(known[text], wild) for text, wild in pieces]


def _like(values: Sequence[str], variables: bool) -> Matcher:
    plain, dynamic = _split(values, variables)
    known = wildcards(plain)
    if not dynamic:
        return _always(Patterns(known.match, lambda: [(each,) for each in known.globs()], _whole))

    def match(context: Values) -> Test:
        found = [pattern for each in dynamic if (pattern := each.glob(context)) is not None]
        one = lambda given: known.match(given) or any(pattern.match(given) for pattern in found)  # noqa: E731
        return Patterns(one, lambda: [(each,) for each in (*known.globs(), *found)], _whole)

    return match


Arn = tuple[Wildcards | Glob, ...]


def _arn_like(values: Sequence[str], variables: bool) -> Matcher:
    """Each of the six parts of an ARN is matched by itself, so a wildcard does not reach over a colon of the first five."""
    plain: list[Arn] = []
    dynamic: list[tuple[Template, ...]] = []
    known: dict[str, Wildcards] = {}  # ARNs share most of their parts
    for value in dict.fromkeys(values):
        parts = policy_variables.arn_templates(value) if variables and "${" in value else None
        if parts is not None and not all(part.is_plain for part in parts):
            dynamic.append(parts)
        elif len(written := value.split(":", 5)) == 6:
            plain.append(tuple([known.get(part) or known.setdefault(part, wildcards((part,))) for part in written]))

    if not dynamic:
        return _always(_arns(plain))

    def match(context: Values) -> Test:
        found = [*plain]
        for parts in dynamic:
            expanded = tuple([pattern for part in parts if (pattern := part.glob(context)) is not None])
            if len(expanded) == len(parts):
                found.append(expanded)
        return _arns(found)

    return match


def _arns(patterns: Sequence[Arn]) -> Test:
    def globs() -> list[Pattern]:
        made: dict[int, Glob] = {}  # patterns share most of their parts
        for each in chain.from_iterable(patterns):
            if id(each) not in made:
                made[id(each)] = each if isinstance(each, Glob) else next(each.globs())
        return [[made[id(each)] for each in arn] for arn in patterns]

    return Patterns(lambda given: _any_arn(patterns, given), globs, _arn_parts)


def _any_arn(patterns: Iterable[Arn], given: str) -> bool:
    parts = given.split(":", 5)
    return len(parts) == 6 and any(_arn_matches(pattern, parts) for pattern in patterns)


def _arn_matches(pattern: Arn, parts: list[str]) -> bool:
    for each, part in zip(pattern, parts, strict=True):  # noqa: SIM110 - a generator would cost more than what it does
        if not each.match(part):
            return False
    return True


Order = Callable[[Any, Any], bool]


def _compared(
    parse: Callable[[str], Any], order: Order, farthest: Callable[[Iterable[Any]], Any] | None = None
) -> Callable[[Sequence[str], bool], Matcher]:
    """Values that are read first. Variables are plain text in them, as AWS has it, so such a value is none and matches nothing.

    `farthest`: which of several values decides where the order is one of size; else it is `operator.eq`.
    """

    def compiled(values: Sequence[str], variables: bool) -> Matcher:
        wanted = frozenset(value for value in map(parse, values) if value is not None)
        if farthest is None:
            return _always(lambda given: parse(given) in wanted)
        if not wanted:
            return _always(lambda given: False)
        limit = farthest(wanted)

        def test(given: str) -> bool:
            value = parse(given)
            return value is not None and order(value, limit)

        return _always(test)

    return compiled


_LONGEST_NUMBER = 128
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)


def _number(text: str) -> Decimal | None:
    if len(text) > _LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text)


def _lower(text: str) -> str:
    return text.lower()


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_ADDRESS = 100


def _ip(values: Sequence[str], variables: bool) -> Matcher:
    networks: dict[tuple[int, int], set[int]] = {}  # (version, bits that are not looked at): what the others are
    for network in [network for network in map(_network, values) if network is not None]:
        free = network.max_prefixlen - network.prefixlen
        networks.setdefault((network.version, free), set()).add(int(network.network_address) >> free)

    def test(given: str) -> bool:
        address = _address(given)
        if address is None:
            return False
        version, number = address.version, int(address)
        return any(version == each and number >> free in known for (each, free), known in networks.items())

    return _always(test)


def _network(text: str) -> Network | None:
    if len(text) > _LONGEST_ADDRESS:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address | None


def _address(text: str) -> _Address:
    return _addresses[text] if len(text) <= _LONGEST_ADDRESS else None


def _read_address(text: str) -> _Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_addresses = Remembered(_read_address, entries=4096, longest=64)


@dataclass(frozen=True, slots=True)
class Operator:
    """A row: how the policy's values are compiled; `negated` operators hold when none matches; `variables`: whether it takes them."""

    name: str
    compile: Callable[[Sequence[str], bool], Matcher]
    negated: bool = False
    variables: bool = False


def _ordered(family: str, parse: Callable[[str], Any]) -> Iterator[Operator]:
    yield Operator(f"{family}Equals", _compared(parse, operator.eq))
    yield Operator(f"{family}NotEquals", _compared(parse, operator.eq), negated=True)
    yield Operator(f"{family}LessThan", _compared(parse, operator.lt, max))
    yield Operator(f"{family}LessThanEquals", _compared(parse, operator.le, max))
    yield Operator(f"{family}GreaterThan", _compared(parse, operator.gt, min))
    yield Operator(f"{family}GreaterThanEquals", _compared(parse, operator.ge, min))


# Variables are for string and ARN operators only (IAM User Guide, "Variables and tags", "Condition element").
OPERATORS: dict[str, Operator] = {
    row.name.lower(): row
    for row in (
        Operator("StringEquals", _equals, variables=True),
        Operator("StringNotEquals", _equals, negated=True, variables=True),
        Operator("StringEqualsIgnoreCase", _equals_ignore_case, variables=True),
        Operator("StringNotEqualsIgnoreCase", _equals_ignore_case, negated=True, variables=True),
        Operator("StringLike", _like, variables=True),
        Operator("StringNotLike", _like, negated=True, variables=True),
        *_ordered("Numeric", _number),
        *_ordered("Date", parse_date),
        Operator("Bool", _compared(_lower, operator.eq)),
        Operator("BinaryEquals", _compared(_binary, operator.eq)),
        Operator("IpAddress", _ip),
        Operator("NotIpAddress", _ip, negated=True),
        Operator("ArnEquals", _arn_like, variables=True),
        Operator("ArnLike", _arn_like, variables=True),
        Operator("ArnNotEquals", _arn_like, negated=True, variables=True),
        Operator("ArnNotLike", _arn_like, negated=True, variables=True),
    )
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key: `Operator: {key: values}` of a Condition block, compiled. `match` is None for the Null operator."""

    written: str
    key: str
    values: tuple[str, ...]
    match: Matcher | None
    negated: bool
    if_exists: bool
    set_operator: str  # "", "ForAllValues" or "ForAnyValue"
    variables: bool
    equals: frozenset[str] | None = None  # the values, where one look-up decides: StringEquals and its negation

    def holds(self, context: Values) -> bool:
        given = context.get(self.key)
        if self.match is None:
            return ("true" if given is None or given == () else "false") in self.values
        if given is None or given == ():
            if self.set_operator:
                # ForAnyValue needs a value, with IfExists too: the set operator is looked at first.
                return self.set_operator == "ForAllValues"
            return self.if_exists or self.negated
        if self.equals is not None and isinstance(given, str) and not self.set_operator:
            return (given in self.equals) != self.negated
        test, negated = self.match(context), self.negated
        if isinstance(given, str):
            return test(given) != negated
        # Without a set operator a key of several values holds as ForAnyValue does; a negated one as ForAllValues. AWS says only that
        # such a key needs a set operator (Access Analyzer, "Missing qualifier"), not what happens without.
        each = test.each(given) if isinstance(test, Patterns) else map(test, given)
        results = (found != negated for found in each)
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
    if colon and set_operator not in SET_OPERATORS:
        return False
    return name.lower() == "null" or name.lower().removesuffix("ifexists") in OPERATORS


SET_OPERATORS = ("ForAllValues", "ForAnyValue")


def compile_condition(written: str, key: str, values: tuple[str, ...], *, variables: bool) -> Condition:
    """Raises KeyError for an operator that does not exist, ValueError for a use that it does not allow."""
    if not exists(written):
        raise KeyError(written)
    set_operator, _colon, name = written.rpartition(":")
    if name.lower() == "null":
        if not values or any(value.lower() not in ("true", "false") for value in values):
            raise ValueError(written)
        lower = tuple(value.lower() for value in values)
        return Condition(written, key.lower(), lower, None, False, False, set_operator, False)
    row = OPERATORS[name.lower().removesuffix("ifexists")]
    dynamic = variables and row.variables and any("${" in value for value in values)
    return Condition(
        written=written,
        key=key.lower(),
        values=values,
        match=row.compile(values, dynamic),
        negated=row.negated,
        if_exists=name.lower().endswith("ifexists"),
        set_operator=set_operator,
        variables=dynamic,
        equals=frozenset(values) if row.compile is _equals and not dynamic else None,
    )


def compile_block(block: Mapping[str, Mapping[str, object]], *, variables: bool) -> tuple[Condition, ...]:
    """The conditions of a Condition block, whose shape the caller has checked."""
    compiled = []
    for written, keys in block.items():
        for key, values in keys.items():
            listed = values if isinstance(values, list) else [values]
            texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in listed)
            compiled.append(compile_condition(written, key, texts, variables=variables))
    return tuple(compiled)
