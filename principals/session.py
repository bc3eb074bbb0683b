"""Who is signed in to the console, and with which temporary credentials its pages sign their calls.

The credentials are those of a console sign-in (12 hours); in the session store they lie encrypted under a key derived from the
console's secret, so that a copy of the database alone signs nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

_KEY = "signed_in"
_USER = "signed_in_user"  # while a user acts as a role: the user


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The principal of this browser session. `role_name` is set while a user acts as a role."""

    account_id: str
    user_name: str
    arn: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: datetime
    role_name: str = ""

    def __repr__(self) -> str:  # no secret in a traceback
        return f"<SignedIn {self.arn}>"


def begin(request: HttpRequest, signed_in: SignedIn) -> None:
    """Start a session for `signed_in`; the session key changes, so a planted one is worth nothing."""
    request.session.flush()
    request.session.cycle_key()
    store(request, signed_in)


def store(request: HttpRequest, signed_in: SignedIn) -> None:
    request.session[_KEY] = _seal(signed_in)
    request.session.set_expiry(signed_in.expires)


def act_as(request: HttpRequest, role: SignedIn) -> None:
    """Sign as `role` from now on; the user it was taken as is kept, to go back to. Roles taken in a row go back to the user."""
    user = request.session.get(_USER) or request.session[_KEY]
    request.session.cycle_key()
    request.session[_USER] = user
    request.session[_KEY] = _seal(role)


def back_to_user(request: HttpRequest) -> str:
    """Sign as the user again; its name. Raises LookupError if no role was taken."""
    sealed = request.session.pop(_USER, None)
    user = _open(sealed) if sealed else None
    if user is None:
        raise LookupError
    region = request.signed_in.region  # type: ignore[attr-defined]
    request.session.cycle_key()
    store(request, replace(user, region=region))
    return user.user_name


def current(request: HttpRequest) -> SignedIn | None:
    """Who is signed in, or None: signed out, expired, or from before the console's secret was changed.

    A role whose hour is over leaves the user who took it.
    """
    sealed = request.session.get(_KEY)
    if sealed is None:
        return None
    found = _open(sealed)
    if found is None and (user := request.session.pop(_USER, None)):
        found = _open(user)
        if found is not None:
            store(request, found)
    if found is None:
        request.session.flush()
    return found


def _seal(signed_in: SignedIn) -> str:
    content = {name: getattr(signed_in, name) for name in SignedIn.__slots__}
    content["expires"] = signed_in.expires.isoformat()
    return _fernet().encrypt(json.dumps(content).encode()).decode()


def _open(sealed: str) -> SignedIn | None:
    try:
        content = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        return None
    content["expires"] = datetime.fromisoformat(content["expires"])
    return None if content["expires"] <= timezone.now() else SignedIn(**content)


def credentials(request: HttpRequest) -> tuple[str, str, str]:
    """(access key ID, secret access key, session token) of the signed-in principal, for keys.service."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    return signed_in.access_key_id, signed_in.secret_access_key, signed_in.session_token


@cache
def _fernet() -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"kmsconsole session credentials").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
