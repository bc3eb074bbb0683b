"""The audit record of one call, in CloudTrail's record shape (version 1.11).

Request and response members are taken through botocore's service model: blobs and members the model marks sensitive never get in.
Source: AWS CloudTrail User Guide, "CloudTrail record contents" and "userIdentity element".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from botocore.model import OperationModel, Shape

from engine.context import CallContext, new_id
from engine.iam.principal import Principal
from engine.kms_operations import RECORDED_DEFAULTS
from engine.wire.errors import AWSError
from engine.wire.services import is_secret

_View = Callable[[Any], Any]
USER_AGENT = 1024  # characters that a record shows of it, as AWS does: whoever tries to sign in may send any
# A shape is kept with its view: nothing else may come to be at its place in memory.
_views: dict[Shape, _View | None] = {}


def build(
    context: CallContext,
    model: OperationModel,
    parameters: dict[str, Any] | None,
    *,
    result: dict[str, Any] | None = None,
    error: AWSError | None = None,
    writes: bool = False,
) -> list[bytes]:
    """The records of one call as JSON: one for the caller's account and one for each other account whose key or role it used.

    A call that is refused for want of permission is its caller's alone: else anybody could write into anybody's record, and raise alerts
    there, by naming a key. Sources: KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail"; IAM User Guide, "Logging IAM and
    AWS STS API calls with AWS CloudTrail".
    """
    event: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _identity_json(context.principal),
        "eventTime": _time(context.now),
        "eventSource": f"{context.service}.amazonaws.com",
        "eventName": context.operation,
        "awsRegion": context.region,
        "sourceIPAddress": context.principal.invoked_by or context.source_ip,
        "userAgent": context.principal.invoked_by or context.user_agent[:USER_AGENT],
    }
    if error is not None:
        event["errorCode"] = (
            error.code.removesuffix("Exception") if error.code.startswith("AccessDenied") else error.code
        )
        event["errorMessage"] = error.message
    if context.event_parameters is not None:
        event["requestParameters"] = context.event_parameters
    else:
        event["requestParameters"] = _show(model.input_shape, parameters)
        if parameters is not None and (defaults := RECORDED_DEFAULTS.get(context.operation)):
            event["requestParameters"] = defaults | (event["requestParameters"] or {})
    if context.response_elements is not None:
        event["responseElements"] = context.response_elements
    else:
        event["responseElements"] = _show(model.output_shape, result) if writes else None
        if writes and error is None and context.service == "kms" and context.resources:
            event["responseElements"] = _with_key(context, event["responseElements"] or {})
    if context.extra_event_data:
        event["additionalEventData"] = context.extra_event_data
    event["requestID"] = context.request_id
    event["eventID"] = context.event_id
    event["readOnly"] = not writes
    if context.resources:
        event["resources"] = context.resources
    event["eventType"] = "AwsApiCall"
    event["managementEvent"] = True
    event["recipientAccountId"] = context.account_id
    event["eventCategory"] = "Management"
    if _is_from_console(context.principal):
        event["sessionCredentialFromConsole"] = "true"

    denied = error is not None and error.code.startswith("AccessDenied")
    if denied or all(resource["accountId"] == context.account_id for resource in context.resources):
        return [orjson.dumps(event, option=orjson.OPT_UTC_Z)]
    owners = {resource["accountId"] for resource in context.resources} - {context.account_id}
    event["sharedEventID"] = new_id()
    events = [event]
    for owner in sorted(owners):
        copy = {**event, "eventID": new_id(), "recipientAccountId": owner}
        if context.service == "sts":
            copy["userIdentity"] = _another_account(context.principal)
        events.append(copy)
    return [orjson.dumps(each, option=orjson.OPT_UTC_Z) for each in events]


def _with_key(context: CallContext, answered: dict[str, Any]) -> dict[str, Any]:
    """The key that was changed, of an alias the one that it leads to now, though the operation does not answer it.

    Source: KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail" and "AWS KMS log entries".
    """
    if "keyId" in answered or "keyMetadata" in answered or "replicaKeyMetadata" in answered:
        return answered
    changed = context.resources[-1 if context.operation == "UpdateAlias" else 0]
    return {**answered, "keyId": changed["ARN"]}


def whose(records: list[bytes]) -> list[tuple[str, str]]:
    """(event ID, account whose record it is in) of each."""
    return [(event["eventID"], event["recipientAccountId"]) for event in map(orjson.loads, records)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """Something that is no API call: a console sign-in, a clock that was moved, a record that was voided. Without a `principal`, AWS's doing."""

    account_id: str
    region: str
    source: str
    name: str
    now: datetime
    event_type: str = "AwsServiceEvent"
    principal: Principal | None = None
    source_ip: str = "AWS Internal"
    user_agent: str = "AWS Internal"
    parameters: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""
    details: dict[str, Any] | None = None
    read_only: bool = False
    resources: Sequence[dict[str, str]] = ()  # as CallContext.resources


