"""STS: who am I, temporary credentials, assumed roles. Source: AWS STS API Reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import attached, credentials
from engine.iam.authorize import authorize
from engine.iam.models import AccessKey, Role, User
from engine.iam.policy import MalformedPolicy, compile_policy
from engine.service import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_CHAINED_SECONDS = 3600


def get_caller_identity(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Needs no permission."""
    principal = context.principal
    return {"UserId": principal.unique_id, "Account": principal.account_id, "Arn": principal.arn}


def get_session_token(context: CallContext, parameters: dict[str, Any]) -> Answer:
    if context.principal.kind != "user" or context.principal.session is not None:
        raise AWSError("AccessDenied", "Cannot call GetSessionToken with session credentials")
    user = User.objects.get(unique_id=context.principal.unique_id)
    duration = timedelta(seconds=parameters.get("DurationSeconds", 12 * 3600))
    return {"Credentials": _entry(credentials.create_session(user, duration))}


def _entry(made: credentials.TemporaryCredentials) -> Answer:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expiration,
    }


def assume_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["RoleArn"]
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AWSError("ValidationError", f"{arn} is invalid")
    path, _, name = parts[5].removeprefix("role").rpartition("/")
    role = Role.objects.filter(account_id=parts[4], path=path + "/", name=name).first()
    trust = (
        compile_policy(
            role.trust_policy,
            name=f"trust policy of {name}",
            kind="trust",
            pins=tuple(sorted(role.trust_pins.items())),
            source=role.arn,
        )
        if role is not None
        else None
    )
    tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
    if role is None or trust is None:
        raise AWSError(
            "AccessDenied",
            f"User: {context.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        )
    authorize(
        context,
        "sts:AssumeRole",
        resource=arn,
        resource_account=role.account_id,
        resource_policy=trust,
        conditions=lambda: {
            "sts:rolesessionname": parameters["RoleSessionName"],
            **({"sts:externalid": parameters["ExternalId"]} if "ExternalId" in parameters else {}),
            **({"sts:sourceidentity": parameters["SourceIdentity"]} if "SourceIdentity" in parameters else {}),
            **({"aws:tagkeys": tuple(tags)} if tags else {}),
            **{f"aws:requesttag/{name.lower()}": value for name, value in tags.items()},
        },
    )
    duration = parameters.get("DurationSeconds", 3600)
    chained = context.principal.kind == "assumed-role"
    if duration > role.max_session_duration or (chained and duration > _CHAINED_SECONDS):
        raise AWSError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            if chained
            else "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    made = credentials.create_session(
        role,
        timedelta(seconds=duration),
        name=parameters["RoleSessionName"],
        policies=_session_policies(role, parameters),
        tags=tags,
        source_identity=parameters.get("SourceIdentity", ""),
    )
    answer: Answer = {
        "Credentials": _entry(made),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.unique_id}:{parameters['RoleSessionName']}",
            "Arn": f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{parameters['RoleSessionName']}",
        },
    }
    if "SourceIdentity" in parameters:
        answer["SourceIdentity"] = parameters["SourceIdentity"]
    if "Policy" in parameters or "PolicyArns" in parameters:
        answer["PackedPolicySize"] = min(100, len(parameters.get("Policy", "")) * 100 // 2048)
    return answer


def _session_policies(role: Role, parameters: dict[str, Any]) -> list[str]:
    documents = [parameters["Policy"]] if "Policy" in parameters else []
    for entry in parameters.get("PolicyArns", []):
        try:
            documents.append(attached.managed_document(role.account_id, entry["arn"]))
        except LookupError as reason:
            raise AWSError("MalformedPolicyDocument", f"Policy {entry['arn']} does not exist.") from reason
    for document in documents:
        try:
            compile_policy(document, name="session policy", kind="session")
        except MalformedPolicy as reason:
            raise AWSError("MalformedPolicyDocument", reason.reason) from reason
    return documents


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
