"""Sign in as an IAM user of an account, with the console password; sign out."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console import session
from engine.public import identity_providers, signin
from principals.sign_in import steps
from principals.sign_in.forms import SignInForm


@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """With `add` the sign-ins that the browser holds stay, and one can switch between them."""
    after = request.POST.get("next") or request.GET.get("next", "/")
    beside = bool(request.POST.get("add") or request.GET.get("add"))
    form = _form(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        named = form.cleaned_data["account"] or signin.first_account()
        user_name = form.cleaned_data["user_name"]
        if answer := steps.by_password(request, form, user_name, account=named, after=after, beside=beside):
            return answer
    return _page(request, form, after, beside)


def refused(request: HttpRequest, words: str) -> HttpResponse:
    """The sign-in page with these words. Who has no session gets none for them: whoever connects could fill the database with sessions."""
    messages.error(request, words)
    if request.session.is_empty():
        return _page(request, _form(request, None), "/", beside=False, status=403)
    return redirect(f"{reverse('sign-in')}?{urlencode({'add': 1})}" if session.current(request) else reverse("sign-in"))


def _form(request: HttpRequest, given: QueryDict | None) -> SignInForm:
    account = request.GET.get("account") or request.COOKIES.get("account") or signin.first_account()
    return SignInForm(given, initial={"account": account[:63], "user_name": request.GET.get("user", "")[:64]})


def _page(request: HttpRequest, form: SignInForm, after: str, beside: bool, status: int | None = None) -> HttpResponse:
    title = _("Add session") if beside else _("Sign in")
    status = status or (200 if request.method != "POST" else 422)
    account = str(form["account"].value() or signin.first_account())
    shown = {
        "form": form,
        "next": after,
        "add": beside,
        "title": title,
        "providers": identity_providers.options(account),
        "root_user": signin.root_user_is_on(account),
        "asked": urlencode({"next": after, **({"add": "1"} if beside else {})}),
    }
    return render(request, "principals/sign_in.html", shown, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Of the session in use, of the one that `session` names, or of all (`all`)."""
    if request.POST.get("all"):
        session.end_all(request)
        return redirect("sign-in")
    named = request.POST.get("session", "")
    session.end(request, named)
    return redirect("home" if named else "sign-in")


@require_POST
def use(request: HttpRequest) -> HttpResponse:
    """Switch to another sign-in of this browser; pages of the one before would not be found, so go to the overview."""
    try:
        found = session.use(request, request.POST.get("session", ""))
    except LookupError:
        return refused(request, _("This session has ended: sign in again."))
    messages.success(
        request,
        _("You are %(user)s in account %(account)s now.")
        % {"user": found.role_name or found.user_name, "account": found.account_id},
    )
    return redirect("home")
