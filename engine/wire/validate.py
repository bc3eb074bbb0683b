"""Input validation from the service model: required members, lengths, ranges, enums and patterns, compiled once per shape.

What comes in are members whose types are already right (engine.wire.json11, engine.wire.query). All violations are found and
answered in one sentence, worded as AWS's own services word it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.model import OperationModel, Shape

from engine.wire.errors import AWSError
from engine.wire.services import SERVICES, Service, is_secret, pattern

# Appends to `problems` what is wrong with `value`, which is the member at `path`.
Check = Callable[[Any, str, list[str]], None]
_Rule = tuple[str, Callable[[Any], bool]]  # sentence, holds

_MOST_PROBLEMS = 10  # a message names ten violations at most

_compiled: dict[tuple[str, str], Check | None] = {}


def validate(service_name: str, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Raises ValidationException ("1 validation error detected: Value null at 'keyId' failed to satisfy constraint: …")."""
    key = (service_name, operation.name)
    try:
        check = _compiled[key]
    except KeyError:
        shape = operation.input_shape
        check = None if shape is None else _structure(SERVICES[service_name], shape, ())
        _compiled[key] = check
    if check is None:
        return
    problems: list[str] = []
    check(parameters, "", problems)
    if problems:
        raise AWSError("ValidationException", _message(problems))


