"""What IAM refuses when a policy is saved, in its words and in its order; what is saved is then compiled (engine.iam.policy).

Only new documents come here: a stored one is never refused. Source: IAM User Guide, "Grammar of the IAM JSON policy language"; the
sentences and which of several comes first are those that AWS was recorded to answer (LocalStack's snapshots, moto's validator tests).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.iam import conditions, patterns, principal_ids, quotas
from engine.iam.dates import parse_date
from engine.iam.policy import VERSIONS, MalformedPolicy, compile_policy, completed, parse
from engine.wire.errors import AWSError

_SYNTAX = "Syntax errors in policy."
_LEGACY = "The policy failed legacy parsing"
_STATEMENT = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})
_VENDOR = re.compile(r"[A-Za-z0-9.-]+")
_PARTITION = re.compile(r"aws[a-z-]*")
_IN_PART = frozenset("*?$")  # with one of these a part of an ARN may become anything
# What of S3 has a Region in its ARN. Source: Service Authorization Reference, "Resource types defined by Amazon S3".
_S3_IN_REGIONS = (
    *("accesspoint", "access-grants/", "async-request/", "job/", "storage-lens/", "storage-lens-group/"),
    *("*", "?", "$"),
)
_IAM_PATHS = (
    "user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, "
    "saml-provider/, oidc-provider/, report/, access-report/"
)
_TRUST_ACTIONS = (
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:setcontext",
    "sts:setsourceidentity",
    "sts:tagsession",
)


def _refuse(reason: str) -> AWSError:
    return AWSError("MalformedPolicyDocument", reason)


def check_identity(text: str, *, managed: bool = False) -> None:
    """Raise MalformedPolicyDocument unless `text` may become an inline, session or (`managed`) managed policy."""
    try:
        document = parse(text)
    except MalformedPolicy as reason:
        raise _refuse(_SYNTAX) from reason
    statements = list(_statements(document))
    if managed and document.get("Version") != VERSIONS[0]:
        raise _refuse("Policy document must be version 2012-10-17 or greater.")
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(sids) != len(set(sids)):
        raise _refuse("Statement IDs (SID) in a single policy must be unique.")
    for check in (_legacy, _resources, _actions, _present):
        for statement in statements:
            check(statement)
    try:
        compile_policy(text, name="", kind="identity")
    except MalformedPolicy as reason:
        raise _refuse(reason.reason) from reason


def check_session(text: str) -> None:
    """As `check_identity`; an ARN in a session policy must be complete (IAM User Guide, "Policy elements: Resource")."""
    check_identity(text)
    for statement in _statements(parse(text)):
        for resource in _listed(statement, "Resource", "NotResource"):
            if completed(resource) != resource:
                raise _refuse(_LEGACY)


def check_managed(text: str) -> None:
    """As `check_identity`, and LimitExceeded for one that is too long."""
    check_identity(text, managed=True)
    quotas.hold("PolicySize", quotas.size(text))


def _statements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements, whose members are of the right types."""
    if set(document) - {"Version", "Id", "Statement"} or document.get("Version", VERSIONS[1]) not in VERSIONS:
        raise _refuse(_SYNTAX)
    if not isinstance(document.get("Id", ""), str):
        raise _refuse(_SYNTAX)
    written = document.get("Statement")
    listed: list[Any] = written if isinstance(written, list) else [written]
    if not listed or not all(isinstance(statement, dict) for statement in listed):
        raise _refuse(_SYNTAX)
    for statement in listed:
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _refuse("Policy document should not specify a principal.")
        if not _well_formed(statement):
            raise _refuse(_SYNTAX)
        yield statement


def _well_formed(statement: Mapping[str, Any]) -> bool:
    if set(statement) - _STATEMENT or not isinstance(statement.get("Sid", ""), str):
        return False
    effect = statement.get("Effect")
    if not isinstance(effect, str) or effect.lower() not in ("allow", "deny"):
        return False
    for name, negated in (("Action", "NotAction"), ("Resource", "NotResource")):
        if name in statement and negated in statement:
            return False
        if not all(isinstance(each, str) for each in _listed(statement, name, negated)):
            return False
    return _well_formed_condition(statement.get("Condition", {}))


def _well_formed_condition(block: Any) -> bool:
    if not isinstance(block, dict) or not all(isinstance(keys, dict) for keys in block.values()):
        return False
    for operator, keys in block.items():
        for values in keys.values():
            listed = values if isinstance(values, list) else [values]
            if not all(isinstance(value, str | int | float | bool) for value in listed):
                return False
        if keys and not conditions.exists(operator):
            return False
    return True


def _listed(statement: Mapping[str, Any], name: str, negated: str) -> list[Any]:
    value = statement.get(name, statement.get(negated, []))
    return value if isinstance(value, list) else [value]


