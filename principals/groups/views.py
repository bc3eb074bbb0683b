"""Groups: list, create, one group with its members and policies, delete."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from console.addresses import filter_text
from console.aws_calls import attempt_on_form, pages, readable
from console.request import ConsoleRequest
from keys import call, service
from keys.call import Call
from keys.changes import Change, asked, carry_out, previews, send
from keys.common import problem_page
from keys.record import as_of, iam_events
from principals.groups.forms import GroupForm
from principals.policies.views import attachments, past


@as_of.shows_past
def index(request: ConsoleRequest) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.listing(request, iam_events.GROUP, then)
    iam = service.client(request, "iam")
    try:
        groups = pages(iam, "list_groups", "Groups")
    except ClientError as error:
        return problem_page(request, _("Groups"), error)
    wanted = filter_text(request.GET)
    text = wanted.typed.lower()
    shown = [group for group in groups if text in group["GroupName"].lower()]
    return render(request, "principals/groups.html", {"groups": shown, "total": len(groups), "filter": wanted})


def create(request: ConsoleRequest) -> HttpResponse:
    form, shown = GroupForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        iam = service.client(request, "iam")
        name = form.cleaned_data["name"]
        calls: list[Call] = [("CreateGroup", {"GroupName": name})]
        shown = call.show_all(request, calls, "iam")
        if not previews(request) and attempt_on_form(form, lambda: send(iam, calls), field="name"):
            messages.success(request, _("Group %(name)s was created.") % {"name": name})
            return redirect("group", name=name)
    return render(
        request, "principals/group_new.html", {"form": form, "call": shown}, status=422 if form.errors else 200
    )


@as_of.shows_past
def detail(request: ConsoleRequest, name: str) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.entity(request, iam_events.GROUP, name, then)
    iam = service.client(request, "iam")
    try:
        group = iam.get_group(GroupName=name)
        members = pages(iam, "get_group", "Users", GroupName=name)
        users, _problem = readable(lambda: pages(iam, "list_users", "Users"), [])
        policies = attachments.of_entity(iam, "group", name)
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
            **policies,
            "kind": "groups",
        },
    )


def members(request: ConsoleRequest, name: str) -> HttpResponse:
    """`add` or `remove` a user."""
    given = asked(request)
    made = None
    if user := given.get("add"):
        made = membership("AddUserToGroup", user, name)
    elif user := given.get("remove"):
        made = membership("RemoveUserFromGroup", user, name)
    return carry_out(request, made, reverse("group", args=[name]))


def membership(operation: str, user: str, group: str) -> Change:
    """AddUserToGroup or RemoveUserFromGroup, from either side."""
    words, calls = {"user": user, "group": group}, [(operation, {"GroupName": group, "UserName": user})]
    if operation == "AddUserToGroup":
        return Change(_("Add %(user)s to %(group)s") % words, calls, _("%(user)s was added to %(group)s.") % words)
    return Change(_("Remove %(user)s from %(group)s") % words, calls, _("%(user)s was removed from %(group)s.") % words)


def delete(request: ConsoleRequest, name: str) -> HttpResponse:
    try:
        calls = deletion(service.client(request, "iam"), name)
    except ClientError as error:
        return problem_page(request, name, error)
    made = Change(
        _("Delete group %(name)s?") % {"name": name},
        calls,
        _("Group %(name)s was deleted.") % {"name": name},
        danger=True,
    )
    return carry_out(request, made, reverse("group", args=[name]), after=reverse("groups"))


def deletion(iam: Any, name: str) -> list[Call]:
    """What takes everything that hangs on the group away, and then the group."""
    which = {"GroupName": name}
    users = [each["UserName"] for each in pages(iam, "get_group", "Users", **which)]
    inline = pages(iam, "list_group_policies", "PolicyNames", **which)
    attached = [each["PolicyArn"] for each in pages(iam, "list_attached_group_policies", "AttachedPolicies", **which)]
    return [
        *(("RemoveUserFromGroup", {**which, "UserName": user}) for user in users),
        *(("DeleteGroupPolicy", {**which, "PolicyName": policy}) for policy in inline),
        *(("DetachGroupPolicy", {**which, "PolicyArn": arn}) for arn in attached),
        ("DeleteGroup", which),
    ]
