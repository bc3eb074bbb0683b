"""What a sign-in asks for after the password: a second factor, and a new password where the one until now has expired."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from engine.public import signin
from engine.public.transport import AWSError
from principals.sign_in import site, steps
from principals.sign_in.forms import NewPasswordForm, SecondFactorForm


@sensitive_post_parameters("code", "recovery_code", "passkey")
def second_factor(request: HttpRequest) -> HttpResponse:
    step = steps.of(request)
    if step is None:
        return redirect("sign-in")
    here = site.of(request)
    form = SecondFactorForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        factor = signin.GivenFactor(given["code"], given["recovery_code"], given["passkey"], step.state)
        answer = _go_on(
            request,
            form,
            step,
            lambda: signin.second_factor(step.token, factor, here, **steps.browser(request)),
        )
        if answer is not None:
            return answer
    try:
        factors = signin.second_factors(step.token, here)
    except signin.SignInRefused as refusal:
        return steps.start_again(request, refusal)
    form.fields["code"].required = not (factors.recovery or factors.options)  # as the page shows it
    steps.remember(request, replace(step, state=factors.state))  # an answer is to the question asked last
    return render(
        request,
        "principals/second_factor.html",
        {
            "form": form,
            "factors": factors,
            "options": json.dumps(factors.options) if factors.options and site.takes_passkeys(here) else "",
        },
        status=422 if form.errors else 200,
    )


@sensitive_post_parameters("new", "again")
def new_password(request: HttpRequest) -> HttpResponse:
    step = steps.of(request)
    if step is None:
        return redirect("sign-in")
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            answer = _go_on(
                request,
                form,
                step,
                lambda: signin.new_password(step.token, form.cleaned_data["new"], **steps.browser(request)),
            )
            if answer is not None:
                return answer
        except AWSError as error:
            form.add_error("new", error.message)
    return render(request, "principals/new_password.html", {"form": form}, status=422 if form.errors else 200)


def _go_on(
    request: HttpRequest, form: Any, step: steps.Step, take: Callable[[], signin.SignedIn]
) -> HttpResponse | None:
    """The answer to a step that was taken; None where it was refused, which the form then says."""
    try:
        found = take()
    except signin.SignInRefused as refusal:
        form.add_error(None, str(refusal))
        return None
    except signin.Unfinished as needed:
        return steps.next_page(request, needed, step)
    return steps.finish(request, found, step)
