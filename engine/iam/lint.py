"""What a person who writes a policy is told: errors that AWS would refuse, and what is legal but hardly meant. Pure.

A policy's text and kind go in, findings with line and column come out, in the order of the text. Nothing is looked up: who exists
and which key it is about is given by the caller. A rule is a function of one element of a statement, and `RULES` says which it looks at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import lint_conditions, lint_elements, lint_principals, vocabulary
from engine.iam.json_positions import Lines, Path, places
from engine.iam.lint_findings import (
    ERROR,
    HINT,
    WARNING,
    About,
    Element,
    Finding,
    Rule,
    Statement,
    members,
    strings,
    texts_of,
    whole,
)
from engine.iam.policy import VERSIONS, CompiledPolicy, Kind, MalformedPolicy, compile_policy, is_unicode
from engine.iam.policy_principals import ACCOUNT
from engine.iam.principal import Principal

_ORDER = {ERROR: 0, WARNING: 1, HINT: 2}
_LONGEST = 32_768  # characters without white space: what the longest policy there is, a key's, may have
_MOST_ACTIONS = 200  # of a statement: beyond them nothing is said that follows from what its actions are together
_MOST = 50  # findings: nobody reads more, and each may cost a search for the nearest word

_DOCUMENT = ("Version", "Id", "Statement")
_EVERY: frozenset[Kind] = frozenset({"identity", "resource", "boundary", "session", "trust"})
_WITH_PRINCIPAL: frozenset[Kind] = frozenset({"resource", "trust"})
_TRUST: frozenset[Kind] = frozenset({"trust"})


@dataclass(frozen=True, slots=True)
class Row:
    """Rules for some elements of a statement, in policies of these kinds. Where `one_each`, the first that has something to say of an
    element is the only one."""

    kinds: frozenset[Kind]
    elements: Callable[[Statement], Iterator[Element]]
    rules: tuple[Rule, ...]
    one_each: bool = True


RULES = (
    Row(_EVERY, members(), (lint_elements.unknown_member,)),
    Row(_EVERY, whole, (lint_elements.no_effect,)),
    Row(_EVERY, whole, (lint_elements.no_action,)),
    Row(
        _EVERY,
        texts_of("Action", "NotAction"),
        (
            lint_elements.action_without_service,
            lint_elements.action_of_another_service,
            lint_elements.unknown_service,
            lint_elements.unknown_action,
        ),
    ),
    Row(_TRUST, members("Resource", "NotResource"), (lint_elements.resource_in_trust_policy,)),
    Row(_EVERY - _TRUST, whole, (lint_elements.no_resource,)),
    Row(
        _EVERY - _TRUST,
        texts_of("Resource"),
        (
            lint_elements.variable_too_early,
            lint_elements.other_resource_in_key_policy,
            lint_elements.resource_is_no_arn,
            lint_elements.resource_of_another_service,
            lint_elements.alias_for_actions_on_keys,
        ),
    ),
    Row(_WITH_PRINCIPAL, whole, (lint_principals.no_principal,)),
    Row(_WITH_PRINCIPAL, members("NotPrincipal"), (lint_principals.allow_with_not_principal,)),
    Row(_WITH_PRINCIPAL, lint_principals.principal_types, (lint_principals.unknown_type,)),
    Row(
        _WITH_PRINCIPAL,
        lint_principals.aws_principals,
        (
            lint_principals.everyone,
            lint_principals.wildcard_in_principal,
            lint_principals.no_such_user_or_role,
            lint_principals.group_as_principal,
            lint_principals.no_principal_at_all,
        ),
    ),
    Row(
        _EVERY - _WITH_PRINCIPAL,
        members("Principal", "NotPrincipal"),
        (lint_principals.principal_in_identity_policy,),
    ),
    Row(_EVERY, members("Condition"), (lint_conditions.no_block,)),
    Row(
        _EVERY,
        lint_conditions.operators,
        (lint_conditions.unknown_operator, lint_conditions.operator_without_keys),
        one_each=False,
    ),
    Row(
        _EVERY,
        lint_conditions.keys,
        (
            lint_conditions.unknown_key,
            lint_conditions.wildcard_with_equals,
            lint_conditions.variable_never_replaced,
            lint_conditions.for_all_values_of_nothing,
            lint_conditions.no_encryption_context,
            lint_conditions.for_all_values_refused,
        ),
        one_each=False,
    ),
)


def lint(text: str, kind: Kind, about: About | None = None) -> list[Finding]:
    """Findings of a policy, in the order of its text; an error is what would be refused."""
    about = about or About()
    document = _read(text)
    if isinstance(document, Finding):
        return [document]
    names, values = places(text)
    lines, findings = Lines(text), []
    for finding in islice(_document(document, kind, about), _MOST):
        path = finding.path
        offset = (names if finding.of_name else values).get(path)
        while offset is None:
            path = path[:-1]
            offset = values.get(path)
        findings.append(_placed(finding, lines, offset))
    try:
        compiled = compile_policy(text, name="", kind=kind)
    except MalformedPolicy as reason:
        if not any(finding.severity == ERROR for finding in findings):
            findings.append(_placed(Finding(ERROR, "refused", reason.reason), lines, reason.position))
    else:
        findings += _lock_out(compiled, kind, about)
    return sorted(findings, key=lambda finding: (finding.line, finding.column, _ORDER[finding.severity]))


def _placed(finding: Finding, lines: Lines, offset: int) -> Finding:
    line, column = lines.line_and_column(offset)
    return replace(finding, line=line, column=column)


def _read(text: str) -> dict[str, Any] | Finding:
    """The policy's JSON, or why it cannot be read."""
    if len(text) > _LONGEST and sum(map(len, text.split())) > _LONGEST:
        return Finding(ERROR, "long", _("This is longer than any policy may be."))
    try:
        document = json.loads(text)
    except json.JSONDecodeError as reason:
        message = _("This is not valid JSON: %(what)s.") % {"what": reason.msg}
        return Finding(ERROR, "json", message, line=reason.lineno, column=reason.colno)
    except RecursionError:
        return Finding(ERROR, "json", _("This is nested too deeply."))
    except ValueError:
        return Finding(ERROR, "json", _("A number is too long."))
    if not is_unicode(document):
        return Finding(ERROR, "json", _("This holds half a character (\\ud800 to \\udfff)."))
    if not isinstance(document, dict):
        return Finding(ERROR, "json", _("A policy is an object: { … }."))
    return document


