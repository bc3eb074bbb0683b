"""Many patterns on many texts at once say what each says of each (engine.iam.many_texts)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.iam.conditions import compile_condition
from engine.iam.many_texts import matched
from engine.iam.patterns import glob, wildcards

TEXTS = st.text(alphabet="ab:é", max_size=20)
PATTERNS = st.text(alphabet="ab:é*?", max_size=24)


@settings(deadline=None)
@given(st.lists(PATTERNS, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
def test_texts_match_together_as_they_match_alone(patterns: list[str], texts: list[str]) -> None:
    together = matched([(glob(each),) for each in patterns], [(each,) for each in texts])
    assert together == [any(glob(each).match(text) for each in patterns) for text in texts]


@settings(deadline=None)
@given(st.lists(PATTERNS, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
def test_so_do_those_that_are_kept_as_texts_and_beginnings(patterns: list[str], texts: list[str]) -> None:
    known = wildcards(patterns)
    together = matched([(each,) for each in known.globs()], [(each,) for each in texts])
    assert together == [known.match(text) for text in texts]


ARNS = st.lists(st.text(alphabet="ab", max_size=2), min_size=5, max_size=7).map(":".join)
ARN_PATTERNS = st.lists(st.text(alphabet="ab*?", max_size=3), min_size=6, max_size=7).map(":".join)


@settings(deadline=None)
@given(
    st.lists(ARN_PATTERNS, min_size=5, max_size=30),
    st.lists(ARNS, min_size=9, max_size=9),
    st.sampled_from(["ArnLike", "ArnNotLike"]),
)
def test_so_do_arns(patterns: list[str], arns: list[str], operator: str) -> None:
    alone = [compile_condition(operator, "k", tuple(patterns), variables=False).holds({"k": arn}) for arn in arns]
    for set_operator, combined in (("ForAnyValue", any), ("ForAllValues", all)):
        condition = compile_condition(f"{set_operator}:{operator}", "k", tuple(patterns), variables=False)
        assert condition.holds({"k": tuple(arns)}) == combined(alone)


def test_half_a_character_ends_no_text() -> None:
    assert matched([(glob("b"),)], [("a\ud800b",), ("a\ud801b",), ("b",)]) == [False, False, True]
