"""The request of a page: Django's, with what middleware and pages keep on it.

At run time it is Django's own request; the class declares for mypy what `principals.middleware` and `django_htmx` set on it.
Views of signed-in pages take a ConsoleRequest. Pages that are open to all (`principals.middleware.OPEN`) take Django's HttpRequest
and ask `when_signed_in`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The principal of this browser session. `role_name` is set while a user acts as a role, and for who signed in by an identity
    provider (`provider`, as the sign-in page names it), who has no user here."""

    account_id: str
    user_name: str
    arn: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: datetime
    role_name: str = ""
    session_id: str = ""  # of the engine's console session: ended there, the credentials are refused
    provider: str = ""

    @property
    def is_root(self) -> bool:
        """Whether it is the account's root user: no user of IAM's."""
        return self.arn.endswith(":root")

    def __repr__(self) -> str:  # no secret in a traceback
        return f"<SignedIn {self.arn}>"


class OpenRequest(HttpRequest):
    """A request of a page that is open to all, after the middleware."""

    signed_in: SignedIn | None
    htmx: HtmxDetails


class ConsoleRequest(OpenRequest):
    """A request of somebody who is signed in."""

    signed_in: SignedIn


def when_signed_in(request: HttpRequest) -> ConsoleRequest | None:
    """The request as one of a signed-in page; None where nobody is signed in, or an error page is shown before that is known."""
    return cast(ConsoleRequest, request) if getattr(request, "signed_in", None) is not None else None


def kept(request: HttpRequest) -> dict[str, Any]:
    """What is found out once for a request and used again while it lasts: name → value."""
    found: dict[str, Any] = vars(request).setdefault("_kept", {})
    return found
