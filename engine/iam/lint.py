"""What a person who writes a policy is told: errors that AWS would refuse, and what is legal but hardly meant. Pure.

A policy's text and kind go in, findings with line and column come out, in the order of the text. Nothing is looked up: who exists
and which key it is about is given by the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import condition_keys, lint_conditions, patterns, vocabulary
from engine.iam.json_positions import Lines, Path, places
from engine.iam.lint_words import ERROR, HINT, WARNING, Found, strings
from engine.iam.policy import (
    ACCOUNT,
    STATEMENT_MEMBERS,
    CompiledPolicy,
    Kind,
    MalformedPolicy,
    compile_policy,
    is_unicode,
)
from engine.iam.principal import Principal

_ORDER = {ERROR: 0, WARNING: 1, HINT: 2}
_LONGEST = 32_768  # characters without white space: what the longest policy there is, a key's, may have
_MOST_ACTIONS = 200  # of a statement: beyond them nothing is said that follows from what its actions are together
_MOST = 50  # findings: nobody reads more, and each may cost a search for the nearest word

_DOCUMENT = ("Version", "Id", "Statement")
_STATEMENT = STATEMENT_MEMBERS
_PRINCIPALS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` names the rule; `suggestion` is what would stand there instead, if there is one."""

    line: int
    column: int
    severity: str
    code: str
    message: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the text. `principals`: ARNs of the account's users and roles, None if they are not known."""

    account_id: str = ""
    principals: Collection[str] | None = None
    key_arn: str = ""


def lint(text: str, kind: Kind, about: About | None = None) -> list[Finding]:
    """Findings of a policy, in the order of its text; an error is what would be refused."""
    if len(text) > _LONGEST and sum(map(len, text.split())) > _LONGEST:
        return [Finding(1, 1, ERROR, "long", _("This is longer than any policy may be."))]
    try:
        document = json.loads(text)
    except json.JSONDecodeError as reason:
        message = _("This is no JSON: %(what)s.") % {"what": reason.msg}
        return [Finding(reason.lineno, reason.colno, ERROR, "json", message)]
    except RecursionError:
        return [Finding(1, 1, ERROR, "json", _("This is nested too deeply."))]
    except ValueError:
        return [Finding(1, 1, ERROR, "json", _("A number is too long."))]
    if not is_unicode(document):
        return [Finding(1, 1, ERROR, "json", _("This holds half a character (\\ud800 to \\udfff)."))]
    if not isinstance(document, dict):
        return [Finding(1, 1, ERROR, "json", _("A policy is an object: { … }."))]
    names, values = places(text)
    lines, findings = Lines(text), []
    found = islice(_document(document, kind, about or About()), _MOST)
    for path, of_name, severity, code, message, suggestion in found:
        offset = (names if of_name else values).get(path)
        while offset is None:
            path = path[:-1]
            offset = values.get(path)
        findings.append(Finding(*lines.line_and_column(offset), severity, code, message, suggestion))
    try:
        compiled = compile_policy(text, name="", kind=kind)
    except MalformedPolicy as reason:
        if not any(finding.severity == ERROR for finding in findings):
            findings.append(Finding(*lines.line_and_column(reason.position), ERROR, "refused", reason.reason))
    else:
        findings += _whole(compiled, kind, about or About())
    return sorted(findings, key=lambda finding: (finding.line, finding.column, _ORDER[finding.severity]))


def _document(document: dict[str, Any], kind: Kind, about: About) -> Iterator[Found]:
    yield from _unknown(document, _DOCUMENT, ())
    version = document.get("Version")
    if version is None and "${" in json.dumps(document):
        yield (
            (),
            False,
            WARNING,
            "version",
            _("Without Version 2012-10-17 policy variables like ${aws:username} are plain text."),
            "2012-10-17",
        )
    elif version is not None and version not in ("2012-10-17", "2008-10-17"):
        yield ("Version",), False, ERROR, "version", _("The version is 2012-10-17."), "2012-10-17"
    written = document.get("Statement")
    if written is None:
        yield (), False, ERROR, "statement", _("A policy needs a Statement."), ""
        return
    listed = written if isinstance(written, list) else [written]
    if not listed:
        yield ("Statement",), False, ERROR, "statement", _("A policy needs at least one statement."), ""
    seen: set[str] = set()
    for number, statement in enumerate(listed):
        path: Path = ("Statement", number) if isinstance(written, list) else ("Statement",)
        if not isinstance(statement, dict):
            yield path, False, ERROR, "statement", _("A statement is an object: { … }."), ""
            continue
        yield from _statement(statement, path, kind, about)
        bare = json.dumps({name: value for name, value in statement.items() if name != "Sid"}, sort_keys=True)
        if bare in seen:
            yield (
                path,
                False,
                WARNING,
                "twice",
                _("The same statement stands further up; this one changes nothing."),
                "",
            )
        seen.add(bare)


