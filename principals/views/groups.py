"""Groups: list, create, one group with its members and policies, delete."""

from __future__ import annotations

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from keys import service
from principals.forms import GroupForm
from principals.views.attachments import managed_choices
from principals.views.common import all_pages, attempt, attempt_on_form, problem_page


def index(request: HttpRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        groups = all_pages(iam, "list_groups", "Groups")
    except ClientError as error:
        return problem_page(request, _("Groups"), error)
    text = request.GET.get("q", "").strip().lower()
    shown = [group for group in groups if text in group["GroupName"].lower()]
    return render(request, "principals/groups.html", {"groups": shown, "total": len(groups), "q": text})


def create(request: HttpRequest) -> HttpResponse:
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        iam = service.client(request, "iam")
        name = form.cleaned_data["name"]
        if attempt_on_form(form, lambda: iam.create_group(GroupName=name), field="name"):
            messages.success(request, _("Group %(name)s was created.") % {"name": name})
            return redirect("group", name=name)
    return render(request, "principals/group_new.html", {"form": form}, status=422 if form.errors else 200)


def detail(request: HttpRequest, name: str) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        group = iam.get_group(GroupName=name)
        members = all_pages(iam, "get_group", "Users", GroupName=name)
        users = all_pages(iam, "list_users", "Users")
        inline = all_pages(iam, "list_group_policies", "PolicyNames", GroupName=name)
        attached = all_pages(iam, "list_attached_group_policies", "AttachedPolicies", GroupName=name)
    except ClientError as error:
        return problem_page(request, name, error)
    names = {member["UserName"] for member in members}
    return render(
        request,
        "principals/group.html",
        {
            "group": group["Group"],
            "members": members,
            "outside": [user["UserName"] for user in users if user["UserName"] not in names],
            "inline": inline,
            "attached": attached,
            "choices": managed_choices(iam, without=attached),
            "kind": "groups",
        },
    )


@require_POST
def members(request: HttpRequest, name: str) -> HttpResponse:
    iam = service.client(request, "iam")
    if user := request.POST.get("add"):
        attempt(
            request,
            lambda: iam.add_user_to_group(GroupName=name, UserName=user),
            _("%(user)s was added to %(name)s.") % {"name": name, "user": user},
        )
    elif user := request.POST.get("remove"):
        attempt(
            request,
            lambda: iam.remove_user_from_group(GroupName=name, UserName=user),
            _("%(user)s was removed from %(name)s.") % {"name": name, "user": user},
        )
    return redirect("group", name=name)


def delete(request: HttpRequest, name: str) -> HttpResponse:
    if request.method != "POST":
        return render(request, "principals/delete.html", {"what": _("group"), "name": name, "back": "group"})
    iam = service.client(request, "iam")

    def remove() -> None:
        for user in all_pages(iam, "get_group", "Users", GroupName=name):
            iam.remove_user_from_group(GroupName=name, UserName=user["UserName"])
        for policy in all_pages(iam, "list_group_policies", "PolicyNames", GroupName=name):
            iam.delete_group_policy(GroupName=name, PolicyName=policy)
        for policy in all_pages(iam, "list_attached_group_policies", "AttachedPolicies", GroupName=name):
            iam.detach_group_policy(GroupName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_group(GroupName=name)

    done = attempt(request, remove, _("Group %(name)s was deleted.") % {"name": name})
    return redirect("groups") if done else redirect("group", name=name)
