"""How far a browser has come with a sign-in that takes more than a password, and the end of every sign-in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.contrib import messages
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from console import redirects, session
from engine.public import member_accounts, signin
from engine.public.starter_policies import STUDENTS

_KEY = "sign_in_step"


@dataclass(frozen=True, slots=True)
class Step:
    """`token` is the engine's; `state` what a passkey's answer is compared with."""

    token: str
    after: str
    account: str
    beside: bool
    state: dict[str, Any] | None = field(default=None, repr=False)


# What the engine says is still to be given → the page that asks for it.
_PAGES: dict[type[signin.Unfinished], str] = {
    signin.SecondFactorNeeded: "sign-in-second-factor",
    signin.NewPasswordNeeded: "sign-in-new-password",
    signin.EnrolmentNeeded: "sign-in-enrolment",
}


def next_page(request: HttpRequest, needed: signin.Unfinished, step: Step) -> HttpResponse:
    """To the page that asks for what is `needed`."""
    remember(request, replace(step, token=needed.token, state=None))
    return redirect(_PAGES[type(needed)])


def remember(request: HttpRequest, step: Step) -> None:
    request.session[_KEY] = asdict(step)
    session.keep_shortly(request)


def of(request: HttpRequest) -> Step | None:
    found = request.session.get(_KEY)
    return Step(**found) if found else None


def start_again(request: HttpRequest, refusal: signin.SignInRefused) -> HttpResponse:
    forget(request)
    messages.error(request, str(refusal))
    return redirect("sign-in")


def forget(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def browser(request: HttpRequest) -> dict[str, str]:
    """Who asks, as the engine records it of a sign-in."""
    return {
        "source_ip": request.META.get("REMOTE_ADDR", ""),
        "user_agent": request.headers.get("User-Agent", ""),
    }


def finish(request: HttpRequest, found: signin.SignedIn, step: Step) -> HttpResponse:
    """The browser is signed in, after these steps."""
    forget(request)
    after = _landing(found) if step.after == "/" else step.after
    return arrive(request, found, after, account=step.account, beside=step.beside)


def arrive(
    request: HttpRequest, found: signin.SignedIn, after: str, *, account: str | None = None, beside: bool = False
) -> HttpResponse:
    """The browser is signed in, and led to the address `after`. The sign-in page offers this account, by the name that was given, and
    its identity providers the next time."""
    session.enter(request, found, beside=beside)
    answer = redirect(redirects.safe(request, after))
    named = found.account_id if account is None else account
    answer.set_cookie("account", named, max_age=365 * 86400, httponly=True, samesite="Lax")
    return answer


def by_password(
    request: HttpRequest, form: Any, user_name: str, *, account: str, after: str, beside: bool
) -> HttpResponse | None:
    """The answer to an account and password that were given; None where they are refused, which the form then says."""
    given, step = form.cleaned_data, Step("", after, form.cleaned_data["account"], beside)
    if beside and session.full(request):
        form.add_error(None, _("Five sessions are the most in one browser. Sign out of one first."))
        return None
    try:
        return finish(request, signin.sign_in(account, user_name, given["password"], **browser(request)), step)
    except signin.SignInRefused as refusal:
        form.add_error(None, str(refusal))
    except OperationalError:  # a whole class signs in at once, and the database takes one change after the other
        form.add_error(None, _("Too many sign in at this moment. Try again in a few seconds."))
    except signin.Unfinished as needed:
        return next_page(request, needed, step)
    return None


def _landing(found: signin.SignedIn) -> str:
    """Where one goes who asked for no page: a class's students to their lessons, in this account or one of their own."""
    studies = member_accounts.is_member(found.account_id) or signin.in_path(found.account_id, found.user_name, STUDENTS)
    return reverse("learn" if studies else "home")
