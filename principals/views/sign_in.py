"""Sign in as an IAM user of an account, with the console password; sign out."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from engine.iam import accounts, signin
from principals import session
from principals.forms import SignInForm


@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    after = request.POST.get("next") or request.GET.get("next", "/")
    form = SignInForm(
        request.POST or None, initial={"account": request.COOKIES.get("account") or accounts.first_account()}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            found = signin.sign_in(
                given["account"] or accounts.first_account(),
                given["user_name"],
                given["password"],
                source_ip=request.META.get("REMOTE_ADDR", ""),
                user_agent=request.headers.get("User-Agent", ""),
            )
        except signin.SignInRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            region = request.COOKIES.get("region", settings.DEFAULT_REGION)
            session.begin(
                request,
                session.SignedIn(
                    account_id=found.account_id,
                    user_name=found.user_name,
                    arn=found.arn,
                    region=region,
                    access_key_id=found.credentials.access_key_id,
                    secret_access_key=found.credentials.secret_access_key,
                    session_token=found.credentials.session_token,
                    expires=found.credentials.expiration,
                ),
            )
            safe = url_has_allowed_host_and_scheme(after, {request.get_host()}, require_https=request.is_secure())
            answer = redirect(after if safe else "/")
            answer.set_cookie("account", given["account"], max_age=365 * 86400, httponly=True, samesite="Lax")
            return answer
    status = 200 if request.method != "POST" else 422
    return render(
        request, "principals/sign_in.html", {"form": form, "next": after, "title": _("Sign in")}, status=status
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return redirect("sign-in")