def _message(problems: list[str]) -> str:
    for problem in problems:
        if not problem.startswith("Value "):  # a sentence of its own, see Service.pattern_sentences
            return problem
    del problems[_MOST_PROBLEMS:]
    return f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: {'; '.join(problems)}"


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    """A value as Java prints it."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_shown(each)}' for key, each in value.items())}}}"
    return str(value)


def _problem(value: Any, path: str, sentence: str, hide: bool) -> str:
    shown = "" if hide else " null" if value is None else f" '{_shown(value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: {sentence}"


def _secret(shape: Shape) -> bool:
    """Whether the shape or anything in it must not be quoted."""
    if is_secret(shape):
        return True
    if shape.type_name == "list":
        return _secret(shape.member)
    if shape.type_name == "map":
        return _secret(shape.key) or _secret(shape.value)
    return False


_MOST = {"integer": 2**31 - 1, "long": 2**63 - 1}


def _rules(service: Service, shape: Shape) -> list[_Rule]:
    """The constraints of one value. Where several are broken AWS names them in this order."""
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")
    rules: list[_Rule] = []
    if shape.type_name in _MOST and highest is None:
        highest = _MOST[
            shape.type_name
        ]  # what a number of its type can be: neither JSON's reader nor Python has an end
    if shape.type_name in ("integer", "long", "float", "double"):
        if highest is not None:
            rules.append((f"Member must have value less than or equal to {highest}", lambda value: value <= highest))
        if lowest is not None:
            rules.append((f"Member must have value greater than or equal to {lowest}", lambda value: value >= lowest))
        elif shape.type_name in _MOST:
            least = -_MOST[shape.type_name] - 1
            rules.append((f"Member must have value greater than or equal to {least}", lambda value: value >= least))
        return rules
    if enum := shape.metadata.get("enum"):
        allowed = frozenset(enum)
        named = [value for value in service.enum_orders.get(shape.name, ()) if value in allowed]
        named += [value for value in enum if value not in named]
        listed = f": [{', '.join(named)}]" if service.echoes_values else ""
        return [(f"Member must satisfy enum value set{listed}", lambda value: value in allowed)]
    if highest is not None:
        rules.append((f"Member must have length less than or equal to {highest}", lambda value: len(value) <= highest))
    if lowest is not None:
        rules.append((f"Member must have length greater than or equal to {lowest}", lambda value: len(value) >= lowest))
    java = service.patterns.get(shape.name) or shape.metadata.get("pattern")
    if java and shape.type_name == "string":
        matches = pattern(java).fullmatch
        rule = (
            f"Member must satisfy regular expression pattern: {java}",
            lambda value: matches(value) is not None,
        )
        rules.insert(0 if service.pattern_first else len(rules), rule)
    return rules


def _scalar(service: Service, shape: Shape) -> Check | None:
    rules = _rules(service, shape)
    if not rules:
        return None
    secret = _secret(shape)
    java = shape.metadata.get("pattern", "")
    own_sentence = service.pattern_sentences.get(java)

    def explain(value: Any, path: str, problems: list[str]) -> None:
        for sentence, holds in rules:
            if holds(value):
                continue
            if own_sentence and "pattern" in sentence:
                problems.append(f"The specified value for {path} is invalid. {own_sentence}")
            else:
                hide = secret or not service.echoes_values
                problems.append(_problem(value, path, sentence, hide))

    return _when_broken(shape, rules, explain)


def _when_broken(shape: Shape, rules: list[_Rule], explain: Check) -> Check:
    """The check of a good value costs as little as it can; only a broken one is explained."""
    if len(rules) == 1:
        holds = rules[0][1]

        def check_one(value: Any, path: str, problems: list[str]) -> None:
            if not holds(value):
                explain(value, path, problems)

        return check_one

    if len(rules) == 2 and "min" in shape.metadata and "max" in shape.metadata and "pattern" not in rules[0][0]:
        lowest, highest = shape.metadata["min"], shape.metadata["max"]
        if shape.type_name in ("string", "blob"):

            def check_length(value: Any, path: str, problems: list[str]) -> None:
                if not lowest <= len(value) <= highest:
                    explain(value, path, problems)

            return check_length

    def check_all(value: Any, path: str, problems: list[str]) -> None:
        for _, holds in rules:
            if not holds(value):
                explain(value, path, problems)
                return

    return check_all


def _compile(service: Service, shape: Shape, outer: tuple[str, ...]) -> Check | None:
    if shape.type_name == "structure":
        return None if shape.name in outer else _structure(service, shape, outer)
    if shape.type_name == "list":
        return _list(service, shape, outer)
    if shape.type_name == "map":
        return _map(service, shape, outer)
    return _scalar(service, shape)


def _structure(service: Service, shape: Shape, outer: tuple[str, ...]) -> Check | None:
    required = frozenset(shape.required_members)
    rows: list[tuple[str, str, bool, bool, Check | None]] = []
    for name, member in shape.members.items():
        check = _compile(service, member, (*outer, shape.name))
        if check is not None or name in required:
            hide = bool(member.metadata.get("sensitive")) or not service.echoes_values
            rows.append((name, lower_first(name), name in required, hide, check))
    if not rows:
        return None

    def check_members(value: Any, path: str, problems: list[str]) -> None:
        for name, lower, is_required, hide, check in rows:
            each = value.get(name)
            if each is not None:
                if check is not None:
                    check(each, f"{path}.{lower}" if path else lower, problems)
            elif is_required:
                where = f"{path}.{lower}" if path else lower
                problems.append(_problem(None, where, "Member must not be null", hide))

    return check_members


def _elements(service: Service, shape: Shape, kind: str) -> Callable[[Any], str | None]:
    """For the scalars in a list or map: the sentence of a broken one, which names all its constraints."""
    rules = _rules(service, shape)
    checks = [holds for _, holds in rules]
    sentence = f"{kind} must satisfy constraint: [{', '.join(each for each, _ in rules)}]"
    with_null = (
        f"{kind} must satisfy constraint: [{', '.join([each for each, _ in rules] + ['Member must not be null'])}]"
    )

    def broken(value: Any) -> str | None:
        if value is None:
            return with_null
        for holds in checks:
            if not holds(value):
                return sentence
        return None

    return broken


def _list(service: Service, shape: Shape, outer: tuple[str, ...]) -> Check:
    size = _scalar(service, shape)
    member = shape.member
    secret = _secret(shape) or not service.echoes_values
    nested = _compile(service, member, outer) if member.type_name in ("structure", "list", "map") else None
    broken = _elements(service, member, "Member")

    def check_list(value: Any, path: str, problems: list[str]) -> None:
        if size is not None:
            size(value, path, problems)
        for number, each in enumerate(value, 1):
            if nested is not None and each is not None:
                nested(each, f"{path}.{number}.member", problems)
            elif (sentence := broken(each)) is not None:
                problems.append(_problem(value, path, sentence, secret))
                return

    return check_list


def _map(service: Service, shape: Shape, outer: tuple[str, ...]) -> Check:
    size = _scalar(service, shape)
    secret = _secret(shape) or not service.echoes_values
    nested = _compile(service, shape.value, outer) if shape.value.type_name in ("structure", "list", "map") else None
    broken_key = _elements(service, shape.key, "Map keys")
    broken_value = _elements(service, shape.value, "Map value")

    def check_map(value: Any, path: str, problems: list[str]) -> None:
        if size is not None:
            size(value, path, problems)
        for key, each in value.items():
            if nested is not None and each is not None:
                nested(each, f"{path}.{key}.member", problems)
                sentence = broken_key(key)
            else:
                sentence = broken_key(key) or broken_value(each)
            if sentence is not None:
                problems.append(_problem(value, path, sentence, secret))
                return

    return check_map
