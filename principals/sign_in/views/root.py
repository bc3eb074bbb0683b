"""Sign in as the account's root user, which the operator has switched on for an emergency."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters

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
        named = form.cleaned_data["account"]
        if answer := steps.by_password(request, form, signin.ROOT_NAME, account=named, after=after, beside=beside):
            return answer
    back = urlencode({"next": after, **({"add": "1"} if beside else {})})
    return render(
        request,
        "principals/sign_in_root.html",
        {"form": form, "next": after, "add": beside, "asked": back},
        status=422 if form.errors else 200,
    )
