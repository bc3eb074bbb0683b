"""What an OpenID Connect provider publishes: its configuration and the keys that it signs with.

The keys are those that were given (offline), else fetched over HTTPS and kept for an hour; a key that is not among them has them fetched
again, at most every ten seconds, as has a provider that did not answer. Whoever sends a token makes the engine ask: so it asks for one account
one question at a time, and who has waited a second for another's question is told that there is no answer. Source: OpenID Connect Discovery 1.0, section 4; RFC 7517.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from engine import https_client
from engine.https_client import HttpsError
from engine.iam.models import OpenIDConnectProvider
from engine.remembered import Remembered

_KEPT, _AGAIN = 3600.0, 10.0  # seconds
_MOST = 100
# URL and thumbprints → when, and what, or why not.
_fetched: dict[tuple[str, tuple[str, ...]], tuple[float, dict[str, Any] | HttpsError]] = {}
_WAIT = 1.0  # seconds for the question of another call, which may be to a provider that is silent
_fetching: Remembered[str, threading.Lock] = Remembered(lambda _account: threading.Lock(), entries=10_000, longest=12)

Key = dict[str, Any]


def keys(provider: OpenIDConnectProvider, wanted: Callable[[Key], bool]) -> list[Key]:
    """Its keys (JWKs) that are `wanted`. Raises HttpsError."""
    if provider.keys:
        return _listed(json.loads(provider.keys), wanted)
    url = configuration(provider).get("jwks_uri")
    if not isinstance(url, str):
        raise HttpsError("the configuration names no keys")
    found = _listed(_document(provider, url, _KEPT), wanted)
    return found or _listed(_document(provider, url, _AGAIN), wanted)


def _listed(document: dict[str, Any], wanted: Callable[[Key], bool]) -> list[Key]:
    listed = document.get("keys")
    return [each for each in listed if isinstance(each, dict) and wanted(each)] if isinstance(listed, list) else []


def configuration(provider: OpenIDConnectProvider) -> dict[str, Any]:
    """The issuer's own description. Raises HttpsError, also if it is another issuer's."""
    found = _document(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration", _KEPT)
    if found.get("issuer") != provider.issuer:
        raise HttpsError("the configuration is another issuer's")
    return found


def _document(provider: OpenIDConnectProvider, url: str, younger_than: float) -> dict[str, Any]:
    """Not asked for again soon where it failed. Raises HttpsError."""
    thumbprints = tuple(provider.thumbprints)
    place = (url, thumbprints)
    if (known := _known(place, younger_than)) is not None:
        return known
    turn = _fetching[str(provider.account_id)]
    if not turn.acquire(timeout=_WAIT):
        raise HttpsError("the account's identity providers are slow")
    try:
        if (known := _known(place, younger_than)) is not None:
            return known
        try:
            found: dict[str, Any] | HttpsError = _fetch(url, thumbprints)
        except HttpsError as reason:
            found = reason
        if len(_fetched) >= _MOST:
            _fetched.clear()
        _fetched[place] = (time.monotonic(), found)
    finally:
        turn.release()
    if isinstance(found, HttpsError):
        raise found
    return found


def _known(place: tuple[str, tuple[str, ...]], younger_than: float) -> dict[str, Any] | None:
    """Raises HttpsError where asking failed a short time ago."""
    when, found = _fetched.get(place, (0.0, {}))
    age = time.monotonic() - when
    if isinstance(found, HttpsError):
        if age < _AGAIN:
            raise type(found)(*found.args)
        return None
    return found if found and age < younger_than else None


def _fetch(url: str, thumbprints: Sequence[str]) -> dict[str, Any]:
    status, body = https_client.request("GET", url, headers={"Accept": "application/json"}, thumbprints=thumbprints)
    try:
        document = json.loads(body) if status == 200 else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise HttpsError("the answer is no JSON object")
    return document
