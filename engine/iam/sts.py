"""STS: who am I, temporary credentials, assumed roles. Source: AWS STS API Reference."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import credentials, grammar, policy_lookup
from engine.iam import mfa as mfa_codes
from engine.iam.authorize import authorize
from engine.iam.models import AccessKey, Role, User
from engine.iam.policy import stored_policy
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_DEFAULT_SECONDS = _CHAINED_SECONDS = 3600
_POLICY_ARNS = 10
_PACKED_BYTES = 2048


def get_caller_identity(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Needs no permission."""
    principal = context.principal
    return {"UserId": principal.unique_id, "Account": principal.account_id, "Arn": principal.arn}


def get_session_token(context: CallContext, parameters: dict[str, Any]) -> Answer:
    if context.principal.kind != "user" or context.principal.session is not None:
        raise AWSError("AccessDenied", "Cannot call GetSessionToken with session credentials")
    mfa = _with_mfa(context, parameters)
    user = User.objects.get(unique_id=context.principal.unique_id)
    duration = timedelta(seconds=parameters.get("DurationSeconds", 12 * 3600))
    return {"Credentials": _entry(credentials.create_session(user, duration, mfa=mfa))}


def _with_mfa(context: CallContext, parameters: dict[str, Any]) -> bool:
    """Whether the caller gave a second factor with the call. Raises AccessDenied for a wrong one."""
    serial_number, code = parameters.get("SerialNumber"), parameters.get("TokenCode")
    if serial_number is None and code is None:
        return False
    if serial_number is None or code is None:
        raise _mfa_failed(", must provide both MFA serial number and one time pass code.")
    user = User.objects.filter(unique_id=context.principal.unique_id).first()
    device = mfa_codes.device_of(user, serial_number) if user is not None else None
    if device is None:
        raise _mfa_failed(
            ", unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
        )
    if not mfa_codes.verify(device, code):
        raise _mfa_failed(" with invalid MFA one time pass code.")
    return True


def _mfa_failed(words: str) -> AWSError:
    return AWSError("AccessDenied", f"MultiFactorAuthentication failed{words}")


def _entry(made: credentials.TemporaryCredentials) -> Answer:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expiration,
    }


def assume_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Source: AWS STS API Reference, AssumeRole; IAM User Guide, "Pass session tags in AWS STS" and "Role chaining"."""
    arn, name = parameters["RoleArn"], parameters["RoleSessionName"]
    role = _role(arn)
    given = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
    source_identity = _source_identity(context, parameters)
    mfa = _with_mfa(context, parameters)
    if role is None or role.account_id != context.account_id:
        role = _permit_elsewhere(context, arn, role, parameters, given, mfa)
    else:
        _permit(context, role, parameters, given, mfa)
    duration = _duration(context, role, parameters)
    inherited = _inherited(context)
    _check_tags(parameters, inherited)
    documents = _session_policies(role, parameters)
    packed = _packed_size(parameters)
    made = credentials.create_session(
        role,
        timedelta(seconds=duration),
        name=name,
        policies=documents,
        tags={**inherited, **given},
        transitive=[*inherited, *parameters.get("TransitiveTagKeys", [])],
        mfa=mfa or _from_console_with_mfa(context),
        source_identity=source_identity,
        console_session=context.principal.session.console_session if context.principal.session is not None else "",
    )
    answer: Answer = {
        "Credentials": _entry(made),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.unique_id}:{name}",
            "Arn": f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{name}",
        },
    }
    if source_identity:
        answer["SourceIdentity"] = source_identity
    if packed:
        answer["PackedPolicySize"] = packed
    return answer


def _from_console_with_mfa(context: CallContext) -> bool:
    """A role that is taken on the console's pages is taken by the sign-in, with the second factor that this had."""
    session = context.principal.session
    return session is not None and bool(session.console_session) and session.mfa