def service_event(made: ServiceEvent) -> bytes:
    """The record of it as JSON."""
    internal = {"accountId": made.account_id, "invokedBy": "AWS Internal"}
    event: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity(made.principal) if made.principal else internal,
        "eventTime": _time(made.now),
        "eventSource": made.source,
        "eventName": made.name,
        "awsRegion": made.region,
        "sourceIPAddress": made.source_ip,
        "userAgent": made.user_agent[:USER_AGENT],
        "requestParameters": made.parameters,
        "responseElements": made.response,
    }
    if made.error_code:
        event["errorCode"] = made.error_code
    if made.error_message:
        event["errorMessage"] = made.error_message
    event["eventID"] = new_id()
    event["readOnly"] = made.read_only
    if made.resources:
        event["resources"] = made.resources
    event["eventType"] = made.event_type
    event["managementEvent"] = True
    event["recipientAccountId"] = made.account_id
    if made.details:
        event["serviceEventDetails" if made.event_type == "AwsServiceEvent" else "additionalEventData"] = made.details
    event["eventCategory"] = "Management"
    if made.principal is not None and _is_from_console(made.principal):
        event["sessionCredentialFromConsole"] = "true"
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


def _is_from_console(principal: Principal) -> bool:
    """Whether a page made the call: CloudTrail's sessionCredentialFromConsole, which is there only when it is "true"."""
    return principal.session is not None and bool(principal.session.console_session)


def _identity_json(principal: Principal) -> orjson.Fragment:
    found: orjson.Fragment | None = principal.memo.get("userIdentity")
    if found is None:
        found = principal.memo["userIdentity"] = orjson.Fragment(orjson.dumps(identity(principal)))
    return found


def _another_account(principal: Principal) -> dict[str, Any]:
    """Who took a role, as the role's account is told. Source: CloudTrail User Guide, "userIdentity element", AWSAccount."""
    return {"type": "AWSAccount", "principalId": principal.unique_id, "accountId": principal.account_id}


def identity(principal: Principal) -> dict[str, Any]:
    """CloudTrail's userIdentity element."""
    if principal.kind == "service":
        return {"type": "AWSService", "invokedBy": principal.invoked_by}
    if principal.provider:
        return {
            "type": _IDENTITY_TYPES[principal.kind],
            "principalId": principal.unique_id,
            "userName": principal.name,
            "identityProvider": principal.provider,
        }
    user: dict[str, Any] = {
        "type": _IDENTITY_TYPES[principal.kind],
        "principalId": principal.unique_id,
        "arn": principal.arn,
        "accountId": principal.account_id,
    }
    if principal.access_key_id:
        user["accessKeyId"] = principal.access_key_id
    if principal.kind == "user":
        user["userName"] = principal.name
    if principal.session is not None:
        attributes: dict[str, Any] = {
            "attributes": {
                "creationDate": _time(principal.session.created),
                "mfaAuthenticated": "true" if principal.session.mfa else "false",
            }
        }
        if issuer := _ISSUER_TYPES.get(principal.kind):
            attributes["sessionIssuer"] = {
                "type": issuer,
                "principalId": principal.session.issuer_id,
                "arn": principal.session.issuer_arn,
                "accountId": principal.account_id,
                "userName": principal.session.issuer_arn.rpartition("/")[2],
            }
        if principal.session.federated_provider:
            attributes["webIdFederationData"] = {
                "federatedProvider": principal.session.federated_provider,
                "attributes": {},
            }
        user["sessionContext"] = attributes
    if principal.invoked_by:
        user["invokedBy"] = principal.invoked_by
    return user


_IDENTITY_TYPES = {
    "root": "Root",
    "user": "IAMUser",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "anonymous": "Unknown",
    "web-identity": "WebIdentityUser",
    "saml": "SAMLUser",
}


_ISSUER_TYPES = {"assumed-role": "Role", "federated-user": "IAMUser"}  # of sessions that somebody else gave


def _time(moment: datetime) -> str:
    return moment.isoformat()[:19] + "Z"


def _show(shape: Shape | None, value: dict[str, Any] | None) -> Any:
    if shape is None or value is None:
        return None
    view = _view(shape)
    return (view(value) or None) if view is not None else None


def _view(shape: Shape) -> _View | None:
    """A function from a value of `shape` to what may be recorded of it; None when nothing may."""
    try:
        return _views[shape]
    except KeyError:
        # What is half made is nobody else's to see: another thread would record what must not be.
        return _views.setdefault(shape, _compile(shape, frozenset()))


def _compile(shape: Shape, within: frozenset[str]) -> _View | None:
    """`within` names the structures around: one that contains itself is shown down to where it does."""
    if is_secret(shape):
        return None
    if shape.name in within:
        return None
    if shape.type_name == "structure":
        within |= {shape.name}
        members = [(name, name[0].lower() + name[1:], _compile(each, within)) for name, each in shape.members.items()]
        shown = [(name, label, view) for name, label, view in members if view is not None]
        return lambda value: {
            label: value[name] if view is _identity else view(value[name])
            for name, label, view in shown
            if name in value
        }
    if shape.type_name == "list":
        item = _compile(shape.member, within)
        if item is None or item is _identity:
            return item
        return lambda value: [item(each) for each in value]
    if shape.type_name == "timestamp":
        return _timestamp
    return _identity


def _identity(value: Any) -> Any:
    return value


def _timestamp(value: Any) -> Any:
    return _time(value) if isinstance(value, datetime) else value
