"""The page of a sealed server: people enter their shares of the root key one by one. Its own URLs; it knows no database and no sign-in.

Shares are never logged, stored or shown again. An address that enters too many wrong ones has to wait; nobody else has, since a share
has 256 random bits and waiting for strangers would let them keep a server sealed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import path, re_path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from engine.vault import root_files
from engine.vault.hierarchy import RootKeyError
from engine.vault.root_files import RootFile
from engine.vault.root_shares import ShareCollection
from engine.vault.shamir import ShareError, Wrong
from engine.wire.client_address import address_of
from kmsconsole.frame import style_sheet

_WORDS = {
    Wrong.NO_SHARE: gettext_lazy("This is not a share: a share has letters, digits from 2 to 7 and dashes only."),
    Wrong.NOT_WHOLE: gettext_lazy("This is not a whole share."),
    Wrong.MISTYPED: gettext_lazy("This share has a typing error: its checksum does not fit."),
    Wrong.OTHER_SET: gettext_lazy("This share is of another set: it was made for another root key."),
    Wrong.UNKNOWN: gettext_lazy("This share is none of those that were handed out."),
    Wrong.REPEATED: gettext_lazy("This share was entered already."),
}
_WRONG, _SECONDS = 20, 60.0  # wrong shares that an address may enter in so many seconds
_ADDRESSES = 1_000  # that are counted


@dataclass(slots=True)
class _Unsealing:
    """What this process knows: one root key is unsealed in it."""

    file: RootFile
    shares: ShareCollection
    done: Callable[[bytes], object]
    lock: threading.Lock = field(default_factory=threading.Lock)
    wrong: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)  # address → when
    is_over: bool = False


_unsealing: list[_Unsealing] = []


def begin(file: RootFile, done: Callable[[bytes], object]) -> None:
    """`done` gets the root key, once."""
    _unsealing[:] = [_Unsealing(file, ShareCollection(file.description[file.provider]), done)]


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    now, state = time.monotonic(), _unsealing[0]
    with state.lock:
        wrong = state.wrong.get(address_of(request.META["REMOTE_ADDR"])) or deque[float]()
        error = "" if state.is_over else _entered(state, request.POST.get("share", ""))
        # A right share never waits: behind a reverse proxy everybody has one address, and a stranger's guesses would hold up
        # administrators. A share has 256 random bits, so that nobody guesses one.
        if error and len(wrong) == _WRONG and now < wrong[0] + _SECONDS:
            answer = _page(request, error=_("Too many wrong shares were entered. Wait a minute."), status=429)
            answer["Retry-After"] = str(int(_SECONDS))
            return answer
        if error:
            _count_wrong(state, address_of(request.META["REMOTE_ADDR"]), now)
            return _page(request, error=error, status=400)
    return _page(request) if state.is_over else HttpResponseRedirect(reverse("unseal"))


def _count_wrong(state: _Unsealing, address: str, now: float) -> None:
    state.wrong.setdefault(address, deque(maxlen=_WRONG)).append(now)
    state.wrong.move_to_end(address)
    if len(state.wrong) > _ADDRESSES:
        state.wrong.popitem(last=False)


@sensitive_variables()
def _entered(state: _Unsealing, text: str) -> str:
    """What is wrong with a share; empty if nothing is."""
    try:
        key = state.shares.add(text)
        if key is not None:
            root_files.authenticated(state.file, key)
            state.is_over = True
            state.done(key)
    except ShareError as reason:
        return str(_WORDS[reason.wrong])
    except RootKeyError:
        return _(
            "These shares give another root key: the description root.json was changed. Restore it, then enter all shares again."
        )
    return ""


def elsewhere(request: HttpRequest) -> HttpResponse:
    """Any other address: a bookmark of the console, say."""
    return HttpResponseRedirect(reverse("unseal"))


def form_is_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, error=_("The form has expired or came from another site. Enter the share again."), status=403)


def _page(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    state = _unsealing[0]
    words = {
        "error": error,
        "given": state.shares.given,
        "needed": state.shares.needed,
        "left": state.shares.needed - state.shares.given,
        "is_over": state.is_over,
        "root_key_id": state.file.root_key_id,
        "csrf_token": get_token(request),
        "theme": request.COOKIES.get("theme", "system"),
    }
    answer = HttpResponse(render_to_string("unseal.html", words), status=status)
    answer["Cache-Control"] = "no-store"
    return answer


urlpatterns = [
    path("unseal/", page, name="unseal"),
    path("console.<str:version>.css", style_sheet.style_sheet, name="style-sheet"),
    re_path("", elsewhere),
]
