"""What hangs on a user, group or role beside inline policies: managed policies, the permissions boundary, tags. One POST a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from keys import service
from principals.views.common import all_pages, attempt
from principals.views.policies import KINDS, Kind

PRACTICE_PATH = ":policy/practice/"  # in the ARN of a policy for a role that people have in practice


def managed_choices(iam: Any, *, without: Iterable[dict[str, Any]] = ()) -> list[tuple[str, str]]:
    """(ARN, name) of every managed policy, those for roles in practice first; empty if the caller may not list them."""
    try:
        policies = all_pages(iam, "list_policies", "Policies", Scope="All")
    except ClientError as error:
        if not service.denied(error):
            raise
        return []
    attached = {each["PolicyArn"] for each in without}
    listed = [(policy["Arn"], policy["PolicyName"]) for policy in policies if policy["Arn"] not in attached]
    return sorted(
        listed, key=lambda each: (PRACTICE_PATH not in each[0], each[0].startswith("arn:aws:iam::aws:"), each[1])
    )


def _owner(kind: str) -> Kind:
    if kind not in KINDS:
        raise Http404
    return KINDS[kind]


@require_POST
def change(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """`attach` or `detach` a managed policy by ARN."""
    owner = _owner(kind)
    iam = service.client(request, "iam")
    for verb, done in (("attach", _("%(policy)s is attached.")), ("detach", _("%(policy)s is detached."))):
        if arn := request.POST.get(verb):
            operation = getattr(iam, f"{verb}_{owner.word}_policy")
            attempt(
                request,
                lambda operation=operation, arn=arn: operation(**{owner.parameter: name, "PolicyArn": arn}),  # type: ignore[misc]
                done % {"policy": arn.rpartition("/")[2]},
            )
    return redirect(owner.page, name=name)


@require_POST
def boundary(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """Set the permissions boundary to `arn`, or take it away without one."""
    owner = _owner(kind)
    if owner.word == "group":
        raise Http404
    iam = service.client(request, "iam")
    if arn := request.POST.get("arn"):
        put = getattr(iam, f"put_{owner.word}_permissions_boundary")
        attempt(
            request,
            lambda: put(**{owner.parameter: name, "PermissionsBoundary": arn}),
            _("%(policy)s is the permissions boundary now.") % {"policy": arn.rpartition("/")[2]},
        )
    else:
        remove = getattr(iam, f"delete_{owner.word}_permissions_boundary")
        attempt(request, lambda: remove(**{owner.parameter: name}), _("There is no permissions boundary any more."))
    return redirect(owner.page, name=name)


@require_POST
def tag(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """Set a tag (`key`, `value`), or take one away (`remove`)."""
    owner = _owner(kind)
    if owner.word == "group":
        raise Http404
    iam = service.client(request, "iam")
    if key := request.POST.get("remove"):
        untag = getattr(iam, f"untag_{owner.word}")
        attempt(request, lambda: untag(**{owner.parameter: name, "TagKeys": [key]}), _("The tag is removed."))
    else:
        pair = {"Key": request.POST.get("key", "").strip(), "Value": request.POST.get("value", "").strip()}
        put = getattr(iam, f"tag_{owner.word}")
        attempt(request, lambda: put(**{owner.parameter: name, "Tags": [pair]}), _("The tag is set."))
    return redirect(owner.page, name=name)
