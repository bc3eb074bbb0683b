"""Sign in as the account's root user, which the operator has switched on for an emergency."""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from console import session
from engine.public import signin
from principals.sign_in import steps
from principals.sign_in.forms import RootSignInForm


@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """As the page of users: with `add` the sign-ins that the browser holds stay."""
    after = request.POST.get("next") or request.GET.get("next", "/")
    beside = bool(request.POST.get("add") or request.GET.get("add"))
    account = request.GET.get("account") or request.COOKIES.get("account") or signin.first_account()
    form = RootSignInForm(request.POST if request.method == "POST" else None, initial={"account": account[:63]})
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        step = steps.Step("", after, given["account"], beside)
        try:
            if beside and session.full(request):
                raise signin.SignInRefused(_("Five sessions are the most in one browser. Sign out of one first."))
            found = signin.sign_in(given["account"], signin.ROOT_NAME, given["password"], **steps.browser(request))
            return steps.finish(request, found, step)
        except signin.Unfinished as needed:
            return steps.next_page(request, needed, step)
        except signin.SignInRefused as refusal:
            form.add_error(None, str(refusal))
        except OperationalError:
            form.add_error(None, _("Too many sign in at this moment. Try again in a few seconds."))
    back = urlencode({"next": after, **({"add": "1"} if beside else {})})
    return render(
        request,
        "principals/sign_in_root.html",
        {"form": form, "next": after, "add": beside, "asked": back},
        status=422 if form.errors else 200,
    )
