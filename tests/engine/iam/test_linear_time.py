"""Nothing that a caller writes costs more than linear time: wildcards, conditions, and what is done with policies besides deciding.

The longest policies that AWS takes, made of what is dear to match, decide in the time of 10,000 decisions by a short one; everything else is
measured by how it grows. Regular expressions: tests/engine/test_regular_expressions.py. Policies at random: tests/fuzz/test_policies.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from engine.iam.conditions import compile_block
from engine.iam.decide import Policies, Request, decide
from engine.iam.lint import lint
from engine.iam.patterns import glob
from engine.iam.policy import Kind, _compile, compile_policy
from keys.policy import policy_document
from tests.engine.iam.tables import ACCOUNT, ALICE, KEY
from tests.support.timing import seconds

# Policies as long as AWS takes them, made of what is dear to match

LONGEST = {"identity": 6_144, "resource": 32_768}
LONG_TEXT = "a" * 8_000
CONTEXT: dict[str, str | tuple[str, ...]] = {
    "k:long": LONG_TEXT,
    "k:many": tuple(f"{'a' * 20}{number}" for number in range(20)),
    "k:arn": "arn:aws:iam::111122223333:role/" + "a" * 100,
    "aws:username": "a" * 64,
    # As many values as a key can have: names of an encryption context.
    "k:thousand": tuple(f"{number:x}" for number in range(1500)),
    "k:numbers": tuple(f"{number}" for number in range(1500)),
    "k:dates": tuple(f"{number}-01-02" for number in range(600)),
    "k:addresses": tuple(f"10.{number // 250}.{number % 250}.1" for number in range(1500)),
    "k:arns": tuple(f"a:b:c:d:e:{number:x}" for number in range(400)),
}


def filled(wanted: int, make: Callable[[int], Any]) -> Any:
    """What `make` makes of the largest number with which it is not longer than wanted."""
    low, high = 1, wanted
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(json.dumps(make(middle))) <= wanted else (low, middle - 1)
    return make(low)


def distinct(form: str) -> Callable[[int], list[str]]:
    """Patterns of three letters each, no two the same; `form` has a place for each."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return lambda number: [
        form.format(letters[each % 36], letters[each // 36 % 36], letters[each // 1296 % 36]) for each in range(number)
    ]


def one(text: str, end: str = "", start: str = "") -> Callable[[int], str]:
    return lambda number: start + text * number + end


def numbered(make: Callable[[int], str]) -> Callable[[int], list[str]]:
    return lambda number: [make(each) for each in range(number)]


ARN = "arn:aws:kms:us-east-1:111122223333:key/"
DEAR: list[tuple[str, str, Callable[[int], Any]]] = [
    ("the issue's action", "Action", one("*?", "*!", "kms:")),
    ("stars and letters in an action", "Action", one("*e", "*!", "kms:")),
    ("many actions", "Action", distinct("kms:*{}?{}*{}*")),
    ("stars and letters in a resource", "Resource", one("*a", "*!", ARN)),
    ("stars and questions in a resource", "Resource", one("*?", "!", "arn:*")),
    ("questions in a resource", "Resource", one("?", "!", "arn:*")),
    ("many resources", "Resource", distinct("arn:*{}?{}*{}")),
    ("many resources of stars", "Resource", distinct("arn:*{}*{}*{}*")),
    ("variables in a resource", "Resource", one("${aws:username}", "*", ARN)),
    ("long variables in a resource", "Resource", one("${k:long}*", "", ARN)),
    ("many resources with variables", "Resource", distinct("arn:*:*:*:*:{}?{}${{k:arn}}{}")),
    ("the issue's StringLike", "StringLike k:long", one("*a", "*b")),
    ("stars and questions", "StringLike k:long", one("*a?", "*b")),
    ("a long segment with questions", "StringLike k:long", one("a?", "b*", "*")),
    ("many patterns", "StringLike k:long", distinct("*a?a{}{}{}*")),
    ("many patterns on many values", "ForAnyValue:StringLike k:many", distinct("*{}?{}{}*")),
    ("many values, all of which must match", "ForAllValues:StringNotLike k:many", distinct("a*{}{}{}?1")),
    ("variables", "StringLike k:long", one("${aws:username}", "b")),
    ("variables between stars", "StringLike k:long", one("*${aws:username}", "*b")),
    ("long variables", "StringEquals k:long", one("${k:long}")),
    ("long variables, whatever their case", "StringEqualsIgnoreCase k:long", one("${k:long}")),
    ("many values with variables", "StringEquals k:long", distinct("${{aws:username}}{}{}{}")),
    ("ARNs", "ArnLike k:arn", distinct("*:?*:*:*:*:*{}?{}{}")),
    ("an ARN of stars", "ArnLike k:arn", one("*a", "*b", "arn:aws:iam::*:")),
    ("numbers", "NumericEquals aws:username", distinct("9{}9{}9{}")),
    ("addresses", "IpAddress aws:username", distinct("10.{}.{}.{}")),
    ("patterns on a thousand values", "ForAnyValue:StringLike k:thousand", distinct("*{}?{}{}g")),
    ("patterns, none of which may match", "ForAllValues:StringNotLike k:thousand", distinct("*g{}*{}*{}*")),
    ("beginnings", "ForAnyValue:StringLike k:thousand", distinct("g{}{}{}*")),
    ("variables on a thousand values", "ForAnyValue:StringEquals k:thousand", distinct("${{aws:username}}{}{}{}")),
    ("whatever their case", "ForAnyValue:StringEqualsIgnoreCase k:thousand", distinct("${{aws:username}}{}{}{}")),
    ("ARNs on hundreds", "ForAnyValue:ArnLike k:arns", distinct("?:b:c:*:*:{}*{}{}g")),
    ("numbers on a thousand", "ForAnyValue:NumericEquals k:numbers", distinct("9{}.5{}{}")),
    ("sizes", "ForAnyValue:NumericLessThan k:numbers", numbered(lambda n: f"-{n + 1}")),
    ("dates on hundreds", "ForAnyValue:DateEquals k:dates", numbered(lambda n: f"{2000 + n}-02-02")),
    ("networks on them", "ForAnyValue:IpAddress k:addresses", numbered(lambda n: f"11.{n // 250}.{n % 250}.0/24")),
    ("truths", "ForAnyValue:Bool k:thousand", distinct("g{}{}{}")),
]


def policy_of(element: str, made: Any, kind: Kind) -> str:
    statement = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    if kind == "resource":
        statement["Principal"] = "*"
    operator, _, key = element.partition(" ")
    more = {"Condition": {operator: {key: made}}} if key else {element: made}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


@pytest.mark.parametrize("kind", ["identity", "resource"])
@pytest.mark.parametrize(("element", "make"), [pytest.param(*each[1:], id=each[0]) for each in DEAR])
def test_the_longest_policy_decides_in_the_time_of_ten_thousand_short_ones(
    element: str, make: Callable[[int], Any], kind: Kind
) -> None:
    made = filled(LONGEST[kind] - 190, make)
    text = policy_of(element, made, kind)
    assert LONGEST[kind] * 0.9 < len(text) <= LONGEST[kind]
    policy = compile_policy(text, name="dear", kind=kind)
    short = compile_policy(policy_of("Sid", "short", kind), name="short", kind=kind)
    request = Request(ALICE, "kms:ReEncryptFrom", KEY, ACCOUNT, CONTEXT)
    longest_only, short_only = (
        Policies(identity=(each,)) if kind == "identity" else Policies(resource=each) for each in (policy, short)
    )

    def run() -> None:
        policy._by_action.clear()
        decide(request, longest_only)

    def two_hundred_short() -> None:
        for _ in range(200):
            decide(request, short_only)

    # Work beside it (other tests, a shared machine) makes single runs slower: one of many undisturbed is what it costs.
    assert any(seconds(run, 1) < 50 * seconds(two_hundred_short, 1) for _ in range(60))


@pytest.mark.parametrize(("element", "make"), [pytest.param(*each[1:], id=each[0]) for each in DEAR])
def test_a_policy_is_read_in_time_as_it_is_long(element: str, make: Callable[[int], Any]) -> None:
    texts = [policy_of(element, filled(size, make), "resource") for size in (15_000, 30_000)]
    half, whole = (seconds(partial(_compile, (text, "dear", "resource", (), "")), 5) for text in texts)
    assert whole < 3 * half + 0.005


@pytest.mark.parametrize("pattern", ["*a", "*a?", "*a?a", "*ab", "a?", "?", "*?"])
@pytest.mark.parametrize("start", ["", "*"])
def test_matching_grows_as_pattern_times_text(pattern: str, start: str) -> None:
    """With both twice as long it may take four times as long, and no more."""

    def took(size: int) -> float:
        compiled, text = glob(start + pattern * (size // 4) + "*b*"), "a" * size
        return seconds(lambda: compiled.match(text), 5)

    assert took(16_000) < 6 * took(8_000) + 0.002


def test_the_inputs_of_the_issue_are_decided_at_once() -> None:
    assert not glob("kms:" + "*?" * 14 + "*!").match("kms:describekey")
    (condition,) = compile_block({"StringLike": {"k:a": "*a" * 8 + "*b"}}, variables=True)
    assert not condition.holds({"k:a": "a" * 60})


# What is done with a policy besides deciding

BODY = '{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}'
TEXTS: dict[str, Callable[[int], str]] = {
    "an unknown action each": lambda n: policy_of("Action", [f"iam:Gte{each}" for each in range(n)], "identity"),
    "a long action": lambda n: policy_of("Action", "kms:" + "Decrpyt" * n, "identity"),
    "an action of any service each": lambda n: policy_of("Action", [f"*:*a?{each}*" for each in range(n)], "identity"),
    "a member each": lambda n: "{" + ",".join(f'"m{each}": 1' for each in range(n)) + ', "m0": 1}',
    "the same statement each": lambda n: '{"Statement": [' + ",".join([BODY] * n) + "]}",
    "a condition each": lambda n: policy_of(
        "Condition", {"StringEquals": {f"kms:EncryptionContext:{each}": "x" for each in range(n)}}, "identity"
    ),
    "a line each": lambda n: '{"Statement": [\n' + ",\n".join(["7"] * n) + "]}",
    "a level each": lambda n: "[" * n + "]" * n,
    "a level of Id each": lambda n: '{"Id": ' + "[" * n + "]" * n + f', "Statement": [{BODY}]}}',
    "a digit each": lambda n: '{"Id": ' + "9" * n + f', "Statement": [{BODY}]}}',
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in TEXTS.items()])
def test_the_checker_takes_time_as_its_text_is_long(make: Callable[[int], str]) -> None:
    half, whole = (seconds(partial(lint, make(size), "resource"), 3) for size in (400, 800))
    assert whole < 3 * half + 0.01


def test_the_checker_says_when_a_text_is_longer_than_any_policy() -> None:
    (finding,) = lint(TEXTS["the same statement each"](2_000), "resource")
    assert finding.code == "long"


def test_the_difference_of_two_policies_takes_time_as_they_are_long() -> None:
    def took(size: int) -> float:
        older = json.dumps([each % 90 for each in range(size)])
        newer = json.dumps([each * 7 % 90 for each in range(size)])
        return seconds(lambda: policy_document.difference(older, newer), 3)

    assert took(8_000) < 3 * took(4_000) + 0.01


def test_a_key_policy_that_is_too_deep_is_shown_as_it_is() -> None:
    deep = "[" * 900 + "]" * 900
    assert policy_document.pretty(deep) == deep
    assert policy_document.read_default_view(deep, {})[0] is None