def _legacy(statement: Mapping[str, Any]) -> None:
    """What the older of IAM's two parsers stumbles over."""
    if statement["Effect"] not in ("Allow", "Deny"):
        raise _refuse(_LEGACY)
    for resource in _listed(statement, "Resource", "NotResource"):
        parts = resource.split(":", 5)
        cut_short = (
            len(parts) < 6 and "::" in resource
        )  # without an empty part a short ARN is completed (policy.completed)
        if len(parts) > 3 and _partition(parts[1]) and (cut_short or not parts[2]):
            raise _refuse(_LEGACY)
    for operator, keys in statement.get("Condition", {}).items():
        if "date" not in operator.lower():
            continue
        for values in keys.values():
            for value in values if isinstance(values, list) else [values]:
                if parse_date(str(value)) is None:
                    raise _refuse(_LEGACY)


def _resources(statement: Mapping[str, Any]) -> None:
    for resource in _listed(statement, "Resource", "NotResource"):
        if resource == "*":
            continue
        parts = resource.split(":", 5)
        if len(parts) == 1:
            raise _refuse(f'Resource {resource} must be in ARN format or "*".')
        if not _partition(parts[1]):
            shown = ":".join([*parts[1:], "*", "*", "*", "*"][:5])
            raise _refuse(f'Partition "{parts[1]}" is not valid for resource "arn:{shown}".')
        if len(parts) == 2 or "*" in parts[2] or "?" in parts[2]:
            raise _refuse("Resource vendor must be fully qualified and cannot contain regexes.")
        if len(parts) == 6:
            _known_service(resource, parts[2], parts[3], parts[5])


def _known_service(resource: str, service: str, region: str, path: str) -> None:
    if service == "iam" and region:
        raise _refuse(f"IAM resource {resource} cannot contain region information.")
    if service == "s3" and region and not path.startswith(_S3_IN_REGIONS):
        raise _refuse(f"Resource {resource} can not contain region information.")
    if service == "iam" and not path.startswith(("*", "?", "$", "root", *_IAM_PATHS.split(", "))):
        raise _refuse(f'IAM resource path must either be "*" or start with {_IAM_PATHS}.')


def _partition(text: str) -> bool:
    return _PARTITION.fullmatch(text) is not None or not _IN_PART.isdisjoint(text)


def _actions(statement: Mapping[str, Any]) -> None:
    for action in _listed(statement, "Action", "NotAction"):
        if action == "*":
            continue
        vendor, colon, name = action.partition(":")
        if not colon:
            raise _refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        if ":" in name:
            raise _refuse("Actions/Condition can contain only one colon.")
        if not _VENDOR.fullmatch(vendor):
            raise _refuse(f"Vendor {vendor} is not valid")


def _present(statement: Mapping[str, Any]) -> None:
    if not _listed(statement, "Action", "NotAction"):
        raise _refuse("Policy statement must contain actions.")
    if not _listed(statement, "Resource", "NotResource"):
        raise _refuse("Policy statement must contain resources.")


def check_trust(text: str) -> dict[str, str]:
    """The pins (engine.iam.principal_ids) of a role's trust policy. Raises MalformedPolicyDocument, LimitExceeded."""
    try:
        document = parse(text)
    except MalformedPolicy as reason:
        raise _refuse("This policy contains invalid Json") from reason
    if not isinstance(document.get("Id", ""), str):
        raise _refuse(_SYNTAX)
    written = document.get("Statement")
    for statement in written if isinstance(written, list) else [written]:
        if not isinstance(statement, dict):
            raise _refuse(_SYNTAX)
        for prohibited in ("Resource", "NotResource", "NotPrincipal"):
            if prohibited in statement:
                raise _refuse(f"Has prohibited field {prohibited}")
        if not statement.get("Principal"):
            raise _refuse("Missing required field Principal cannot be empty!")
        actions = _listed(statement, "Action", "NotAction")
        if not all(isinstance(action, str) and _assumes_a_role(action) for action in actions):
            raise _refuse("AssumeRole policy may only specify STS AssumeRole actions.")
    quotas.hold("ACLSizePerRole", quotas.size(text))
    try:
        return principal_ids.pin_policy(compile_policy(text, name="", kind="trust"))
    except MalformedPolicy as reason:
        raise _refuse(reason.reason) from reason
    except principal_ids.UnknownPrincipal as reason:
        name, kind = reason.args
        raise _refuse(f'Invalid principal in policy: "{kind}":"{name}"') from reason


def _assumes_a_role(action: str) -> bool:
    pattern = patterns.glob(action.lower())
    return action.lower().startswith("sts:") and any(pattern.match(known) for known in _TRUST_ACTIONS)
