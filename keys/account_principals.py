"""The users and roles of the account whose keys a page is about, to choose from; and that at an endpoint they are not known."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from keys import service
from keys.endpoints import backends


def users_and_roles(request: ConsoleRequest) -> tuple[list[tuple[str, str]], list[ClientError]]:
    """(ARN, "name (user)" or "name (role)") of those that the caller may list, and why any others could not be listed."""
    try:
        require_known(request)
    except ClientError as error:
        return [], [error]
    iam = service.client(request, "iam")
    found: list[tuple[str, str]] = []
    problems: list[ClientError] = []
    for operation, member, name, word in (
        ("list_users", "Users", "UserName", _("user")),
        ("list_roles", "Roles", "RoleName", _("role")),
    ):
        try:
            found += [(each["Arn"], f"{each[name]} ({word})") for each in service.pages(iam, operation, member)]
        except ClientError as error:
            problems.append(error)
    return found, problems


def require_known(request: ConsoleRequest, consequence: str = "") -> None:
    """Raises ClientError at an endpoint, whose users and roles are not this console's. `consequence`: a sentence on what cannot be told."""
    chosen = service.backend(request)
    if chosen.kind != backends.URL:
        return
    message = _("The users, groups, roles and policies of %(endpoint)s are not known here.") % {"endpoint": chosen.name}
    error = {"Code": "UnsupportedOperationException", "Message": f"{message} {consequence}".strip()}
    raise ClientError({"Error": error}, "GetAccountAuthorizationDetails")
