"""Every regular expression in the source takes time linear in its text, since callers' texts meet most of them.

They are found in the source, each with the inputs that are worst for it: for every repetition in it, a text that leads there, what is
repeated many times over, and a character with which the whole cannot match. One that is added is looked at without being listed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from engine.wire import services
from tests.support.timing import seconds

MODELS = "the models of the served services"
ROOMS = ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")
SOURCE = Path(__file__).parents[2]


CALLS = frozenset({"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
FIELDS = frozenset({"RegexField", "RegexValidator"})
# Where a regular expression is made of something else than a constant, and what is looked at instead.
MADE = {
    ("engine/wire/services.py", "python"): "the models' patterns, see model_patterns",
    ("engine/wire/sigv4.py", "_USUAL"): "an f-string of constants",
}


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """Every call that makes or uses a regular expression, and the expression."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        what = node.func
        if isinstance(what, ast.Attribute) and ast.unparse(what.value) == "re" and what.attr in CALLS:
            yield node, node.args[0]
        name = what.attr if isinstance(what, ast.Attribute) else what.id if isinstance(what, ast.Name) else ""
        if name in FIELDS:
            given = [each.value for each in node.keywords if each.arg == "regex"]
            yield node, (given or node.args or [None])[0]


def constant(expression: ast.expr | None) -> str | None:
    """The text of a constant expression: a string, strings put together, or an f-string of names of the same module's kind."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str | bytes):
        given = expression.value
        return given if isinstance(given, str) else given.decode("latin-1")
    if isinstance(expression, ast.BinOp):
        left, right = constant(expression.left), constant(expression.right)
        return None if left is None or right is None else left + right
    if isinstance(expression, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.Constant) else "AWS4-HMAC-SHA256" for each in expression.values]
        return "".join(str(part) for part in parts)
    return None


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text())


def uses(trees: list[ast.Module]) -> dict[str, set[str]]:
    """The methods that are called on anything of a name."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in CALLS:
                on = node.value
                name = on.attr if isinstance(on, ast.Attribute) else on.id if isinstance(on, ast.Name) else ""
                found.setdefault(name, set()).add(node.attr)
    return found


