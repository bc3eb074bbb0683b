"""STS for who has no credentials here: AssumeRoleWithWebIdentity and AssumeRoleWithSAML.

The request is not signed; what it brings says who asks, and the role's trust policy decides. Source: AWS STS API Reference; IAM User Guide,
"Create a role for OpenID Connect federation", "Pass session tags in AWS STS".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import credentials, saml_identity, session_parameters, web_identity
from engine.iam.credentials import TemporaryCredentials
from engine.iam.models import Role
from engine.iam.principal import Principal
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
WEB, SAML = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"
_CLAIMS = "https://aws.amazon.com/"
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG_KEY, _TAG_VALUE, _MOST_TAGS = 128, 256, 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What an identity provider says of the session. `conditions`: the keys of the trust policy; `kept`: those that stay with the session."""

    principal: Principal
    action: str
    session_name: str
    conditions: Mapping[str, str | tuple[str, ...]]
    kept: Mapping[str, str | tuple[str, ...]]
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""


def assume_role_with_web_identity(context: CallContext, parameters: dict[str, Any]) -> Answer:
    role = _role(context, parameters)
    if "ProviderId" in parameters:  # those are OAuth 2.0 access tokens of two providers that AWS knows by itself
        raise web_identity.invalid("ProviderId is not supported: an OpenID Connect ID token names its provider itself.")
    identity = web_identity.check(context.account_id, parameters["WebIdentityToken"])
    asked = of_web_identity(identity, parameters["RoleSessionName"])
    _made, answer = become(context, role, asked, parameters)
    answer |= {
        "SubjectFromWebIdentityToken": identity.subject,
        "Provider": identity.provider.arn,
        "Audience": identity.audience,
    }
    return session_parameters.told(context, answer)


def of_web_identity(identity: web_identity.Identity, session_name: str) -> Asked:
    """The session that a token asks for. Source: IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity"."""
    said = identity.claims.get(f"{_CLAIMS}tags")
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    if said is not None:
        try:
            tags = {str(name): str(_single(value)) for name, value in said["principal_tags"].items()}
            transitive = tuple(str(name) for name in said.get("transitive_tag_keys", ()))
        except (AttributeError, KeyError, TypeError, ValueError) as reason:
            raise web_identity.invalid("The session tags of the token are not as they have to be.") from reason
    source_identity = str(identity.claims.get(f"{_CLAIMS}source_identity", ""))
    _check(tags, source_identity)
    return Asked(
        identity.principal(),
        WEB,
        session_name,
        identity.conditions,
        identity.session_conditions,
        tags,
        transitive,
        source_identity,
    )


def _single(value: Any) -> Any:
    (only,) = value if isinstance(value, list) else [value]
    return only


def _check(tags: Mapping[str, str], source_identity: str) -> None:
    if source_identity and (not _NAME.fullmatch(source_identity) or source_identity.startswith("aws:")):
        raise web_identity.invalid('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"')
    names = {name.lower() for name in tags}
    if len(tags) > _MOST_TAGS or len(names) != len(tags):
        raise web_identity.invalid("Duplicate tag keys found, or more than 50.")
    if any(not 0 < len(name) <= _TAG_KEY or len(value) > _TAG_VALUE for name, value in tags.items()):
        raise web_identity.invalid("A session tag is too long.")


def assume_role_with_saml(context: CallContext, parameters: dict[str, Any]) -> Answer:
    role = _role(context, parameters)
    identity = saml_identity.check(
        context.account_id, parameters["PrincipalArn"], parameters["RoleArn"], parameters["SAMLAssertion"]
    )
    asked = of_saml(identity)
    seconds = identity.session_seconds
    if seconds and "DurationSeconds" in parameters:
        parameters = {**parameters, "DurationSeconds": min(seconds, parameters["DurationSeconds"])}
    _made, answer = become(context, role, asked, parameters)
    answer |= {
        "Subject": identity.subject,
        "SubjectType": identity.subject_type,
        "Issuer": identity.issuer,
        "Audience": identity.recipient,
        "NameQualifier": identity.name_qualifier,
    }
    return session_parameters.told(context, answer)


def of_saml(identity: saml_identity.Identity) -> Asked:
    """The session that a response asks for."""
    _check(identity.tags, identity.source_identity)
    return Asked(
        identity.principal(),
        SAML,
        identity.session_name,
        identity.conditions,
        identity.session_conditions,
        identity.tags,
        identity.transitive,
        identity.source_identity,
    )


def _role(context: CallContext, parameters: dict[str, Any]) -> Role | None:
    arn = parameters["RoleArn"]
    try:
        return session_parameters.role_of(arn)
    except AWSError as reason:
        raise AWSError("ValidationError", "Request ARN is invalid") from reason


def become(
    context: CallContext, role: Role | None, asked: Asked, parameters: dict[str, Any], *, console_session: str = ""
) -> tuple[TemporaryCredentials, Answer]:
    """A session of the role, if its trust policy lets the identity provider's user have it. Raises AccessDenied, which does not tell
    whether there is the role."""
    context.principal = asked.principal
    refused = AWSError("AccessDenied", f"Not authorized to perform {asked.action}")
    if role is None:
        raise refused
    wanted = members_of(asked, parameters)
    try:
        session_parameters.permit(context, role, wanted, asked.tags, action=asked.action, conditions=asked.conditions)
    except AWSError as reason:
        if reason.code.startswith("AccessDenied"):
            raise refused from reason
        raise
    seconds = session_parameters.duration_of(context, role, parameters)
    session_parameters.check_tags(wanted, {})
    policies = session_parameters.session_policies(role.account_id, parameters)
    packed = session_parameters.packed_size(wanted)
    made = credentials.create_session(
        role,
        timedelta(seconds=seconds),
        name=asked.session_name,
        policies=policies,
        tags=asked.tags,
        transitive=asked.transitive,
        source_identity=asked.source_identity,
        console_session=console_session,
        provider=asked.principal.provider,
        provider_keys={name: list(value) if isinstance(value, tuple) else value for name, value in asked.kept.items()},
    )
    return made, session_parameters.role_answer(
        role, asked.session_name, made, source_identity=asked.source_identity, packed=packed
    )


def members_of(asked: Asked, parameters: dict[str, Any]) -> dict[str, Any]:
    """A call's members with those that the identity provider brings, named as AssumeRole names them."""
    return {
        **parameters,
        "RoleSessionName": asked.session_name,
        **({"SourceIdentity": asked.source_identity} if asked.source_identity else {}),
        **({"TransitiveTagKeys": list(asked.transitive)} if asked.transitive else {}),
        "Tags": [{"Key": name, "Value": value} for name, value in asked.tags.items()],
    }


OPERATIONS: dict[str, Operation] = {
    "AssumeRoleWithSAML": Operation(assume_role_with_saml),
    "AssumeRoleWithWebIdentity": Operation(assume_role_with_web_identity),
}
