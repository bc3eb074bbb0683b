"""The signed-in principal as the embedded engine decides for it now, and what it may do besides AWS's API."""

from __future__ import annotations

from botocore.exceptions import ClientError

from console import session
from console.request import ConsoleRequest
from engine.public import visibility
from engine.public.transport import AWSError


def viewer(request: ConsoleRequest) -> visibility.Viewer:
    """Raises ClientError for credentials that ended."""
    access_key_id, _secret, token = session.credentials(request)
    region = request.signed_in.region
    source_ip = request.META.get("REMOTE_ADDR", "")
    user_agent = request.headers.get("User-Agent", "")[:512]
    try:
        return visibility.viewer(
            access_key_id, token, region, source_ip, secure=False, user_agent=user_agent
        )  # as the in-process transport says
    except AWSError as error:
        raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, "DescribeKey") from error


def is_allowed(request: ConsoleRequest, action: str) -> bool:
    """Whether it may do an action that is about no key; who is nobody any more may not."""
    try:
        who = viewer(request)
    except ClientError:
        return False
    return visibility.is_allowed(who, action)


def owner(request: ConsoleRequest) -> str:
    """Whose it is that pages keep for this principal, by unique IDs: a name may be another's tomorrow. What a user keeps while acting as
    a role belongs to both."""
    user = session.user_id(request)
    principal = viewer(request).context.principal.unique_id.partition(":")[0]
    return user if principal == user else f"{user}/{principal}"
