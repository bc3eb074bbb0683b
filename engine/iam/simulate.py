"""SimulatePrincipalPolicy, SimulateCustomPolicy and the context keys they need: the request path's own decision, on supposed calls.

As in AWS, a resource's policy takes part only if the request brings it, and condition keys are those the request gives; what is known
of the simulated principal itself (its ARN, name, tags) is filled in. Source: IAM API Reference, SimulatePrincipalPolicy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.context import CallContext
from engine.iam import entities, grammar, policy_lookup
from engine.iam.authorize import principal_conditions
from engine.iam.credentials import role_principal, user_principal
from engine.iam.decide import EXPLICIT_DENY, NOT_ALLOWED, Decision, Policies, Request, decide
from engine.iam.decision_trace import matching
from engine.iam.entities import GROUP, ROLE, USER
from engine.iam.models import Role, User
from engine.iam.policy import CompiledPolicy, MalformedPolicy, compile_policy, parse
from engine.iam.principal import Principal, SessionFacts
from engine.wire.errors import AWSError

Answer = dict[str, Any]
Values = dict[str, "str | tuple[str, ...]"]

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(user|group|role)/(?:.*/)?([^/]+)")
_VARIABLE = re.compile(r"\$\{([^},]+)")
_DECISIONS = {True: "explicitDeny", False: "implicitDeny"}
_RESOURCE_POLICY = "ResourcePolicy"
_MOST_CALLS = 1_000  # each is decided by all of the policies, which may be long


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all simulated calls of one request share."""

    principal: Principal
    policies: Policies
    values: Values
    owner: str
    spans: dict[CompiledPolicy, list[tuple[int, int]]] = field(default_factory=dict)

    def span(self, policy: CompiledPolicy, index: int) -> tuple[int, int]:
        """Where a statement of a policy stands; each policy is read once."""
        if policy not in self.spans:
            self.spans[policy] = statement_spans(policy.text)
        return self.spans[policy][index]


