"""STS: who am I, temporary credentials, assumed roles. Source: AWS STS API Reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import authorization_message, credentials, federation, session_parameters
from engine.iam import mfa as mfa_codes
from engine.iam.authorize import authorize
from engine.iam.condition_keys import REQUEST_TAG, TAG_KEYS
from engine.iam.models import AccessKey, Account, Role, User
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]


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
    made = credentials.create_session(user, duration, mfa=mfa)
    return session_parameters.told(context, {"Credentials": session_parameters.entry(made)})


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


def assume_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Source: AWS STS API Reference, AssumeRole; IAM User Guide, "Pass session tags in AWS STS" and "Role chaining"."""
    if context.principal.kind == "root":
        raise AWSError("AccessDenied", "Roles may not be assumed by root accounts.")
    arn, name = parameters["RoleArn"], parameters["RoleSessionName"]
    role = session_parameters.role_of(arn)
    given = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
    source_identity = _source_identity(context, parameters)
    mfa = _with_mfa(context, parameters)
    if role is None or role.account_id != context.account_id:
        role = _permit_elsewhere(context, arn, role, parameters, given, mfa)
    else:
        session_parameters.permit(context, role, parameters, given, conditions=_mfa_conditions(mfa))
    duration = session_parameters.duration_of(context, role, parameters)
    inherited = session_parameters.inherited_tags(context)
    session_parameters.check_tags(parameters, inherited)
    documents = session_parameters.session_policies(role.account_id, parameters)
    packed = session_parameters.packed_size(parameters)
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
    context.touches_role(role.arn, role.account_id)
    answer = session_parameters.role_answer(role, name, made, source_identity=source_identity, packed=packed)
    return session_parameters.told(context, answer)


def _from_console_with_mfa(context: CallContext) -> bool:
    """A role that is taken on the console's pages is taken by the sign-in, with the second factor that this had."""
    session = context.principal.session
    return session is not None and bool(session.console_session) and session.mfa


def _mfa_conditions(mfa: bool) -> dict[str, str | tuple[str, ...]]:
    """What a call with a second factor of its own tells the trust policy."""
    return {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "0"} if mfa else {}


def _permit_elsewhere(
    context: CallContext, arn: str, role: Role | None, parameters: dict[str, Any], tags: dict[str, str], mfa: bool
) -> Role:
    """As `_permit`; of another account's role the refusal is the same whether it is there or not."""
    account_id = arn.split(":")[4]
    try:
        if role is not None:
            session_parameters.permit(context, role, parameters, tags, conditions=_mfa_conditions(mfa))
            return role
    except AWSError as error:
        if not error.code.startswith("AccessDenied"):
            raise
    if account_id != context.account_id:
        path, _, name = arn.split(":", 5)[5].removeprefix("role").rpartition("/")
        session_parameters.permit(
            context,
            Role(account_id=account_id, path=f"{path}/", name=name, trust_policy=_NOBODY),
            parameters,
            tags,
            conditions=_mfa_conditions(mfa),
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


def _source_identity(context: CallContext, parameters: dict[str, Any]) -> str:
    """It stays what it is along a chain of roles; once set it cannot be changed."""
    session = context.principal.session
    before = session.source_identity if session is not None else ""
    wanted: str = parameters.get("SourceIdentity", before)
    if before and wanted != before:
        raise AWSError("AccessDenied", "The source identity of the calling session cannot be changed.")
    return wanted


def get_access_key_info(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Of temporary and deleted access keys too (API Reference, GetAccessKeyInfo), of which the ID is all there is."""
    authorize(context, "sts:GetAccessKeyInfo")
    access_key_id = parameters["AccessKeyId"]
    row = AccessKey.objects.select_related("user").filter(access_key_id=access_key_id).first()
    if row is not None:
        return {"Account": row.user.account_id}
    account_id = credentials.account_of(access_key_id)
    if not Account.objects.filter(account_id=account_id).exists():
        raise AWSError("ValidationError", f"Access key {access_key_id} is not known.")
    return {"Account": account_id}


def get_federation_token(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Source: AWS STS API Reference, GetFederationToken; IAM User Guide, "Permissions for GetFederationToken"."""
    principal, name = context.principal, parameters["Name"]
    if principal.kind != "user" or principal.session is not None:
        raise AWSError("AccessDenied", "Cannot call GetFederationToken with session credentials")
    arn = f"arn:aws:sts::{context.account_id}:federated-user/{name}"
    tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
    known = REQUEST_TAG.given_each(tags) | TAG_KEYS.given(tags) if tags else {}
    for action in ("sts:GetFederationToken", *(("sts:TagSession",) if tags else ())):
        authorize(context, action, resource=arn, conditions=lambda: known)
    session_parameters.check_tags(parameters, {})
    documents = session_parameters.session_policies(context.account_id, parameters)
    packed = session_parameters.packed_size(parameters)
    user = User.objects.get(unique_id=principal.unique_id)
    made = credentials.create_session(
        user,
        timedelta(seconds=parameters.get("DurationSeconds", 12 * 3600)),
        name=name,
        policies=documents,
        tags=tags,
        federated_user=True,
    )
    answer: Answer = {
        "Credentials": session_parameters.entry(made),
        "FederatedUser": {"FederatedUserId": f"{context.account_id}:{name}", "Arn": arn},
    }
    if packed:
        answer["PackedPolicySize"] = packed
    return session_parameters.told(context, answer)


def decode_authorization_message(context: CallContext, parameters: dict[str, Any]) -> Answer:
    authorize(context, "sts:DecodeAuthorizationMessage")
    try:
        return {"DecodedMessage": authorization_message.decode(context.account_id, parameters["EncodedMessage"])}
    except ValueError as reason:
        raise AWSError("InvalidAuthorizationMessageException", "Message is not valid") from reason


OPERATIONS: dict[str, Operation] = {
    **federation.OPERATIONS,
    "DecodeAuthorizationMessage": Operation(decode_authorization_message),
    "GetFederationToken": Operation(get_federation_token),
    "AssumeRole": Operation(assume_role),
    "GetAccessKeyInfo": Operation(get_access_key_info),
    "GetCallerIdentity": Operation(get_caller_identity),
    "GetSessionToken": Operation(get_session_token),
}
