"""Sign in by an identity provider: to it with a state, a nonce and a PKCE challenge, and back with a code.

What is kept for the way is in the browser's session under the state, and counts once and for ten minutes: an answer that this browser did
not ask for, or that comes a second time, is not taken.
"""

from __future__ import annotations

import re
import time
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from console import public_address, redirects, session
from engine.public import identity_providers, signin
from principals.sign_in import steps
from principals.sign_in.views.sign_in import refused

_KEPT = "sign_in_by"  # state → what was asked with it
_MOST = 5  # begun at once in one browser
_SECONDS = 600


def callback_address(request: HttpRequest) -> str:
    """Where providers send the browser back to: what has to be registered with them."""
    return f"{public_address.of(request)}{reverse('sign-in-callback')}"


@require_GET
def begin(request: HttpRequest, provider: int) -> HttpResponse:
    beside = bool(request.GET.get("add"))
    if beside and session.full(request):
        messages.error(request, _("Five sessions are the most in one browser. Sign out of one first."))
        return redirect("sign-in")
    try:
        begun = identity_providers.begin(provider, callback_address(request))
    except signin.SignInRefused as refusal:
        return refused(request, str(refusal))
    kept = _waiting(request)
    for oldest in sorted(kept, key=lambda state: kept[state]["at"])[: max(0, len(kept) - _MOST + 1)]:
        del kept[oldest]
    kept[begun.state] = {
        "provider": provider,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "next": redirects.safe(request, request.GET.get("next", "/")),
        "add": beside,
        "at": int(time.time()),
    }
    request.session[_KEPT] = kept
    session.keep_shortly(request)
    return redirect(begun.url)


def _waiting(request: HttpRequest) -> dict[str, dict[str, Any]]:
    since = time.time() - _SECONDS
    return {state: each for state, each in request.session.get(_KEPT, {}).items() if each["at"] > since}


@require_GET
def back(request: HttpRequest) -> HttpResponse:
    kept = _waiting(request)
    asked = kept.pop(request.GET.get("state", ""), None)
    if asked is None:
        return refused(request, _("This sign-in was not begun in this browser, or it took too long. Begin again."))
    request.session[_KEPT] = kept
    try:
        found = _finish(request, asked)
    except signin.SignInRefused as refusal:
        return refused(request, str(refusal))
    return steps.arrive(request, found, asked["next"], beside=asked["add"])


def _finish(request: HttpRequest, asked: dict[str, Any]) -> signin.SignedIn:
    """Raises SignInRefused."""
    provider = asked["provider"]
    if request.GET.get("iss", identity_providers.issuer_of(provider)) != identity_providers.issuer_of(provider):
        raise signin.SignInRefused(_("The answer is another identity provider's."))  # RFC 9207
    if error := request.GET.get("error"):
        code = error if re.fullmatch(r"[a-z_]{1,64}", error) else "error"
        raise signin.SignInRefused(_("The identity provider refused: %(code)s.") % {"code": code})
    return identity_providers.finish(
        provider,
        code=request.GET.get("code", ""),
        verifier=asked["verifier"],
        nonce=asked["nonce"],
        redirect_uri=callback_address(request),
        **steps.browser(request),
    )
