"""Set up a second factor during the sign-in, for who is asked for one and has none: an authenticator app, or a passkey."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from console import session
from console.request import OpenRequest
from engine.public import mfa, signin
from principals.sign_in import site, steps
from principals.sign_in.forms import EnrolmentForm


@sensitive_post_parameters("first", "second", "passkey")
def enrol(request: HttpRequest) -> HttpResponse:
    step = steps.of(request)
    if step is None:
        return redirect("sign-in")
    here, browser = site.of(request), steps.browser(request)
    form = EnrolmentForm(request.POST if request.method == "POST" and "later" not in request.POST else None)
    try:
        if "later" in request.POST:
            return steps.finish(request, mfa.later(step.token, **browser), step)
        if form.is_bound and form.is_valid():
            try:
                return _enrolled(request, step, _take(step, form.cleaned_data, here, browser))
            except signin.SignInRefused as refusal:
                form.add_error(None, str(refusal))
        shown = mfa.begin_enrolment(step.token, here)
    except signin.SignInRefused as refusal:
        return steps.start_again(request, refusal)
    form.fields["first"].required = form.fields["second"].required = True  # as the page shows them
    steps.remember(request, replace(step, state=shown.state))  # an answer is to the question asked last
    return render(
        request,
        "principals/enrolment.html",
        {
            "form": form,
            "secret": shown.secret,
            "picture": base64.b64encode(shown.picture).decode(),
            "required": shown.required,
            "options": json.dumps(shown.options) if site.takes_passkeys(here) else "",
        },
        status=422 if form.errors else 200,
    )


def _take(step: steps.Step, given: dict[str, Any], here: mfa.Site, browser: dict[str, str]) -> mfa.Enrolled:
    """Raises SignInRefused."""
    if given["passkey"]:
        return mfa.by_passkey(step.token, here, step.state or {}, given["passkey"], **browser)
    return mfa.by_codes(step.token, given["first"], given["second"], **browser)


def _enrolled(request: HttpRequest, step: steps.Step, made: mfa.Enrolled) -> HttpResponse:
    """Signed in; the recovery codes first, and from there to where the sign-in was for."""
    onward = steps.finish(request, made.signed_in, step)
    cast(OpenRequest, request).signed_in = session.current(request)
    page = render(request, "principals/enrolled.html", {"codes": made.recovery_codes, "next": onward["Location"]})
    page.cookies.update(onward.cookies)
    return page
