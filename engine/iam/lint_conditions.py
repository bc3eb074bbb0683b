"""What the policy checker says of a statement's conditions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import condition_keys, vocabulary
from engine.iam.condition_keys import ENCRYPTION_CONTEXT, ENCRYPTION_CONTEXT_KEYS, OVERLY_PERMISSIVE
from engine.iam.json_positions import Path
from engine.iam.lint_words import ERROR, HINT, WARNING, Found, strings
from engine.iam.policy import Kind


def names(statement: dict[str, Any]) -> Iterator[str]:
    block = statement.get("Condition")
    for keys in block.values() if isinstance(block, dict) else ():
        if isinstance(keys, dict):
            yield from keys


def of_statement(statement: dict[str, Any], path: Path, kind: Kind, actions: frozenset[str]) -> Iterator[Found]:
    """Findings of a statement's Condition; `actions` are those that its Action takes in."""
    block = statement.get("Condition")
    if block is None:
        return
    place = (*path, "Condition")
    if not isinstance(block, dict):
        yield place, False, ERROR, "condition", _("A Condition is an object of operators."), ""
        return
    for written, keys in block.items():
        yield from _operator(written, (*place, written))
        if not isinstance(keys, dict):
            yield (*place, written), False, ERROR, "condition", _("An operator holds an object of condition keys."), ""
            continue
        for key, value in keys.items():
            where = (*place, written, key)
            if not vocabulary.is_condition_key(key):
                yield (
                    where,
                    True,
                    WARNING,
                    "condition-key",
                    _("There is no condition key “%(key)s”.") % {"key": key},
                    vocabulary.nearest_condition_key(key),
                )
            yield from _value(written, key, value, where, statement, actions)
            if (
                kind == "resource"
                and written.startswith("ForAllValues:")
                and key.lower().startswith(tuple(OVERLY_PERMISSIVE))
            ):
                message = _("ForAllValues with this key lets in requests that do not bring it, so KMS refuses it.")
                yield where, True, ERROR, "for-all", message, ""


def _operator(written: str, where: Path) -> Iterator[Found]:
    set_operator, colon, name = written.rpartition(":")
    bare = name[: -len("IfExists")] if name.lower().endswith("ifexists") else name
    known = vocabulary.operators()
    if bare.lower() in {each.lower() for each in known} and (
        not colon or set_operator in ("ForAllValues", "ForAnyValue")
    ):
        return
    near = vocabulary.nearest(bare, known)
    if near:
        near = (f"{vocabulary.nearest(set_operator, ('ForAllValues', 'ForAnyValue'))}:" if colon else "") + near
        near += "IfExists" if bare != name else ""
    yield where, True, ERROR, "operator", _("There is no condition operator “%(name)s”.") % {"name": written}, near


def _value(
    written: str, key: str, value: Any, where: Path, statement: dict[str, Any], actions: frozenset[str]
) -> Iterator[Found]:
    name = written.rpartition(":")[2].lower()
    if name.startswith("stringequals") and any(re.search(r"[*?]", text.replace("${", "")) for text in strings(value)):
        like = written.replace("Equals", "Like").replace("IgnoreCase", "")
        yield (
            where,
            False,
            WARNING,
            "wildcard",
            _("%(operator)s takes * and ? for themselves.") % {"operator": written},
            like,
        )
    if "${" in "".join(strings(value)) and name.startswith(("numeric", "date", "bool", "binary", "ipaddress", "notip")):
        yield (
            where,
            False,
            WARNING,
            "never",
            _("Variables are replaced with string and ARN operators only; this value never matches."),
            "",
        )
    if written.startswith("ForAllValues:") and statement.get("Effect") == "Allow":
        yield (
            where,
            True,
            HINT,
            "for-all",
            _(
                "ForAllValues also holds for a request that does not bring this key at all; add a Null condition if it must."
            ),
            "",
        )
    if (
        condition_keys.find(key) in (ENCRYPTION_CONTEXT, ENCRYPTION_CONTEXT_KEYS)
        and statement.get("Effect") == "Allow"
        and not name.endswith("ifexists")
        and name != "null"
    ):
        takes_context = {f"kms:{action}" for action in ENCRYPTION_CONTEXT.operations}
        if actions and not actions & takes_context:
            yield (
                where,
                True,
                WARNING,
                "never",
                _("None of this statement's actions has an encryption context, so it never matches."),
                "",
            )
