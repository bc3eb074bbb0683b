"""Who is signed in to the console, and with which temporary credentials its pages sign their calls.

The credentials are those of a console sign-in (12 hours); in the session store they lie encrypted under a key derived from the
console's secret, so that a copy of the database alone signs nothing.

A browser may hold several sign-ins, of which one is in use: the others are put aside with everything pages have kept for them. Each
ends at its own time. Whenever another one comes into use, the session key and the CSRF secret change: a planted session is worth
nothing, and a form that stands in another tab since before is refused instead of being sent as someone else.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone

from console.request import ConsoleRequest, SignedIn
from engine.public import signin

_KEY = "signed_in"
_USER = "signed_in_user"  # while a user acts as a role: the user
_OTHER_SESSIONS = "signed_in_aside"  # ID → the session's content of a sign-in that is not in use
_SHORTLY = 900  # seconds: longer than any step of a sign-in takes
MOST = 5  # sign-ins of one browser, as AWS's console allows


def region(request: HttpRequest) -> str:
    """That of this browser before anybody is signed in: the one that it was in last."""
    return request.COOKIES.get("region") or str(settings.DEFAULT_REGION)


def enter(request: HttpRequest, found: signin.SignedIn, *, beside: bool) -> None:
    """Begin the session of who has just signed in, in the Region that this browser was in last. `beside`: with the sign-ins that it holds."""
    made = SignedIn(
        account_id=found.account_id,
        user_name=found.user_name,
        arn=found.arn,
        region=region(request),
        access_key_id=found.credentials.access_key_id,
        secret_access_key=found.credentials.secret_access_key,
        session_token=found.credentials.session_token,
        expires=found.credentials.expiration,
        role_name=found.role_name,
        session_id=found.session_id,
        provider=found.provider,
    )
    begin(request, made, beside=beside)


def begin(request: HttpRequest, signed_in: SignedIn, *, beside: bool = False) -> None:
    """Start a session for `signed_in`; the session key changes, so a planted one is worth nothing.

    `beside`: the sign-ins that the browser holds are put aside, save another of the same user. What is not kept has ended.
    """
    held = {**_other_sessions(request), **_in_use(request)}
    aside = {each: content for each, content in held.items() if beside and _user(content) != signed_in.arn}
    _end_sessions(content for each, content in held.items() if each not in aside)
    _renew(request, {_KEY: _seal(signed_in)}, aside)


def store(request: HttpRequest, signed_in: SignedIn) -> None:
    request.session[_KEY] = _seal(signed_in)
    _expire(request)


@dataclass(frozen=True, slots=True)
class OtherSession:
    """A sign-in that is not in use; `id` names it in this browser session."""

    id: str
    signed_in: SignedIn


def others(request: HttpRequest) -> list[OtherSession]:
    """The sign-ins put aside that have not ended."""
    return [
        OtherSession(each, found)
        for each, content in _other_sessions(request).items()
        if (found := _principal(content))
    ]


def use(request: HttpRequest, aside_id: str) -> SignedIn:
    """Take up a sign-in that was put aside, and put aside the one in use. Raises LookupError if it is not there or has ended."""
    aside = _other_sessions(request)
    content = aside.pop(aside_id, None)
    found = _principal(content) if content else None
    if content is None or found is None:
        raise LookupError(aside_id)
    _renew(request, content, {**aside, **_in_use(request)})
    return found


def full(request: HttpRequest) -> bool:
    """Whether the browser holds as many sign-ins as it may."""
    return len({**_other_sessions(request), **_in_use(request)}) >= MOST


def end(request: HttpRequest, aside_id: str = "") -> None:
    """Sign out of the sign-in in use, or of one put aside."""
    if aside_id:
        aside = _other_sessions(request)
        _end_sessions([aside.pop(aside_id, {})])
        request.session[_OTHER_SESSIONS] = aside
        _expire(request)
    else:
        _end_sessions(_in_use(request).values())
        _forget(request)
        rotate_token(request)


def end_all(request: HttpRequest) -> None:
    _end_sessions({**_other_sessions(request), **_in_use(request)}.values())
    request.session.flush()
    rotate_token(request)


def _end_sessions(contents: Iterable[dict[str, Any]]) -> None:
    """End them in the engine too: a copy of the cookie or of the credentials is worth nothing any more."""
    found = [_read(content[_KEY]) for content in contents if _KEY in content]
    signin.end([each.session_id for each in found if each is not None])


def _forget(request: HttpRequest) -> None:
    """Without the sign-in in use."""
    aside = _other_sessions(request)
    request.session.flush()
    if aside:
        request.session.cycle_key()
        request.session[_OTHER_SESSIONS] = aside
        _expire(request)


def _renew(request: HttpRequest, content: dict[str, Any], aside: dict[str, dict[str, Any]]) -> None:
    """A new session of this content, under a new key and with a new CSRF secret."""
    request.session.flush()
    request.session.cycle_key()
    request.session.update(content)
    if aside:
        request.session[_OTHER_SESSIONS] = aside
    _expire(request)
    rotate_token(request)


def keep_shortly(request: HttpRequest) -> None:
    """What is kept for a browser that has not signed in yet is not kept for long."""
    if not _in_use(request) and not _other_sessions(request):
        request.session.set_expiry(_SHORTLY)


def _expire(request: HttpRequest) -> None:
    """The browser session lasts as long as the last of its sign-ins."""
    content = dict(request.session.items())
    found = [_open(content[name]) for name in (_KEY, _USER) if name in content]
    ends = [each.expires for each in [*found, *(other.signed_in for other in others(request))] if each is not None]
    if ends:
        request.session.set_expiry(max(ends))


def _other_sessions(request: HttpRequest) -> dict[str, dict[str, Any]]:
    """What is put aside, without what has ended."""
    held = request.session.get(_OTHER_SESSIONS, {})
    return {each: content for each, content in held.items() if _principal(content)}


def _in_use(request: HttpRequest) -> dict[str, dict[str, Any]]:
    """What the session holds for the sign-in in use, ready to be put aside; empty if there is none."""
    content = {
        name: value
        for name, value in request.session.items()
        if name != _OTHER_SESSIONS and not name.startswith("_session_")
    }
    return {secrets.token_urlsafe(6): content} if _principal(content) else {}


def _principal(content: dict[str, Any]) -> SignedIn | None:
    """Who a content signs as now: a role whose hour is over leaves the user who took it."""
    sealed = [content[name] for name in (_KEY, _USER) if name in content]
    return next((found for each in sealed if (found := _open(each))), None)


def _user(content: dict[str, Any]) -> str:
    """ARN of the user who signed in."""
    found = _open(content.get(_USER) or content[_KEY])
    return found.arn if found else ""


def user_id(request: ConsoleRequest) -> str:
    """The unique ID of the user who signed in, also while acting as a role; empty where the sign-in has ended."""
    session_id = request.signed_in.session_id
    return signin.user_id(session_id) if session_id else ""


def user_since(request: ConsoleRequest) -> datetime | None:
    """When the user who signed in was made."""
    session_id = request.signed_in.session_id
    return signin.user_since(session_id) if session_id else None


def user_ids(request: ConsoleRequest) -> frozenset[str]:
    """The unique IDs of all users who are signed in in this browser: one person holds them all."""
    aside = (other.signed_in.session_id for other in others(request))
    return frozenset({user_id(request), *map(signin.user_id, aside)} - {""})


def act_as(request: ConsoleRequest, role: SignedIn) -> None:
    """Sign as `role` from now on; the user it was taken as is kept, to go back to. Roles taken in a row go back to the user."""
    user = request.session.get(_USER) or request.session[_KEY]
    request.session.cycle_key()
    request.session[_USER] = user
    request.session[_KEY] = _seal(role)
    rotate_token(request)


def back_to_user(request: ConsoleRequest) -> str:
    """Sign as the user again; its name. Raises LookupError if no role was taken."""
    sealed = request.session.pop(_USER, None)
    user = _open(sealed) if sealed else None
    if user is None:
        raise LookupError
    region = request.signed_in.region
    request.session.cycle_key()
    store(request, replace(user, region=region))
    rotate_token(request)
    return user.user_name


def current(request: HttpRequest) -> SignedIn | None:
    """Who is signed in, or None: signed out, expired, ended elsewhere (signin.is_valid), or from before the console's secret was changed.

    A role that is over or gone leaves the user who took it. Where others are put aside none of them steps in: the person chooses.
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
        _forget(request)
    return found


def _seal(signed_in: SignedIn) -> str:
    content = {name: getattr(signed_in, name) for name in SignedIn.__slots__}
    content["expires"] = signed_in.expires.isoformat()
    return _fernet().encrypt(json.dumps(content).encode()).decode()


def _open(sealed: str) -> SignedIn | None:
    """Who it is, if the engine takes its credentials."""
    found = _read(sealed)
    if found is None or found.expires <= timezone.now() or not found.session_id:
        return None
    return found if signin.is_valid(found.access_key_id, found.session_token) else None


def _read(sealed: str) -> SignedIn | None:
    try:
        content = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        return None
    content["expires"] = datetime.fromisoformat(content["expires"])
    return SignedIn(**content)


def credentials(request: ConsoleRequest) -> tuple[str, str, str]:
    """(access key ID, secret access key, session token) of the signed-in principal, for keys.service."""
    signed_in = request.signed_in
    return signed_in.access_key_id, signed_in.secret_access_key, signed_in.session_token


@cache
def _fernet() -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"kmsconsole session credentials").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