def simulate_principal_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The policies of a user (with its groups'), a group or a role, and what the request adds to them."""
    principal, identity, boundary = _source(context, parameters["PolicySourceArn"])
    caller = _caller(parameters.get("CallerArn"))
    if _RESOURCE_POLICY in parameters and caller is None and principal.kind != "user":
        raise AWSError(
            "InvalidInput", "CallerArn is required when ResourcePolicy is given and PolicySourceArn is not a user."
        )
    given = parameters.get("PermissionsBoundaryPolicyInputList")
    policies = Policies(
        identity=(*identity, *_compiled(parameters.get("PolicyInputList", ()), "PolicyInputList")),
        boundary=_boundary(given) if given else boundary,
        resource=_resource_policy(parameters),
    )
    return _results(caller or principal, policies, parameters)


def simulate_custom_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    caller = _caller(parameters.get("CallerArn"))
    if _RESOURCE_POLICY in parameters and caller is None:
        raise AWSError("InvalidInput", "CallerArn is required when ResourcePolicy is given.")
    policies = Policies(
        identity=_compiled(parameters["PolicyInputList"], "PolicyInputList"),
        boundary=_boundary(parameters.get("PermissionsBoundaryPolicyInputList", ())),
        resource=_resource_policy(parameters),
    )
    return _results(caller or Principal("user", context.account_id, "", ""), policies, parameters)


def get_context_keys_for_custom_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    return {"ContextKeyNames": _keys_of(_compiled(parameters["PolicyInputList"], "PolicyInputList"))}


def get_context_keys_for_principal_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    _, identity, _ = _source(context, parameters["PolicySourceArn"])
    return {
        "ContextKeyNames": _keys_of((*identity, *_compiled(parameters.get("PolicyInputList", ()), "PolicyInputList")))
    }


def _source(context: CallContext, arn: str) -> tuple[Principal, tuple[CompiledPolicy, ...], CompiledPolicy | None]:
    """The principal that is simulated, its identity policies and its boundary. Raises NoSuchEntity, InvalidInput."""
    match = _PRINCIPAL.fullmatch(arn)
    if match is None:
        raise AWSError("InvalidInput", f"Invalid ARN: {arn}. Only ARNs of users, groups and roles are allowed.")
    kind = {"user": USER, "group": GROUP, "role": ROLE}[match[2]]
    name = match[3]
    row = kind.model.objects.filter(account_id=context.account_id, name__iexact=name).first()
    entities.permit(context, arn, row)
    if row is None or row.arn != arn:
        raise entities.missing(kind.word, name)
    if isinstance(row, User):
        principal = user_principal(row)
    elif isinstance(row, Role):
        moment = datetime.fromtimestamp(0, UTC)
        principal = role_principal(row, SessionFacts("simulation", row.arn, row.unique_id, moment, moment))
    else:
        return Principal("user", context.account_id, "", ""), policy_lookup.of_group(row), None
    return principal, *policy_lookup.policies_of(principal)


def _caller(arn: str | None) -> Principal | None:
    """The user that a request with CallerArn supposes to call."""
    if arn is None:
        return None
    match = _PRINCIPAL.fullmatch(arn)
    if match is None or match[2] != "user":
        raise AWSError("InvalidInput", f"Invalid caller: {arn}. Only the ARN of a user is allowed.")
    user = User.objects.filter(account_id=match[1], name__iexact=match[3]).first()
    if user is not None and user.arn == arn:
        return user_principal(user)
    return Principal("user", match[1], arn, "", match[3])


def _compiled(documents: Sequence[str], list_name: str) -> tuple[CompiledPolicy, ...]:
    found = []
    for number, document in enumerate(documents, 1):
        try:
            grammar.check_identity(document)
        except AWSError as reason:
            raise AWSError("InvalidInput", f"{list_name}.{number}: {reason.message}") from reason
        found.append(compile_policy(document, name=f"{list_name}.{number}", kind="identity"))
    return tuple(found)


def _boundary(documents: Sequence[str]) -> CompiledPolicy | None:
    for policy in _compiled(documents, "PermissionsBoundaryPolicyInputList"):
        return compile_policy(policy.text, name=policy.name, kind="boundary")
    return None


def _resource_policy(parameters: dict[str, Any]) -> CompiledPolicy | None:
    if _RESOURCE_POLICY not in parameters:
        return None
    try:
        return compile_policy(parameters[_RESOURCE_POLICY], name=_RESOURCE_POLICY, kind="resource")
    except MalformedPolicy as reason:
        raise AWSError("InvalidInput", f"{_RESOURCE_POLICY}: {reason.reason}") from reason


def _results(principal: Principal, policies: Policies, parameters: dict[str, Any]) -> Answer:
    """One result for each action: for every resource, and all in one."""
    values = {**principal_conditions(principal), **_given(parameters.get("ContextEntries", ()))}
    owner = parameters.get("ResourceOwner", "").split(":")
    scene = _Scene(principal, policies, values, owner[4] if len(owner) > 4 else "".join(owner))
    named = parameters.get("ResourceArns", ())
    resources = named or ("*",)  # API Reference, SimulateCustomPolicy, ResourceArns: "defaults to *"
    if len(parameters["ActionNames"]) * len(resources) > _MOST_CALLS:
        raise AWSError("InvalidInput", f"A request simulates up to {_MOST_CALLS} calls: actions times resources.")
    results = []
    for action in parameters["ActionNames"]:
        missing = _missing(scene, action)
        each = [_result(scene, action, resource, missing) for resource in resources]
        decisions = [result["EvalResourceDecision"] for result in each]
        worst = next((name for name in ("explicitDeny", "implicitDeny") if name in decisions), "allowed")
        first = next(result for result in each if result["EvalResourceDecision"] == worst)
        merged: Answer = {
            **{name: value for name, value in first.items() if not name.startswith("EvalResource")},
            "EvalActionName": action,
            "EvalResourceName": resources[0] if len(resources) == 1 else "*",
            "EvalDecision": worst,
        }
        if named:
            merged["ResourceSpecificResults"] = each
        results.append(merged)
    return entities.page(parameters, results, "EvaluationResults")


def _given(entries: Sequence[dict[str, Any]]) -> Values:
    """The condition keys of a request. Raises InvalidInput for a single-valued type with several values."""
    values: Values = {}
    for entry in entries:
        name, given = entry.get("ContextKeyName", ""), tuple(entry.get("ContextKeyValues", ()))
        if entry.get("ContextKeyType", "string").endswith("List"):
            values[name.lower()] = given
        elif len(given) == 1:
            values[name.lower()] = given[0]
        else:
            raise AWSError("InvalidInput", f"The context key {name} must have exactly one value for its type.")
    return values


def _result(scene: _Scene, action: str, resource: str, missing: list[str]) -> Answer:
    parts = resource.split(":", 5)
    account = scene.owner or (parts[4] if len(parts) == 6 and parts[4].isdigit() else scene.principal.account_id)
    request = Request(scene.principal, action, resource, account, scene.values)
    decision = _decide(request, scene.policies)
    result: Answer = {
        "EvalResourceName": resource,
        "EvalResourceDecision": "allowed" if decision.allowed else _DECISIONS[decision.reason == EXPLICIT_DENY],
        "MatchedStatements": list(_matched(scene, decision)),
        "MissingContextValues": missing,
    }
    if scene.policies.boundary is not None:
        alone = decide(request, Policies(identity=(scene.policies.boundary,)))
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": alone.allowed}
    if scene.policies.resource is not None and account != scene.principal.account_id:
        result["EvalDecisionDetails"] = _each_side(request, scene.policies)
    return result


def _decide(request: Request, policies: Policies) -> Decision:
    """KMS's rules for KMS; for other services, where a resource's policy need not let the account in, either policy is enough."""
    decision = decide(request, policies)
    same_account = request.principal.account_id == request.resource_account
    if decision.reason != NOT_ALLOWED or request.action.lower().startswith("kms:") or not same_account:
        return decision
    return decide(request, Policies(identity=policies.identity, boundary=policies.boundary))


def _each_side(request: Request, policies: Policies) -> dict[str, str]:
    """How a cross-account request fares with each side's policies alone."""
    identity = decide(request, Policies(identity=policies.identity, boundary=policies.boundary))
    everything = compile_policy(
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}', name="everything", kind="identity"
    )
    resource = decide(request, Policies(identity=(everything,), resource=policies.resource))
    return {
        name: "allowed" if found.allowed else _DECISIONS[found.reason == EXPLICIT_DENY]
        for name, found in (("IAM Policy", identity), ("Resource Policy", resource))
    }