def names(tree: ast.Module) -> dict[int, str]:
    """The name that a value is given, by the value's line."""
    return {
        node.value.lineno: node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def written_in_source() -> Iterator[tuple[str, str, frozenset[str]]]:
    """(place, expression, methods that it is used with)."""
    read = list(modules())
    used = uses([tree for _path, tree in read])
    for path, tree in read:
        named = names(tree)
        for node, expression in calls(tree):
            place = f"{path.relative_to(SOURCE)}:{node.lineno}"
            found = constant(expression)
            if found is None:
                known = (str(path.relative_to(SOURCE)), ast.unparse(expression) if expression else "")
                assert known in MADE, f"{place}: a regular expression that is no constant cannot be looked at"
                continue
            how = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            methods = frozenset({how} & (CALLS - {"compile"}))
            if how == "compile":
                methods = frozenset(used.get(named.get(node.lineno, ""), ()))
            yield place, found, methods or frozenset({"search"})  # Django's fields search


def model_patterns() -> Iterator[tuple[str, str, frozenset[str]]]:
    """The patterns of the models of the served services, which callers' parameters are checked with."""
    for name, service in services.SERVICES.items():
        for shape, description in services._description(name)["shapes"].items():
            java = service.patterns.get(shape) or description.get("pattern")
            if java:
                yield f"{name} {shape}", java, frozenset({"fullmatch"})


def compiled(expression: str) -> re.Pattern[str]:
    return services.pattern(expression) if r"\p{" in expression or r"\u" in expression else re.compile(expression)


REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
GENERAL = ("a", "/", "*", "?", " ", "${", "{", ":", "-", ".", "0")
NOTHING_LIKE_IT = ("\x00", "\n", "!", "")


def example(items: Any) -> str:
    """The shortest text that the parts of a parsed expression match, or nearly (look-arounds are left out)."""
    made = ""
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            made += chr(argument)
        elif name == "NOT_LITERAL":
            made += "a" if argument != ord("a") else "b"
        elif name == "ANY":
            made += "a"
        elif name == "IN":
            made += member(argument)
        elif name in REPEATS:
            made += example(argument[2]) * max(argument[0], 0)
        elif name == "SUBPATTERN":
            made += example(argument[3])
        elif name == "BRANCH":
            made += example(argument[1][0])
    return made


def member(characters: Any) -> str:
    """A character of a class."""
    wanted = re.compile(_class(characters))
    return next(each for each in "a1/-.:A _*\x00é" + "".join(map(chr, range(256))) if wanted.match(each))


def _class(characters: Any) -> str:
    made = ""
    for operator, argument in characters:
        name = str(operator)
        if name == "NEGATE":
            made += "^"
        elif name == "LITERAL":
            made += re.escape(chr(argument))
        elif name == "RANGE":
            made += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
        elif name == "CATEGORY":
            made += {
                "DIGIT": r"\d",
                "WORD": r"\w",
                "SPACE": r"\s",
                "NOT_DIGIT": r"\D",
                "NOT_WORD": r"\W",
                "NOT_SPACE": r"\S",
            }[str(argument).removeprefix("CATEGORY_")]
    return f"[{made}]"


def pumps(items: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """(what leads there, what is repeated) of every repetition, outer ones before inner ones."""
    for number, (operator, argument) in enumerate(items):
        lead = before + example(items[:number])
        name = str(operator)
        if name in REPEATS:
            _least, most, inner = argument
            if int(most) > 1:
                once = example(inner)
                yield lead, once
                for _lead, inside in pumps(inner):
                    yield lead, inside
                    yield lead, once + inside
            yield from pumps(inner, lead)
        elif name == "SUBPATTERN":
            yield from pumps(argument[3], lead)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from pumps(branch, lead)


def worst_inputs(pattern: re.Pattern[str], *, anywhere: bool = True) -> Iterator[Callable[[int], str]]:
    """`anywhere`: what is written in policies too, for a search that begins at every place of a text."""
    parsed = list(_parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    seen = set(pumps(parsed))
    # Repetitions one behind the other that take the same characters: what leads there is repeated too.
    seen |= {("", lead + once) for lead, once in seen if lead}
    seen |= {("", each) for each in GENERAL} if anywhere else set()
    for lead, once in sorted(seen):
        for end in NOTHING_LIKE_IT:
            yield lambda size, lead=lead, once=once, end=end: lead + once * (size // max(len(once), 1)) + end  # type: ignore[misc]


ENOUGH = 0.004  # seconds from which a measurement says something
SMALL = 1_000  # characters that nothing linear takes so long for
SIZES = (16, 20, 24, 28, 32, 40, 60, 120, 500, 2_000, 8_000)


def grows_too_fast(run: Callable[[str], object], make: Callable[[int], str]) -> str:
    """Why it does, or nothing. Texts grow from a size at which 2ⁿ steps are still done in a second, until one takes a while."""
    for size in SIZES:
        text = make(size)
        if seconds(partial(run, text), 1) < ENOUGH:
            continue
        took = seconds(partial(run, text))
        if size <= SMALL and took > ENOUGH:
            return f"a text of {size} characters takes {took:.3f} s: {text[:40]!r}…"
        if size > SMALL:
            double = make(2 * size)
            ratio = seconds(partial(run, double), 5) / seconds(partial(run, text), 5)
            return f"twice the text takes {ratio:.1f} times as long: {text[:40]!r}…" if ratio > 3 else ""
    return ""


def runs(pattern: re.Pattern[str], methods: frozenset[str]) -> Iterator[Callable[[str], object]]:
    """`match` and `fullmatch` look at one place of a text, everything else at all of them."""
    for method in sorted(methods & {"match", "fullmatch"}):
        yield getattr(pattern, method)
    if methods - {"match", "fullmatch"}:
        yield lambda text: sum(1 for _ in pattern.finditer(text))


@cache  # reading the whole source takes seconds: by the tests, not while they are collected
def regular_expressions() -> dict[str, dict[tuple[str, frozenset[str]], str]]:
    """By where it was found first, a room or the models: (expression, methods) and its place."""
    places: dict[tuple[str, frozenset[str]], str] = {}
    for place, expression, methods in [*model_patterns(), *written_in_source()]:
        places.setdefault((expression, methods), place)
    found: dict[str, dict[tuple[str, frozenset[str]], str]] = {}
    for key, place in places.items():
        found.setdefault(place.partition("/")[0] if "/" in place else MODELS, {})[key] = place
    return found


def test_every_room_is_looked_at() -> None:
    assert set(regular_expressions()) <= {MODELS, *ROOMS}
    assert {MODELS, "engine"} <= set(regular_expressions())


@pytest.mark.parametrize("where", [MODELS, *ROOMS])
def test_a_regular_expression_takes_time_as_its_text_is_long(where: str) -> None:
    problems = {}
    for (expression, methods), place in regular_expressions().get(where, {}).items():
        pattern = compiled(expression)
        for run in runs(pattern, methods):
            for make in worst_inputs(pattern, anywhere=bool(methods - {"match", "fullmatch"})):
                if found := grows_too_fast(run, make):
                    problems[f"{place}: {pattern.pattern}"] = found
    assert not problems


@pytest.mark.parametrize(
    "expression", [r"(a+)+", r"(a|a)*b", r"a*a*b", r".*[*?$].*", r"x(.+/.+|y)", r"(\w+\s?)*:", r"\s+$"]
)
def test_one_that_does_not_is_found(expression: str) -> None:
    pattern = re.compile(expression)
    assert any(
        grows_too_fast(run, make) for make in worst_inputs(pattern) for run in (pattern.fullmatch, pattern.search)
    )
