"""Rules of the policy checker on a statement's conditions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import vocabulary
from engine.iam.condition_keys import ENCRYPTION_CONTEXT, OVERLY_PERMISSIVE
from engine.iam.conditions import SET_OPERATORS
from engine.iam.lint_findings import Element, Finding, Statement, strings

_WITHOUT_VARIABLES = ("numeric", "date", "bool", "binary", "ipaddress", "notip")
_ABOUT_CONTEXT = ENCRYPTION_CONTEXT.lower.removesuffix(":")  # kms:EncryptionContextKeys too


def names(statement: dict[str, Any]) -> Iterator[str]:
    """The condition keys that a statement names."""
    block = statement.get("Condition")
    for keys in block.values() if isinstance(block, dict) else ():
        if isinstance(keys, dict):
            yield from keys


def operators(statement: Statement) -> Iterator[Element]:
    block = statement.written.get("Condition")
    for written, keys in block.items() if isinstance(block, dict) else ():
        yield Element(statement, (*statement.path, "Condition", written), keys)


def keys(statement: Statement) -> Iterator[Element]:
    """Each condition key, with its values; the operator stands before it in the path."""
    for operator in operators(statement):
        for key, value in operator.value.items() if isinstance(operator.value, dict) else ():
            yield Element(statement, (*operator.path, key), value)


def no_block(element: Element) -> Finding | None:
    if element.value is None or isinstance(element.value, dict):
        return None
    return element.error("condition", _("A Condition is an object of operators."))


def unknown_operator(element: Element) -> Finding | None:
    set_operator, colon, name = element.name.rpartition(":")
    bare = name[: -len("IfExists")] if name.lower().endswith("ifexists") else name
    known = vocabulary.operators()
    if bare.lower() in {each.lower() for each in known} and (not colon or set_operator in SET_OPERATORS):
        return None
    near = vocabulary.nearest(bare, known)
    if near:
        near = (f"{vocabulary.nearest(set_operator, SET_OPERATORS)}:" if colon else "") + near
        near += "IfExists" if bare != name else ""
    message = _("There is no condition operator “%(name)s”.") % {"name": element.name}
    return element.error("operator", message, near, of_name=True)


def operator_without_keys(element: Element) -> Finding | None:
    if isinstance(element.value, dict):
        return None
    return element.error("condition", _("An operator holds an object of condition keys."))


def unknown_key(element: Element) -> Finding | None:
    if vocabulary.is_condition_key(element.name):
        return None
    message = _("There is no condition key “%(key)s”.") % {"key": element.name}
    return element.warning("condition-key", message, vocabulary.nearest_condition_key(element.name), of_name=True)


def wildcard_with_equals(element: Element) -> Finding | None:
    written = _operator(element)
    if not _bare(element).startswith("stringequals"):
        return None
    if not any(re.search(r"[*?]", text.replace("${", "")) for text in strings(element.value)):
        return None
    like = written.replace("Equals", "Like").replace("IgnoreCase", "")
    return element.warning("wildcard", _("%(operator)s takes * and ? for themselves.") % {"operator": written}, like)


def variable_never_replaced(element: Element) -> Finding | None:
    if "${" not in "".join(strings(element.value)) or not _bare(element).startswith(_WITHOUT_VARIABLES):
        return None
    message = _("Variables are replaced with string and ARN operators only; this value never matches.")
    return element.warning("never", message)


def for_all_values_of_nothing(element: Element) -> Finding | None:
    if not _operator(element).startswith("ForAllValues:") or not element.statement.allows:
        return None
    message = _(
        "ForAllValues also holds for a request that does not bring this key at all; add a Null condition if it must."
    )
    return element.hint("for-all", message, of_name=True)


def no_encryption_context(element: Element) -> Finding | None:
    if not element.name.lower().startswith(_ABOUT_CONTEXT):
        return None
    if not element.statement.allows or _bare(element).endswith("ifexists") or _bare(element) == "null":
        return None
    actions = element.statement.actions
    if not actions or any(action.removeprefix("kms:") in ENCRYPTION_CONTEXT.operations for action in actions):
        return None
    message = _("None of this statement's actions has an encryption context, so it never matches.")
    return element.warning("never", message, of_name=True)


def for_all_values_refused(element: Element) -> Finding | None:
    """In a key policy."""
    if element.statement.kind != "resource" or not _operator(element).startswith("ForAllValues:"):
        return None
    if not element.name.lower().startswith(tuple(OVERLY_PERMISSIVE)):
        return None
    message = _("ForAllValues with this key lets in requests that do not bring it, so KMS refuses it.")
    return element.error("for-all", message, of_name=True)


def _operator(element: Element) -> str:
    return str(element.path[-2])


def _bare(element: Element) -> str:
    """The operator without its set operator, in lower case."""
    return _operator(element).rpartition(":")[2].lower()
