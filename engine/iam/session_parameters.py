"""What the operations that make temporary credentials share: who may, for how long, with which policies and tags.

Source: AWS STS API Reference; IAM User Guide, "Pass session tags in AWS STS" and "Session policies".
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from engine.context import CallContext
from engine.iam import credentials, grammar, policy_lookup
from engine.iam.authorize import authorize
from engine.iam.models import Role
from engine.iam.policy import stored_policy
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_DEFAULT_SECONDS = _CHAINED_SECONDS = 3600
_POLICY_ARNS = 10
_PACKED_BYTES = 2048


def entry(made: credentials.TemporaryCredentials) -> Answer:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expiration,
    }


def role_answer(
    role: Role, name: str, made: credentials.TemporaryCredentials, *, source_identity: str, packed: int
) -> Answer:
    """What the operations answer that give a session of a role."""
    answer: Answer = {
        "Credentials": entry(made),
        "AssumedRoleUser": {"AssumedRoleId": f"{role.unique_id}:{name}", "Arn": role.session_arn(name)},
    }
    if source_identity:
        answer["SourceIdentity"] = source_identity
    if packed:
        answer["PackedPolicySize"] = packed
    return answer


def told(context: CallContext, answer: Answer) -> Answer:
    """The answer with a session's credentials, of which the record shows what CloudTrail's does, but for the secret key and the token:
    by the access key ID the session's calls are found. Source: IAM User Guide, "Example AWS STS API events in CloudTrail log"."""

    def shown(members: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{name[0].lower()}{name[1:]}": value for name, value in members.items()}

    made = answer["Credentials"]
    ends = made["Expiration"].astimezone(UTC)
    context.response_elements = {
        "credentials": {
            "accessKeyId": made["AccessKeyId"],
            "expiration": f"{ends:%b} {ends.day}, {ends.year}, {ends.hour % 12 or 12}:{ends:%M:%S} {ends:%p}",
        },
        **shown(
            {
                name: shown(value) if isinstance(value, dict) else value
                for name, value in answer.items()
                if name != "Credentials"
            }
        ),
    }
    return answer


def role_of(arn: str) -> Role | None:
    """Raises ValidationError for what is no role's ARN."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AWSError("ValidationError", f"{arn} is invalid")
    path, _, name = parts[5].removeprefix("role").rpartition("/")
    return Role.objects.filter(account_id=parts[4], path=path + "/", name=name).first()


def permit(
    context: CallContext,
    role: Role,
    parameters: dict[str, Any],
    tags: Mapping[str, str],
    *,
    action: str = "sts:AssumeRole",
    conditions: Mapping[str, str | tuple[str, ...]] | None = None,
) -> None:
    """The caller's policies and the role's trust policy must allow it to be assumed, and what else the call does to the session.

    `conditions`: the condition keys beyond those of the request's members. Tags that the calling session hands on tag the new one as well:
    else whoever a role trusts could choose its tags, and with them what policies by tags allow it.
    """
    trust = stored_policy(
        role.trust_policy,
        name=f"trust policy of {role.name}",
        kind="trust",
        pins=tuple(sorted(role.trust_pins.items())),
        source=role.arn,
    )
    known: dict[str, str | tuple[str, ...]] = {
        "sts:rolesessionname": parameters["RoleSessionName"],
        **{f"aws:requesttag/{name.lower()}": value for name, value in tags.items()},
        **{f"aws:resourcetag/{name.lower()}": value for name, value in role.tags.items()},
        **{f"iam:resourcetag/{name.lower()}": value for name, value in role.tags.items()},
        **(conditions or {}),
    }
    if tags:
        known["aws:tagkeys"] = tuple(tags)
    if "TransitiveTagKeys" in parameters:
        known["sts:transitivetagkeys"] = tuple(parameters["TransitiveTagKeys"])
    if "DurationSeconds" in parameters:
        known["sts:durationseconds"] = str(parameters["DurationSeconds"])
    for member in ("ExternalId", "SourceIdentity"):
        if member in parameters:
            known[f"sts:{member.lower()}"] = parameters[member]
    actions = [action]
    actions += ["sts:SetSourceIdentity"] if "SourceIdentity" in parameters else []
    actions += ["sts:TagSession"] if tags or inherited_tags(context) else []
    for each in actions:
        authorize(
            context,
            each,
            resource=role.arn,
            resource_account=role.account_id,
            resource_policy=trust,
            conditions=lambda: known,
        )


def inherited_tags(context: CallContext) -> dict[str, str]:
    """The transitive tags of the calling session."""
    session = context.principal.session
    return {name: session.tags[name] for name in session.transitive} if session is not None else {}


def duration_of(context: CallContext, role: Role, parameters: dict[str, Any]) -> int:
    seconds: int = parameters.get("DurationSeconds", _DEFAULT_SECONDS)
    if context.principal.kind == "assumed-role" and seconds > _CHAINED_SECONDS:
        raise AWSError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    if seconds > role.max_session_duration:
        raise AWSError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return seconds


def check_tags(parameters: dict[str, Any], inherited: dict[str, str]) -> None:
    names = [tag["Key"].lower() for tag in parameters.get("Tags", [])]
    if len(set(names)) != len(names):
        raise AWSError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if any(name.startswith("aws:") for name in names):
        raise AWSError("InvalidParameterValue", "Tag keys beginning with aws: are reserved.")
    if not {name.lower() for name in parameters.get("TransitiveTagKeys", [])} <= set(names):
        raise AWSError(
            "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
        )
    if set(names) & {name.lower() for name in inherited}:
        raise AWSError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
        )


def session_policies(account_id: str, parameters: dict[str, Any]) -> list[str]:
    """What narrows the session: a document, and the ARNs of managed policies. Raises MalformedPolicyDocument."""
    arns = []
    for number, entry in enumerate(parameters.get("PolicyArns", ()), 1):
        if "arn" not in entry:  # the model does not require it
            raise AWSError(
                "ValidationError",
                f"1 validation error detected: Value null at 'policyArns.{number}.member.arn' failed to satisfy constraint: "
                "Member must not be null",
            )
        arns.append(entry["arn"])
    if len(arns) > _POLICY_ARNS:
        raise AWSError(
            "ValidationError",
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_POLICY_ARNS}",
        )
    documents = []
    if "Policy" in parameters:
        grammar.check_session(parameters["Policy"])
        documents.append(parameters["Policy"])
    for arn in arns:
        try:
            policy_lookup.managed_document(account_id, arn)
        except LookupError as reason:
            raise AWSError("MalformedPolicyDocument", f"Policy {arn} does not exist.") from reason
    return documents + arns


def packed_size(parameters: dict[str, Any]) -> int:
    """How much of the room for policies and tags a session takes, in percent; 0 if it brings none.

    AWS's packing is its own and not published: what is measured here is the zlib-compressed size. Raises PackedPolicyTooLarge.
    """
    brought = [parameters[member] for member in ("Policy", "PolicyArns", "Tags") if parameters.get(member)]
    if not brought:
        return 0
    percent = -(-len(zlib.compress(json.dumps(brought).encode())) * 100 // _PACKED_BYTES)
    if percent > 100:
        raise AWSError(
            "PackedPolicyTooLarge", f"Packed policy consumes {percent}% of allotted space, please use smaller policy."
        )
    return percent