def _document(document: dict[str, Any], kind: Kind, about: About) -> Iterator[Finding]:
    for name in document:
        if name not in _DOCUMENT:
            message = _("There is no element “%(name)s”.") % {"name": name}
            yield Finding(ERROR, "element", message, (name,), vocabulary.nearest(name, _DOCUMENT), of_name=True)
    yield from _version(document)
    written = document.get("Statement")
    if written is None:
        yield Finding(ERROR, "statement", _("A policy needs a Statement."))
        return
    listed = written if isinstance(written, list) else [written]
    if not listed:
        yield Finding(ERROR, "statement", _("A policy needs at least one statement."), ("Statement",))
    seen: set[str] = set()
    for number, statement in enumerate(listed):
        path: Path = ("Statement", number) if isinstance(written, list) else ("Statement",)
        if not isinstance(statement, dict):
            yield Finding(ERROR, "statement", _("A statement is an object: { … }."), path)
            continue
        yield from _statement(statement, path, kind, about)
        bare = json.dumps({name: value for name, value in statement.items() if name != "Sid"}, sort_keys=True)
        if bare in seen:
            message = _("The same statement stands further up; this one changes nothing.")
            yield Finding(WARNING, "twice", message, path)
        seen.add(bare)


def _version(document: dict[str, Any]) -> Iterator[Finding]:
    version = document.get("Version")
    if version is None and "${" in json.dumps(document):
        message = _("Without Version 2012-10-17 policy variables like ${aws:username} are plain text.")
        yield Finding(WARNING, "version", message, (), VERSIONS[0])
    elif version is not None and version not in VERSIONS:
        yield Finding(ERROR, "version", _("The version is 2012-10-17."), ("Version",), VERSIONS[0])


def _statement(written: dict[str, Any], path: Path, kind: Kind, about: About) -> Iterator[Finding]:
    patterns = set(strings(written.get("Action")))
    known = patterns if len(patterns) <= _MOST_ACTIONS else ()
    actions = frozenset(action for each in known for action in vocabulary.matching(each))
    statement = Statement(written, path, kind, about, actions)
    for row in RULES:
        if kind not in row.kinds:
            continue
        for element in row.elements(statement):
            findings = (found for rule in row.rules if (found := rule(element)) is not None)
            yield from islice(findings, 1) if row.one_each else findings


def _lock_out(policy: CompiledPolicy, kind: Kind, about: About) -> Iterator[Finding]:
    if kind == "resource" and about.account_id and not _changeable(policy, about.account_id):
        yield Finding(
            WARNING,
            "lock-out",
            _(
                "Nobody of this account could change this policy again: no statement allows kms:PutKeyPolicy to the account or one of its users or roles."
            ),
        )


def _changeable(policy: CompiledPolicy, account_id: str) -> bool:
    """Whether some Allow lets the account, or a principal it names in the account, put the next key policy."""
    root = Principal("root", account_id, f"arn:aws:iam::{account_id}:root", account_id)
    for statement in policy.allows("kms:putkeypolicy"):
        principals = statement.principals
        if principals is None:
            continue
        if principals.everyone or principals.match(root) == ACCOUNT or principals.negated:
            return True
        if any(f"::{account_id}:" in name for name in principals.names):
            return True
    return False