def _unknown(members: dict[str, Any], known: tuple[str, ...], path: Path) -> Iterator[Found]:
    for name in members:
        if name not in known:
            near = vocabulary.nearest(name, known)
            yield (*path, name), True, ERROR, "element", _("There is no element “%(name)s”.") % {"name": name}, near


def _each(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """(path, text) of a string or of each string of a list."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if isinstance(each, str):
                yield (*path, number), each


def _statement(statement: dict[str, Any], path: Path, kind: Kind, about: About) -> Iterator[Found]:
    yield from _unknown(statement, _STATEMENT, path)
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        place = (*path, "Effect") if "Effect" in statement else path
        near = vocabulary.nearest(str(effect or ""), ("Allow", "Deny"))
        yield place, False, ERROR, "effect", _("A statement has an Effect, which is Allow or Deny."), near or "Allow"
    yield from _actions(statement, path, kind)
    written = set(strings(statement.get("Action")))
    known = written if len(written) <= _MOST_ACTIONS else ()
    actions = frozenset(action for each in known for action in vocabulary.matching(each))
    yield from _resources(statement, path, kind, about, actions)
    if kind in ("resource", "trust"):
        yield from _principals(statement, path, kind, about)
    else:
        for name in ("Principal", "NotPrincipal"):
            if name in statement:
                yield (
                    (*path, name),
                    True,
                    ERROR,
                    "principal",
                    _("This kind of policy is about whom it is attached to: it names no principal."),
                    "",
                )
    yield from lint_conditions.of_statement(statement, path, kind, actions)


def _actions(statement: dict[str, Any], path: Path, kind: Kind) -> Iterator[Found]:
    if "Action" not in statement and "NotAction" not in statement:
        severity, message = ERROR, _("A statement has an Action or a NotAction.")
        if kind == "resource":
            severity, message = WARNING, _("Without an Action this statement has no effect.")
        yield path, False, severity, "action", message, ""
    for member in ("Action", "NotAction"):
        for place, action in _each(statement.get(member), (*path, member)):
            if action == "*":
                continue
            service, colon, name = action.partition(":")
            if not colon or not name:
                near = vocabulary.nearest_action(f"{'sts' if kind == 'trust' else 'kms'}:{action}")
                yield (
                    place,
                    False,
                    ERROR,
                    "action",
                    _("An action is written service:Name, for instance kms:Decrypt."),
                    near,
                )
            elif kind == "resource" and service.lower() != "kms" and "*" not in service:
                near = vocabulary.nearest_action(action) if service.lower() not in vocabulary.known_services() else ""
                yield (
                    place,
                    False,
                    WARNING,
                    "never",
                    _("A key policy decides about kms: actions only; this one never matches."),
                    near,
                )
            elif service.lower() not in vocabulary.known_services() and "*" not in service and "?" not in service:
                yield (
                    place,
                    False,
                    WARNING,
                    "action",
                    _("There is no service “%(service)s”.") % {"service": service},
                    vocabulary.nearest_action(action),
                )
            elif service.lower() in (*vocabulary.SERVICES, vocabulary.CONSOLE) and not vocabulary.matching(action):
                yield (
                    place,
                    False,
                    WARNING,
                    "action",
                    _("There is no action “%(action)s”.") % {"action": action},
                    vocabulary.nearest_action(action),
                )


def _resources(
    statement: dict[str, Any], path: Path, kind: Kind, about: About, actions: frozenset[str]
) -> Iterator[Found]:
    if kind == "trust":
        for member in ("Resource", "NotResource"):
            if member in statement:
                yield (
                    (*path, member),
                    True,
                    ERROR,
                    "resource",
                    _("A trust policy is about its role: it has no Resource."),
                    "",
                )
        return
    if "Resource" not in statement and "NotResource" not in statement:
        severity, message = ERROR, _("A statement has a Resource.")
        if kind == "resource":
            severity, message = WARNING, _("Without a Resource this statement has no effect.")
        yield path, False, severity, "resource", message, "*"
    for place, resource in _each(statement.get("Resource"), (*path, "Resource")):
        if resource == "*" or "${" in resource:
            if "${" in ":".join(resource.split(":", 5)[:5]):
                message = _("A variable before the fifth colon of an ARN is not replaced; this never matches.")
                yield place, False, WARNING, "never", message, ""
            continue
        if kind == "resource":
            if not about.key_arn or not patterns.glob(resource).match(about.key_arn):
                yield (
                    place,
                    False,
                    WARNING,
                    "never",
                    _("In a key policy the resource is this key, written “*”; this never matches it."),
                    "*",
                )
        elif not resource.startswith(("arn:", "*")):
            yield place, False, ERROR, "resource", _("A resource is an ARN or “*”."), "*"
        elif actions and all(action.startswith("kms:") for action in actions):
            parts = resource.split(":", 5)
            if len(parts) == 6 and not patterns.glob(parts[2]).match("kms"):
                yield (
                    place,
                    False,
                    WARNING,
                    "never",
                    _("kms: actions are on keys and aliases; no ARN of another service matches."),
                    "",
                )
            elif len(parts) == 6 and parts[5].startswith("alias/") and not any("Alias" in action for action in actions):
                yield (
                    place,
                    False,
                    WARNING,
                    "never",
                    _(
                        "These actions are decided on the key's ARN, not on an alias. Name the key, or use the condition kms:RequestAlias or kms:ResourceAliases."
                    ),
                    "",
                )


def _principals(statement: dict[str, Any], path: Path, kind: Kind, about: About) -> Iterator[Found]:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        yield path, False, ERROR, "principal", _("A statement of this kind of policy has a Principal."), ""
        return
    member = "Principal" if "Principal" in statement else "NotPrincipal"
    value, place = statement[member], (*path, member)
    allows = statement.get("Effect") == "Allow"
    if member == "NotPrincipal" and allows:
        yield (
            place,
            True,
            WARNING,
            "broad",
            _("Allow with NotPrincipal allows everyone else there is, strangers included."),
            "",
        )
        return
    if isinstance(value, dict):
        yield from _unknown(value, _PRINCIPALS, place)
    narrowed = any(map(condition_keys.says_who, lint_conditions.names(statement)))
    aws = value.get("AWS") if isinstance(value, dict) else value
    aws_path = (*place, "AWS") if isinstance(value, dict) else place
    for where, name in _each(aws, aws_path):
        if name == "*":
            if allows and member == "Principal" and not narrowed:
                yield (
                    where,
                    False,
                    WARNING,
                    "broad",
                    _("“*” is everyone in every AWS account. Name the account, or add a condition that says who."),
                    about.account_id and f"arn:aws:iam::{about.account_id}:root",
                )
        elif "*" in name:
            yield (
                where,
                False,
                ERROR,
                "principal",
                _("A principal's ARN has no wildcard: use the account's root ARN and a condition on aws:PrincipalArn."),
                "",
            )
        else:
            yield from _principal_exists(where, name, about)


def _principal_exists(where: Path, name: str, about: About) -> Iterator[Found]:
    parts = name.split(":", 5)
    if len(parts) == 6 and parts[2] == "iam" and parts[5].partition("/")[0] in ("user", "role"):
        if about.principals is not None and parts[4] == about.account_id and name not in about.principals:
            near = vocabulary.nearest(name, about.principals)
            yield where, False, ERROR, "principal", _("There is no such user or role in this account."), near
    elif len(parts) == 6 and parts[2] == "iam" and parts[5].startswith("group/"):
        yield (
            where,
            False,
            ERROR,
            "principal",
            _("A group is no principal: name its users, or let the account's policies decide."),
            "",
        )
    elif not re.fullmatch(r"\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:.+|A(?:IDA|ROA)[A-Z0-9]{8,}", name):
        yield (
            where,
            False,
            ERROR,
            "principal",
            _("This is no principal: an account ID, or the ARN of an account, user, role or role session."),
            "",
        )


def _whole(policy: CompiledPolicy, kind: Kind, about: About) -> Iterator[Finding]:
    """What only the whole policy tells."""
    if kind == "resource" and about.account_id and not changeable(policy, about.account_id):
        yield Finding(
            1,
            1,
            WARNING,
            "lock-out",
            _(
                "Nobody of this account could change this policy again: no statement allows kms:PutKeyPolicy to the account or one of its users or roles."
            ),
        )


def changeable(policy: CompiledPolicy, account_id: str) -> bool:
    """Whether some Allow lets the account, or a principal it names in the account, put the next key policy."""
    root = Principal("root", account_id, f"arn:aws:iam::{account_id}:root", account_id)
    for statement in policy.about("kms:putkeypolicy"):
        principals = statement.principals
        if not statement.allows or principals is None:
            continue
        if principals.everyone or principals.match(root) == ACCOUNT or principals.negated:
            return True
        if any(f"::{account_id}:" in name for name in principals.names):
            return True
    return False
