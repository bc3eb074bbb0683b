"""Who is signed in to the console, and with which temporary credentials its pages sign their calls.

The credentials are those of a console sign-in (12 hours); in the session store they lie encrypted under a key derived from the
console's secret, so that a copy of the database alone signs nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

_KEY = "signed_in"


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
    content = {name: getattr(signed_in, name) for name in SignedIn.__slots__}
    content["expires"] = signed_in.expires.isoformat()
    request.session[_KEY] = _fernet().encrypt(json.dumps(content).encode()).decode()
    request.session.set_expiry(signed_in.expires)


def current(request: HttpRequest) -> SignedIn | None:
    """Who is signed in, or None: signed out, expired, or from before the console's secret was changed."""
    sealed = request.session.get(_KEY)
    if sealed is None:
        return None
    try:
        content = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        request.session.flush()
        return None
    content["expires"] = datetime.fromisoformat(content["expires"])
    if content["expires"] <= timezone.now():
        request.session.flush()
        return None
    return SignedIn(**content)


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
