"""Policies: their grammar, checked, and compiled once so that a decision is a few set look-ups.

Source: IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from engine.iam import conditions
from engine.iam.conditions import Condition
from engine.iam.patterns import Wildcards, wildcards
from engine.iam.policy_principals import Caller, Principals
from engine.iam.variables import Template, Values, resource_template
from engine.remembered import Remembered

logger = logging.getLogger(__name__)

Kind = Literal["identity", "resource", "boundary", "session", "trust"]
VERSIONS = ("2012-10-17", "2008-10-17")

STATEMENT_MEMBERS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_ACTION = re.compile(r"\*|[A-Za-z0-9.-]+:[^:]+")
_ACCOUNT = re.compile(r"\d{12}")
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_UNIQUE_ID = re.compile(r"A(?:IDA|ROA)[A-Z0-9]{8,}")


class MalformedPolicy(ValueError):
    """A policy that IAM or KMS would not take; `reason` in AWS's words, `position` a character offset or -1."""

    def __init__(self, reason: str, position: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


@dataclass(frozen=True, slots=True)
class Statement:
    """`resources` are without variables; `dynamic` those with."""

    index: int
    sid: str
    allows: bool
    principals: Principals | None
    actions: Wildcards
    not_action: bool
    resources: Wildcards
    dynamic: tuple[Template, ...]
    not_resource: bool
    any_resource: bool
    conditions: tuple[Condition, ...]

    @property
    def variables(self) -> bool:
        return bool(self.dynamic)

    def about_action(self, action: str) -> bool:
        """`action` in lower case."""
        return self.actions.match(action) != self.not_action

    def about_resource(self, resource: str, context: Values) -> bool:
        if self.any_resource:
            return not self.not_resource
        found = self.resources.match(resource)
        if not found and self.dynamic:
            found = any(pattern.like(resource, context) for pattern in self.dynamic)
        return found != self.not_resource

    def is_about(self, principal: Caller, *, bounded: bool) -> bool:
        """Whether the Principal or NotPrincipal of a resource policy's statement takes in the caller.

        `bounded`: a Deny with NotPrincipal always denies a caller that has a permissions boundary (IAM User Guide, "NotPrincipal").
        """
        principals = self.principals
        assert principals is not None
        if principals.match(principal):
            return True
        return not self.allows and (principals.everyone if principal.provider else bounded and principals.negated)

    def covers(self, resource: str, context: Values) -> bool:
        """Whether it is about the resource and all of its conditions hold."""
        if self.any_resource:
            if self.not_resource:
                return False
        elif not self.about_resource(resource, context):
            return False
        for condition in self.conditions:  # noqa: SIM110 - a generator would cost more than what it does
            if not condition.holds(context):
                return False
        return True


class _ByEffect(NamedTuple):
    all: tuple[Statement, ...]
    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    name: str
    kind: Kind
    text: str
    statements: tuple[Statement, ...]
    has_conditions: bool
    source: str = ""
    _by_action: dict[str, _ByEffect] = field(default_factory=dict)

    def about(self, action: str) -> tuple[Statement, ...]:
        """The statements whose Action or NotAction takes in `action`, which is in lower case."""
        return (self._by_action.get(action) or self._find(action)).all

    def denies(self, action: str) -> tuple[Statement, ...]:
        """Those of them that deny."""
        return (self._by_action.get(action) or self._find(action)).denies

    def allows(self, action: str) -> tuple[Statement, ...]:
        """Those of them that allow."""
        return (self._by_action.get(action) or self._find(action)).allows

    def _find(self, action: str) -> _ByEffect:
        """Remembered, as far as such actions exist at all."""
        about = tuple(statement for statement in self.statements if statement.about_action(action))
        denies = tuple(statement for statement in about if not statement.allows)
        allows = about if not denies else tuple(statement for statement in about if statement.allows)
        found = _ByEffect(about, denies, allows)
        if len(self._by_action) < _MOST_ACTIONS:
            self._by_action[action] = found
        return found


_MOST_ACTIONS = 1_000  # simulations ask about actions that do not exist

Pins = tuple[tuple[str, str], ...]

COMPILED = 10  # bytes of a compiled policy for each character of its text, measured
_PER_WILDCARD = 200  # bytes that a wildcard takes up once compiled, more or less
_PER_POLICY = 3_000

_Written = tuple[str, str, Kind, Pins, str]


def _size(written: _Written) -> int:
    text = written[0]
    return 4 * len(text) + _PER_WILDCARD * (text.count("*") + text.count("?") + text.count("${")) + _PER_POLICY


def compile_policy(text: str, *, name: str, kind: Kind, pins: Pins = (), source: str = "") -> CompiledPolicy:
    """Raises MalformedPolicy. `pins`: who stored principals are (engine.iam.principal_ids); `source`: the policy's ARN, or its owner's if inline."""
    return _compiled[text, name, kind, pins, source]


def stored_policy(text: str, *, name: str, kind: Kind, pins: Pins = (), source: str = "") -> CompiledPolicy:
    """A policy that is in force. It never raises: one that cannot be read (a later version's, say) lets nothing through, since what it
    denied is not known; the account's root user, whom identity policies do not bind, can replace it."""
    try:
        return compile_policy(text, name=name, kind=kind, pins=pins, source=source)
    except MalformedPolicy as reason:
        logger.error("the %s policy %s of %s cannot be read: %s", kind, name, source or "?", reason.reason)
        refusing = compile_policy(_DENY_ALL, name=name, kind="identity").statements if kind == "identity" else ()
        return CompiledPolicy(name, kind, text, refusing, False, source)


_DENY_ALL = '{"Statement": [{"Sid": "UnreadablePolicy", "Effect": "Deny", "Action": "*", "Resource": "*"}]}'


def _compile(written_as: _Written) -> CompiledPolicy:
    text, name, kind, pins, source = written_as
    document = parse(text)
    version = document.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise MalformedPolicy("Policy document must be version 2012-10-17 or greater.")
    unknown = set(document) - {"Version", "Id", "Statement"}
    if unknown:
        raise MalformedPolicy(f"Syntax error: unknown element {sorted(unknown)[0]}")
    written = document.get("Statement")
    if isinstance(written, dict):
        written = [written]
    if not isinstance(written, list) or not written:
        raise MalformedPolicy("Policy must contain at least one statement.")
    variables = version == VERSIONS[0]
    ids = dict(pins)
    statements = tuple(_statement(number, each, kind, variables, ids) for number, each in enumerate(written))
    sids = [statement.sid for statement in statements if statement.sid]
    if kind != "resource" and len(sids) != len(set(sids)):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")
    conditional = any(statement.conditions or statement.variables for statement in statements)
    return CompiledPolicy(name, kind, text, statements, conditional, source)


_compiled = Remembered(_compile, entries=20_000, longest=8 << 20, total=32 << 20, size=_size)


def parse(text: str) -> dict[str, Any]:
    """The JSON object of a policy. Raises MalformedPolicy."""
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as reason:
        raise MalformedPolicy(f"Syntax error in policy: {reason.msg}", reason.pos) from reason
    except RecursionError as reason:
        raise MalformedPolicy("Syntax error in policy: nested too deeply") from reason
    except MalformedPolicy:
        raise
    except ValueError as reason:  # Python reads no integer of more than 4,300 digits
        raise MalformedPolicy("Syntax error in policy: a number is too long") from reason
    if not isinstance(document, dict):
        raise MalformedPolicy("Syntax error in policy: the document is not an object")
    if "\\u" in text and not is_unicode(document):
        raise MalformedPolicy("Syntax error in policy: half a character")
    return document


def is_unicode(document: Any) -> bool:
    """JSON can write half a character (\\ud800), which no database, error or log can."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise MalformedPolicy(f"Syntax error in policy: duplicate element {name}")
        members[name] = value
    return members


def _statement(number: int, written: Any, kind: Kind, variables: bool, pins: Mapping[str, str]) -> Statement:
    if not isinstance(written, dict):
        raise MalformedPolicy("Syntax error in policy: a statement is not an object")
    unknown = set(written) - set(STATEMENT_MEMBERS)
    if unknown:
        raise MalformedPolicy(f"Syntax error in policy: unknown element {sorted(unknown)[0]}")
    if written.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy("Policy statement must have an Effect of Allow or Deny.")
    sid = written.get("Sid", "")
    if not isinstance(sid, str) or (kind not in ("resource", "trust") and not re.fullmatch(r"[A-Za-z0-9]*", sid)):
        raise MalformedPolicy(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )
    with_principal = kind in ("resource", "trust")
    if with_principal != (("Principal" in written) or ("NotPrincipal" in written)):
        raise MalformedPolicy(
            "Policy statement must contain a principal."
            if with_principal
            else "Policy document should not specify a principal."
        )
    required = (
        kind != "resource"
    )  # a key policy's statement without an Action or a Resource is taken, and never matches
    actions = _one_of(written, "Action", "NotAction", "actions", required=required)
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise MalformedPolicy(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                if ":" not in action
                else f"Vendor or action {action} is not valid."
            )
    resources: tuple[str, ...] = ("*",)
    if kind == "trust":
        if "Resource" in written or "NotResource" in written:
            raise MalformedPolicy("Has prohibited field Resource")
    else:
        resources = _one_of(written, "Resource", "NotResource", "resources", required=required)
        for resource in resources:
            if kind != "resource" and resource != "*" and not resource.startswith(("arn:", "*", "${")):
                raise MalformedPolicy(f'Resource {resource} must be in ARN format or "*".')
    plain, dynamic = _resources(resources, kind, variables)
    return Statement(
        index=number,
        sid=sid,
        allows=written["Effect"] == "Allow",
        principals=_principals(written, pins) if with_principal else None,
        actions=wildcards(action.lower() for action in actions),
        not_action="NotAction" in written,
        resources=wildcards(plain),
        dynamic=tuple(dynamic),
        not_resource="NotResource" in written,
        any_resource="*" in resources,
        conditions=_conditions(written.get("Condition"), variables),
    )


def _resources(written: Iterable[str], kind: Kind, variables: bool) -> tuple[list[str], list[Template]]:
    """(those without variables, those with)."""
    plain, dynamic = [], []
    for resource in dict.fromkeys(written):
        complete = resource if kind == "resource" else completed(resource)
        template = resource_template(complete) if variables and "${" in complete else None
        if template is None or template.is_plain:
            plain.append(complete)
        else:
            dynamic.append(template)
    return plain, dynamic


def completed(resource: str) -> str:
    """An ARN of fewer than six parts in an identity policy means any of those that lack (IAM User Guide, "Resource")."""
    lacking = _ARN_COLONS - resource.count(":")
    return resource + ":*" * lacking if lacking > 0 and resource.startswith("arn:") else resource


_ARN_COLONS = 5


def _one_of(
    written: Mapping[str, Any], name: str, negated: str, word: str, *, required: bool = True
) -> tuple[str, ...]:
    if name in written and negated in written:
        raise MalformedPolicy(f"Syntax error in policy: a statement has both {name} and {negated}")
    if name not in written and negated not in written:
        if not required:
            return ()
        raise MalformedPolicy(f"Policy statement must contain {word}.")
    return _strings(written.get(name, written.get(negated)), name)


def _strings(value: Any, name: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, str) for each in listed):
        raise MalformedPolicy(f"Syntax error in policy: {name} must be a string or a list of strings")
    return tuple(listed)


def _principals(written: Mapping[str, Any], pins: Mapping[str, str]) -> Principals:
    if "Principal" in written and "NotPrincipal" in written:
        raise MalformedPolicy("Syntax error in policy: a statement has both Principal and NotPrincipal")
    negated = "NotPrincipal" in written
    value = written["NotPrincipal" if negated else "Principal"]
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, dict) or not value:
        raise MalformedPolicy("Invalid principal in policy")
    unknown = set(value) - {"AWS", "Service", "Federated", "CanonicalUser"}
    if unknown:
        raise MalformedPolicy(f"Invalid principal in policy: {sorted(unknown)[0]}")
    accounts: set[str] = set()
    names: set[str] = set()
    everyone = False
    for entry in _strings(value["AWS"], "Principal") if "AWS" in value else ():
        if entry == "*":
            everyone = True
        elif _ACCOUNT.fullmatch(entry):
            accounts.add(entry)
        elif root := _ROOT.fullmatch(entry):
            accounts.add(root[1])
        elif (
            entry.startswith("arn:") and ("*" not in entry) and len(entry.split(":", 5)) == 6
        ) or _UNIQUE_ID.fullmatch(entry):
            names.add(pins.get(entry, entry))
        else:
            raise MalformedPolicy(f'Invalid principal in policy: "AWS":"{entry}"')
    return Principals(
        everyone=everyone,
        accounts=frozenset(accounts),
        names=frozenset(names),
        services=frozenset(_strings(value["Service"], "Principal") if "Service" in value else ()),
        federated=frozenset(_strings(value["Federated"], "Principal") if "Federated" in value else ()),
        negated=negated,
    )


def _conditions(block: Any, variables: bool) -> tuple[Condition, ...]:
    if block is None:
        return ()
    if not isinstance(block, dict) or not all(isinstance(keys, dict) for keys in block.values()):
        raise MalformedPolicy("Syntax error in policy: Condition must be an object of objects")
    for keys in block.values():
        for values in keys.values():
            listed = values if isinstance(values, list) else [values]
            if not all(isinstance(each, str | int | float | bool) for each in listed):
                raise MalformedPolicy("Syntax error in policy: a condition value is not a string, number or boolean")
    try:
        return conditions.compile_block(block, variables=variables)
    except KeyError as reason:
        raise MalformedPolicy(f"Invalid Condition type : {reason.args[0]}") from reason
    except ValueError as reason:
        raise MalformedPolicy(f"Invalid value for Condition type {reason}") from reason
