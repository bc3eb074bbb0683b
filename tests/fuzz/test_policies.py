"""Policies drawn at random: patterns mean what the User Guide says, whatever is stored can be decided by, and soon.

How many are drawn is the profile's affair: few in every test run, many in `make fuzz`.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.iam import grammar
from engine.iam.conditions import OPERATORS
from engine.iam.decide import Decision, Policies, Request, decide
from engine.iam.decision_trace import trace
from engine.iam.lint import lint
from engine.iam.patterns import Piece, glob_of
from engine.iam.policy import Kind, MalformedPolicy, compile_policy, stored_policy
from engine.wire.errors import AWSError
from tests.engine.iam.tables import ACCOUNT, ALICE, KEY


def means(pieces: list[Piece], text: str) -> bool:
    """What a pattern means, by the textbook: one row of a table for each of its characters."""
    row = [True] + [False] * len(text)
    for piece, wild in pieces:
        for character in piece:
            if wild and character == "*":
                for at in range(1, len(row)):
                    row[at] = row[at] or row[at - 1]
            else:
                anyone = wild and character == "?"
                row = [False] + [row[at] and (anyone or text[at] == character) for at in range(len(text))]
    return row[-1]


pieces = st.lists(st.tuples(st.text("ab*?", max_size=12), st.booleans()), max_size=4)


@given(pieces, st.text("ab*?", max_size=40))
def test_a_pattern_matches_what_it_means(pattern: list[Piece], text: str) -> None:
    assert glob_of(pattern).match(text) is means(pattern, text)


@given(pieces, st.text("ab", min_size=60, max_size=200))
def test_a_pattern_matches_a_long_text_as_a_short_one(pattern: list[Piece], text: str) -> None:
    assert glob_of(pattern).match(text) is means(pattern, text)


# Texts of which policies that take long would be made.
WORDS = ("*", "?", "a", "b", ":", "/", "arn:aws:kms:", "${", "}", "${aws:username}", "${k:a}", "${x, 'a'}", "${*}", "é")
patterns = st.lists(st.sampled_from(WORDS), max_size=30).map("".join) | st.text(max_size=20)
repeated = st.tuples(patterns, st.integers(1, 400), patterns).map(lambda parts: parts[0] * parts[1] + parts[2])
scalars = repeated | st.integers() | st.floats() | st.booleans() | st.none()
values = scalars | st.lists(scalars, max_size=6)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(patterns, inner, max_size=3)
)

operators = st.builds(
    lambda before, name, after: before + name + after,
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    st.sampled_from([row.name for row in OPERATORS.values()] + ["Null", "Nothing"]),
    st.sampled_from(["", "IfExists"]),
)
keys = st.sampled_from(["k:a", "k:many", "aws:username", "aws:sourceip", "aws:currenttime", "k:none"])
blocks = st.dictionaries(operators, st.dictionaries(keys, values, max_size=3), max_size=3)
actions = st.sampled_from(["*", "kms:*", "kms:Decrypt"]) | patterns.map("kms:{}".format) | values
resources = repeated.map("arn:aws:kms:us-east-1:1:{}".format) | values


@st.composite
def statements(draw: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    made[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(actions)
    made[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(resources)
    if draw(st.booleans()):
        made["Condition"] = draw(blocks)
    if draw(st.booleans()):
        made["Principal"] = draw(st.sampled_from(["*", {"AWS": "*"}, {"AWS": ACCOUNT}]) | anything)
    return made


documents = st.fixed_dictionaries(
    {"Statement": st.lists(statements(), max_size=4)}, optional={"Version": st.just("2012-10-17"), "Id": anything}
).map(json.dumps) | anything.map(json.dumps)
CONTEXT: dict[str, str | tuple[str, ...]] = {
    "k:a": "a" * 8_000,
    "k:many": ("a" * 60, "b", "ab" * 30),
    "aws:username": "alice" * 12,
    "aws:sourceip": "203.0.113.7",
    "aws:currenttime": "2026-01-01T00:00:00Z",
}


def decided(text: str, kind: Kind) -> Decision:
    policy = stored_policy(text, name="drawn", kind=kind)
    policies = Policies(identity=(policy,)) if kind == "identity" else Policies(resource=policy)
    return decide(Request(ALICE, "kms:Decrypt", KEY, ACCOUNT, CONTEXT), policies)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(documents, st.sampled_from(["identity", "resource"]))
def test_whatever_is_stored_can_be_decided_by_and_soon(text: str, kind: Kind) -> None:
    begun = time.process_time()
    decision = decided(text, kind)
    trace(decision)
    assert (
        time.process_time() - begun < 1
    )  # a hundred times what the slowest takes; one that never ends is what is looked for


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(documents)
def test_what_is_refused_is_refused_by_an_error_of_aws(text: str) -> None:
    for check in (grammar.check_identity, grammar.check_session, grammar.check_managed):
        with suppress(AWSError):
            check(text)
            compile_policy(text, name="drawn", kind="identity")
    with suppress(MalformedPolicy):
        compile_policy(text, name="drawn", kind="resource")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(documents, st.sampled_from(["identity", "resource", "trust"]))
def test_the_checker_has_a_place_for_all_that_it_says(text: str, kind: Kind) -> None:
    lines = text.splitlines() or [""]
    for finding in lint(text, kind):
        assert 1 <= finding.line <= len(lines) + 1
        assert finding.column >= 1
        assert finding.message