def _role(arn: str) -> Role | None:
    """Raises ValidationError for what is no role's ARN."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AWSError("ValidationError", f"{arn} is invalid")
    path, _, name = parts[5].removeprefix("role").rpartition("/")
    return Role.objects.filter(account_id=parts[4], path=path + "/", name=name).first()


def _permit_elsewhere(
    context: CallContext, arn: str, role: Role | None, parameters: dict[str, Any], tags: dict[str, str], mfa: bool
) -> Role:
    """As `_permit`; of another account's role the refusal is the same whether it is there or not."""
    account_id = arn.split(":")[4]
    try:
        if role is not None:
            _permit(context, role, parameters, tags, mfa)
            return role
    except AWSError as error:
        if not error.code.startswith("AccessDenied"):
            raise
    if account_id != context.account_id:
        path, _, name = arn.split(":", 5)[5].removeprefix("role").rpartition("/")
        _permit(
            context,
            Role(account_id=account_id, path=f"{path}/", name=name, trust_policy=_NOBODY),
            parameters,
            tags,
            mfa,
        )
    raise AWSError(
        "AccessDenied",
        f"User: {context.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )


# The trust policy of a role that is not there. A policy has a statement: this one is about an action that there is not.
_NOBODY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:Nothing", '
    '"Principal": {"AWS": "000000000000"}}]}'
)


def _permit(context: CallContext, role: Role, parameters: dict[str, Any], tags: dict[str, str], mfa: bool) -> None:
    """The caller's policies and the role's trust policy must allow AssumeRole, and what else the call does to the session."""
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
    }
    if tags:
        known["aws:tagkeys"] = tuple(tags)
    if "TransitiveTagKeys" in parameters:
        known["sts:transitivetagkeys"] = tuple(parameters["TransitiveTagKeys"])
    if mfa:  # of this very call
        known |= {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "0"}
    for member in ("ExternalId", "SourceIdentity"):
        if member in parameters:
            known[f"sts:{member.lower()}"] = parameters[member]
    actions = ["sts:AssumeRole"]
    actions += ["sts:SetSourceIdentity"] if "SourceIdentity" in parameters else []
    actions += ["sts:TagSession"] if tags else []
    for action in actions:
        authorize(
            context,
            action,
            resource=role.arn,
            resource_account=role.account_id,
            resource_policy=trust,
            conditions=lambda: known,
        )


def _duration(context: CallContext, role: Role, parameters: dict[str, Any]) -> int:
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


def _source_identity(context: CallContext, parameters: dict[str, Any]) -> str:
    """It stays what it is along a chain of roles; once set it cannot be changed."""
    session = context.principal.session
    before = session.source_identity if session is not None else ""
    wanted: str = parameters.get("SourceIdentity", before)
    if before and wanted != before:
        raise AWSError("AccessDenied", "The source identity of the calling session cannot be changed.")
    return wanted


def _inherited(context: CallContext) -> dict[str, str]:
    """The transitive tags of the calling session."""
    session = context.principal.session
    return {name: session.tags[name] for name in session.transitive} if session is not None else {}


def _check_tags(parameters: dict[str, Any], inherited: dict[str, str]) -> None:
    names = [tag["Key"].lower() for tag in parameters.get("Tags", [])]
    if len(set(names)) != len(names):
        raise AWSError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if not {name.lower() for name in parameters.get("TransitiveTagKeys", [])} <= set(names):
        raise AWSError(
            "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
        )
    if set(names) & {name.lower() for name in inherited}:
        raise AWSError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
        )


def _session_policies(role: Role, parameters: dict[str, Any]) -> list[str]:
    """The documents that narrow the session. Raises MalformedPolicyDocument."""
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
            documents.append(policy_lookup.managed_document(role.account_id, arn))
        except LookupError as reason:
            raise AWSError("MalformedPolicyDocument", f"Policy {arn} does not exist.") from reason
    return documents


def _packed_size(parameters: dict[str, Any]) -> int:
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


def get_access_key_info(context: CallContext, parameters: dict[str, Any]) -> Answer:
    authorize(context, "sts:GetAccessKeyInfo")
    row = AccessKey.objects.select_related("user").filter(access_key_id=parameters["AccessKeyId"]).first()
    if row is None:
        raise AWSError("ValidationError", f"Access key {parameters['AccessKeyId']} is not known.")
    return {"Account": row.user.account_id}


OPERATIONS: dict[str, Operation] = {
    "AssumeRole": Operation(assume_role),
    "GetAccessKeyInfo": Operation(get_access_key_info),
    "GetCallerIdentity": Operation(get_caller_identity),
    "GetSessionToken": Operation(get_session_token),
}
