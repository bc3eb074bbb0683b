"""Access keys of a user: create (the secret is shown on that one answer and nowhere else), deactivate, delete."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console import public_address
from console.request import ConsoleRequest
from keys import service
from keys.call import Call
from keys.changes import Change, asked, carry_out, previews
from keys.common import problem_page


@never_cache
def create(request: ConsoleRequest, name: str) -> HttpResponse:
    calls: list[Call] = [("CreateAccessKey", {"UserName": name})]
    if previews(request):
        return carry_out(
            request,
            Change(_("Create an access key of %(user)s") % {"user": name}, calls, ""),
            _back(request, name),
        )
    iam = service.client(request, "iam")
    ((_operation, parameters),) = calls
    try:
        made = iam.create_access_key(**parameters)["AccessKey"]
    except ClientError as error:
        return problem_page(request, name, error)
    return render(
        request,
        "principals/access_key_made.html",
        {
            "access_key": made,
            "name": name,
            "back": _back(request, name),
            # The key is one of the embedded engine's IAM, unless the pages speak to real AWS.
            "endpoint_url": "" if service.backend(request).kind == service.AWS else public_address.of(request),
        },
    )


def change(request: ConsoleRequest, name: str, key_id: str) -> HttpResponse:
    """`do` is activate, deactivate or delete."""
    given = asked(request)
    return carry_out(request, _change(given.get("do", ""), name, key_id), _back(request, name))


def _back(request: ConsoleRequest, name: str) -> str:
    """The user's page, or one's own profile where that led here: who may manage its own keys need not be allowed to read users."""
    return reverse("profile") if request.GET.get("from") == "profile" else reverse("user", args=[name])


def _change(wanted: str, name: str, key_id: str) -> Change | None:
    which, words = {"UserName": name, "AccessKeyId": key_id}, {"id": key_id}
    if wanted == "activate":
        return Change(
            _("Activate access key %(id)s") % words,
            [("UpdateAccessKey", {**which, "Status": "Active"})],
            _("Access key %(id)s is now active.") % words,
        )
    if wanted == "deactivate":
        return Change(
            _("Deactivate access key %(id)s") % words,
            [("UpdateAccessKey", {**which, "Status": "Inactive"})],
            _("Access key %(id)s is now inactive.") % words,
        )
    if wanted == "delete":
        return Change(
            _("Delete access key %(id)s") % words,
            [("DeleteAccessKey", which)],
            _("Access key %(id)s was deleted.") % words,
        )
    return None
