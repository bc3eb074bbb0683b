"""What the signed-in principal may do, asked of the decision before anything is offered or read. Nothing is called and recorded.

At another endpoint than the embedded one nobody knows the decision of its keys beforehand: there every action is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from console.request import ConsoleRequest, kept
from engine.public import visibility
from keys.endpoints import backends
from keys.viewer import viewer

# Service → the code of its refusals. IAM and STS speak the query protocol, whose code is shorter.
_CODES = {"iam": "AccessDenied", "sts": "AccessDenied"}
_OF_ENDPOINT = ("kms", "cloudtrail")  # decided where the keys are; the others are decided here, unless on real AWS


def refusal(request: ConsoleRequest, action: str, arn: str = "*") -> str:
    """The AWS error, code and sentence, that `action` ("iam:DeleteUser") on `arn` would be refused with now; "" where it would be done, or
    where only the call itself will tell. Raises nothing: who is nobody any more may do nothing."""
    if not decided_here(request, action.partition(":")[0]):
        return ""
    return embedded_refusal(request, action, arn)


def embedded_refusal(request: ConsoleRequest, action: str, arn: str) -> str:
    """As `refusal`, of the embedded engine, whichever endpoint the pages speak to."""
    service = action.partition(":")[0]
    answers = kept(request)
    asked = ("refusal", action, arn).__repr__()
    if asked not in answers:
        answers[asked] = _refusal(request, action, arn)
    found: str = answers[asked]
    return f"{_CODES.get(service, 'AccessDeniedException')}: {found}" if found else ""


def as_error(refused: str, action: str) -> ClientError:
    """What `refusal` found of an action, as the error that its call would raise."""
    code, _colon, message = refused.partition(": ")
    return ClientError({"Error": {"Code": code, "Message": message}}, action.partition(":")[2])


def look_up(request: ConsoleRequest, key_ids: Iterable[str]) -> None:
    """Read together what refusals about these keys ask for, which is else read for each."""
    if not decided_here(request, "kms"):
        return
    try:
        who = _viewer(request)
    except ClientError:
        return
    about = visibility.key_resources(who, key_ids)
    kept(request).update({f"about {arn}": each for arn, each in about.items()})


def decided_here(request: ConsoleRequest, service: str) -> bool:
    """Whether the embedded engine decides this service's calls."""
    chosen = backends.current(request)
    return service == "kmsconsole" or chosen.embedded or (chosen.kind != backends.AWS and service not in _OF_ENDPOINT)


def _refusal(request: ConsoleRequest, action: str, arn: str) -> str:
    kept_here = kept(request)
    try:
        who = _viewer(request)
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    about = kept_here.get(f"about {arn}")
    if about is None:
        about = kept_here[f"about {arn}"] = visibility.resource(who, arn)
    if about is None:
        return ""  # no such key here: the call says so
    return visibility.refusal(who, action, about)


def _viewer(request: ConsoleRequest) -> visibility.Viewer:
    """Remembered for the request. Raises ClientError for credentials that ended."""
    found: visibility.Viewer | None = kept(request).get("viewer")
    if found is None:
        found = kept(request)["viewer"] = viewer(request)
    return found


def key_arn(request: ConsoleRequest, key_id: str) -> str:
    """The ARN of a key of the signed-in account and Region."""
    return f"arn:aws:kms:{request.signed_in.region}:{request.signed_in.account_id}:key/{key_id}"


def new_arn(request: ConsoleRequest, kind: str) -> str:
    """The ARN of a user, group, role or policy (`kind`) that has no name yet."""
    return f"arn:aws:iam::{request.signed_in.account_id}:{kind}/*"


def entity_arn(request: ConsoleRequest, kind: str, name: str) -> str:
    """The ARN of a user, group or role; `kind` also in the plural, as addresses say it."""
    return visibility.entity_arn(request.signed_in.account_id, kind.removesuffix("s"), name)


# The member of a call that names what the call is about, in the order in which they count: a user is put into a group, a policy attached
# to a user.
_NAMED = (("GroupName", "group"), ("UserName", "user"), ("RoleName", "role"))


def of_calls(request: ConsoleRequest, service: str, calls: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """The AWS error that the first of several calls that is refused would be refused with; "" where all would be done."""
    return next(filter(None, (_of_call(request, service, *each) for each in calls)), "")


def _of_call(request: ConsoleRequest, service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    if service == "kms":
        arn = key_arn(request, str(parameters["KeyId"]).rpartition("/")[2]) if "KeyId" in parameters else "*"
    else:
        named = next(((kind, parameters[member]) for member, kind in _NAMED if member in parameters), None)
        arn = entity_arn(request, *named) if named else str(parameters.get("PolicyArn", "*"))
    return refusal(request, f"{service}:{operation}", arn)
