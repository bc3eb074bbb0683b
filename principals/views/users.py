"""Users: list, create, one user, groups, password, delete. Every call goes to IAM as the signed-in principal."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from keys import service
from principals.forms import PasswordForm, UserForm
from principals.views.attachments import managed_choices
from principals.views.common import all_pages, attempt, attempt_on_form, problem_page


def index(request: HttpRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        users = all_pages(iam, "list_users", "Users")
    except ClientError as error:
        return problem_page(request, _("Users"), error)
    text = request.GET.get("q", "").strip().lower()
    shown = [user for user in users if text in user["UserName"].lower()]
    return render(request, "principals/users.html", {"users": shown, "total": len(users), "q": text})


@sensitive_post_parameters("password")
def create(request: HttpRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        groups = [group["GroupName"] for group in all_pages(iam, "list_groups", "Groups")]
    except ClientError as error:
        return problem_page(request, _("Create user"), error)
    form = UserForm(request.POST or None, groups=groups)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if attempt_on_form(form, lambda: _create(iam, form.cleaned_data)):
            messages.success(request, _("User %(name)s was created.") % {"name": name})
            return redirect("user", name=name)
    return render(request, "principals/user_new.html", {"form": form}, status=422 if form.errors else 200)


def _create(iam: Any, given: dict[str, Any]) -> None:
    iam.create_user(UserName=given["name"])
    try:
        if given["password"]:
            iam.create_login_profile(UserName=given["name"], Password=given["password"])
        for group in given["groups"]:
            iam.add_user_to_group(GroupName=group, UserName=given["name"])
    except ClientError:
        for group in iam.list_groups_for_user(UserName=given["name"])["Groups"]:
            iam.remove_user_from_group(GroupName=group["GroupName"], UserName=given["name"])
        _delete_login_profile(iam, given["name"])
        iam.delete_user(UserName=given["name"])  # the form is one step: a refused password leaves no half-made user
        raise


def detail(request: HttpRequest, name: str) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        user = iam.get_user(UserName=name)["User"]
        inside = [group["GroupName"] for group in all_pages(iam, "list_groups_for_user", "Groups", UserName=name)]
        keys = all_pages(iam, "list_access_keys", "AccessKeyMetadata", UserName=name)
        inline = all_pages(iam, "list_user_policies", "PolicyNames", UserName=name)
        attached = all_pages(iam, "list_attached_user_policies", "AttachedPolicies", UserName=name)
        groups = [group["GroupName"] for group in all_pages(iam, "list_groups", "Groups")]
    except ClientError as error:
        return problem_page(request, name, error)
    return render(
        request,
        "principals/user.html",
        {
            "user": user,
            "inside": inside,
            "outside": [group for group in groups if group not in inside],
            "access_keys": [(key, _last_used(iam, key["AccessKeyId"])) for key in keys],
            "inline": inline,
            "attached": attached,
            "has_password": _has_password(iam, name),
            "choices": managed_choices(iam, without=attached),
            "boundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": user.get("Tags", []),
            "kind": "users",
        },
    )


def _last_used(iam: Any, access_key_id: str) -> dict[str, Any]:
    """When and with which service an access key was last used; empty if never, or if the caller may not know."""
    try:
        used: dict[str, Any] = iam.get_access_key_last_used(AccessKeyId=access_key_id)["AccessKeyLastUsed"]
    except ClientError as error:
        if not service.denied(error):
            raise
        return {}
    return used if "LastUsedDate" in used else {}


def _has_password(iam: Any, name: str) -> bool:
    try:
        iam.get_login_profile(UserName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied"):
            return False
        raise
    return True


def _delete_login_profile(iam: Any, name: str) -> None:
    try:
        iam.delete_login_profile(UserName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise


def delete(request: HttpRequest, name: str) -> HttpResponse:
    """Confirm, then take everything that hangs on the user away and delete it."""
    if request.method != "POST":
        return render(request, "principals/delete.html", {"what": _("user"), "name": name, "back": "user"})
    iam = service.client(request, "iam")

    def remove() -> None:
        for key in all_pages(iam, "list_access_keys", "AccessKeyMetadata", UserName=name):
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for group in all_pages(iam, "list_groups_for_user", "Groups", UserName=name):
            iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
        for policy in all_pages(iam, "list_user_policies", "PolicyNames", UserName=name):
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        for policy in all_pages(iam, "list_attached_user_policies", "AttachedPolicies", UserName=name):
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
        _delete_login_profile(iam, name)
        iam.delete_user(UserName=name)

    done = attempt(request, remove, _("User %(name)s was deleted.") % {"name": name})
    return redirect("users") if done else redirect("user", name=name)


@sensitive_post_parameters("password")
def password(request: HttpRequest, name: str) -> HttpResponse:
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        iam = service.client(request, "iam")

        def change() -> None:
            operation = iam.update_login_profile if _has_password(iam, name) else iam.create_login_profile
            operation(UserName=name, Password=form.cleaned_data["password"])

        if attempt_on_form(form, change, field="password"):
            messages.success(request, _("The console password of %(name)s is set.") % {"name": name})
            return redirect("user", name=name)
    return render(request, "principals/password.html", {"form": form, "name": name}, status=422 if form.errors else 200)


@require_POST
def join(request: HttpRequest, name: str) -> HttpResponse:
    """Add the user to a group (`add`) or take it out of one (`remove`)."""
    iam = service.client(request, "iam")
    if group := request.POST.get("add"):
        attempt(
            request,
            lambda: iam.add_user_to_group(GroupName=group, UserName=name),
            _("%(name)s was added to %(group)s.") % {"name": name, "group": group},
        )
    elif group := request.POST.get("remove"):
        attempt(
            request,
            lambda: iam.remove_user_from_group(GroupName=group, UserName=name),
            _("%(name)s was removed from %(group)s.") % {"name": name, "group": group},
        )
    return redirect("user", name=name)