def _matched(scene: _Scene, decision: Decision) -> Iterator[Answer]:
    """The statements that made the decision: the denying one, or all that allow."""
    if decision.allowed:
        policies = [
            policy for policy in (*decision.policies.identity, decision.policies.resource) if policy is not None
        ]
        found = [
            (policy, statement) for policy in policies for statement in matching(policy, decision) if statement.allows
        ]
    else:
        found = [(ref.policy, ref.statement) for ref in decision.deciding]
    for policy, statement in found:
        start, end = scene.span(policy, statement.index)
        yield {
            "SourcePolicyId": policy.name,
            "SourcePolicyType": "Resource Policy" if policy.kind == "resource" else "IAM Policy",
            "StartPosition": _position(policy.text, start),
            "EndPosition": _position(policy.text, end),
        }


def _position(text: str, offset: int) -> dict[str, int]:
    return {"Line": text.count("\n", 0, offset) + 1, "Column": offset - text.rfind("\n", 0, offset)}


def statement_spans(text: str) -> list[tuple[int, int]]:
    """Where each statement of a well-formed policy begins and ends, in characters."""
    decoder = json.JSONDecoder()
    spans: list[tuple[int, int]] = []
    at = text.index("{") + 1
    while True:
        at = _skip(text, at, ",")
        if text[at] == "}":
            return spans
        name, at = decoder.raw_decode(text, at)
        at = _skip(text, at, ":")
        in_list = name == "Statement" and text[at] == "["
        if in_list:
            at += 1
            while text[at := _skip(text, at, ",")] != "]":
                start = at
                _, at = decoder.raw_decode(text, at)
                spans.append((start, at))
            at += 1
        else:
            start = at
            _, at = decoder.raw_decode(text, at)
            if name == "Statement":
                spans.append((start, at))


def _skip(text: str, at: int, mark: str) -> int:
    while text[at] in f" \t\r\n{mark}":
        at += 1
    return at


def _missing(scene: _Scene, action: str) -> list[str]:
    policies = [
        policy for policy in (*scene.policies.identity, scene.policies.boundary, scene.policies.resource) if policy
    ]
    return [name for name in _keys_of(policies, action.lower()) if name.lower() not in scene.values]


def _keys_of(policies: Sequence[CompiledPolicy], action: str = "") -> list[str]:
    """The condition keys that policies ask for (those of statements about `action`), as they are written there."""
    found: dict[str, str] = {}
    for policy in policies:
        written = parse(policy.text)["Statement"]
        for statement in policy.statements:
            if not action or statement.about_action(action):
                body = written[statement.index] if isinstance(written, list) else written
                for name in _keys_in(body):
                    found.setdefault(name.lower(), name)
    return sorted(found.values())


def _keys_in(statement: dict[str, Any]) -> Iterator[str]:
    texts = [statement.get("Resource", ""), statement.get("NotResource", "")]
    for keys in statement.get("Condition", {}).values():
        yield from keys
        texts += keys.values()
    for text in texts:
        for each in text if isinstance(text, list) else [text]:
            yield from (name.strip() for name in _VARIABLE.findall(str(each)) if name.strip() not in ("*", "?", "$"))
