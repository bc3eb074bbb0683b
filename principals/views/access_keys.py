"""Access keys of a user: create (the secret is shown on that one answer and nowhere else), deactivate, delete."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from keys import service
from principals.views.common import attempt, problem_page


@require_POST
@never_cache
def create(request: HttpRequest, name: str) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        made = iam.create_access_key(UserName=name)["AccessKey"]
    except ClientError as error:
        return problem_page(request, name, error)
    return render(request, "principals/access_key_made.html", {"access_key": made, "name": name})


@require_POST
def change(request: HttpRequest, name: str, key_id: str) -> HttpResponse:
    """`do` is activate, deactivate or delete."""
    iam = service.client(request, "iam")
    wanted = request.POST.get("do")
    if wanted in ("activate", "deactivate"):
        status = "Active" if wanted == "activate" else "Inactive"
        attempt(
            request,
            lambda: iam.update_access_key(UserName=name, AccessKeyId=key_id, Status=status),
            _("Access key %(id)s is now %(status)s.") % {"id": key_id, "status": _(status)},
        )
    elif wanted == "delete":
        attempt(
            request,
            lambda: iam.delete_access_key(UserName=name, AccessKeyId=key_id),
            _("Access key %(id)s was deleted.") % {"id": key_id},
        )
    return redirect("user", name=name)
