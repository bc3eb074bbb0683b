"""The signed-in person's own page: who they are here, how the console looks to them, their password, their access keys.

Identity is the embedded engine's whichever endpoint the pages speak to, and so are the calls of this page.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console import session
from console.aws_calls import optional, pages
from console.request import ConsoleRequest
from engine.public import signin
from keys import call, service
from principals.profile import browsers
from principals.profile.forms import OwnPasswordForm


@sensitive_post_parameters("old", "new", "again")
def page(request: ConsoleRequest) -> HttpResponse:
    signed_in = request.signed_in
    iam = service.embedded(request, "iam")
    acting = bool(signed_in.role_name)
    form = OwnPasswordForm(request.POST if request.method == "POST" and not acting else None)
    if form.is_bound and form.is_valid() and _changed(iam, form):
        messages.success(request, _("Your password is changed. Your other console sessions are ended."))
        return redirect("profile")
    own_keys, problem = (None, "") if acting else optional(lambda: pages(iam, "list_access_keys", "AccessKeyMetadata"))
    return render(
        request,
        "principals/profile.html",
        {
            "form": form,
            "acting": acting,
            "access_keys": own_keys,
            "access_keys_problem": problem,
            "sessions": _sessions(request),
            "call": call.show(request, "ChangePassword", {"OldPassword": "", "NewPassword": ""}, "iam"),
        },
        status=422 if form.errors else 409 if request.method == "POST" else 200,
    )


def _sessions(request: ConsoleRequest) -> list[dict[str, Any]]:
    """One's console sessions in all browsers, the last used first."""
    own = request.signed_in.session_id
    return [
        {"session": each, "own": each.id == own, "browser": browsers.name(each.user_agent)}
        for each in signin.of_same_user(own)
    ]


@require_POST
def end_sessions(request: ConsoleRequest) -> HttpResponse:
    """End one console session of one's own (`session`), all but the one in use (`others`), or all (`everywhere`)."""
    own = request.signed_in.session_id
    listed = {each.id for each in signin.of_same_user(own)}
    return _end(request, own, listed if request.POST.get("everywhere") else _chosen(request, listed, own))


def _chosen(request: ConsoleRequest, listed: set[str], own: str) -> set[str]:
    return listed - {own} if request.POST.get("others") else listed & {request.POST.get("session", "")}


def _end(request: ConsoleRequest, own: str, ended: set[str]) -> HttpResponse:
    number = signin.end_own_sessions(
        own,
        ended,
        source_ip=request.META.get("REMOTE_ADDR", ""),
        user_agent=request.headers.get("User-Agent", "")[:512],
    )
    if own in ended:
        session.end(request)
        return redirect("sign-in")
    messages.success(
        request,
        ngettext("%(number)d session is ended.", "%(number)d sessions are ended.", number) % {"number": number},
    )
    return redirect("profile")


def _changed(iam: Any, form: OwnPasswordForm) -> bool:
    """Send ChangePassword; AWS's error goes beside the password that it is about."""
    given = form.cleaned_data
    try:
        iam.change_password(OldPassword=given["old"], NewPassword=given["new"])
    except ClientError as error:
        wrong_old = "old password" in error.response["Error"]["Message"]
        form.add_error("old" if wrong_old else None if service.denied(error) else "new", service.sentence(error))
        return False
    return True
