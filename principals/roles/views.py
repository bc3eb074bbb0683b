"""Roles: list, create (trust by a form or as JSON), one role with its policies, its trust policy, settings, delete."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from console.addresses import filter_text
from console.aws_calls import attempt, attempt_on_form, pages
from console.forms import set_choices
from console.request import ConsoleRequest
from keys import call, service
from keys.changes import Change, carry_out, previews, send
from keys.common import problem_page
from keys.policy import policy_editor
from keys.record import as_of, iam_events
from principals.policies.views import attachments, past
from principals.roles.forms import RoleForm, RoleSettingsForm, TrustForm, trust_policy


@as_of.shows_past
def index(request: ConsoleRequest) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.listing(request, iam_events.ROLE, then)
    iam = service.client(request, "iam")
    try:
        roles = pages(iam, "list_roles", "Roles")
    except ClientError as error:
        return problem_page(request, _("Roles"), error)
    wanted = filter_text(request.GET)
    text = wanted.typed.lower()
    shown = [{**role, "linked": _is_linked(role)} for role in roles if text in role["RoleName"].lower()]
    return render(request, "principals/roles.html", {"roles": shown, "total": len(roles), "filter": wanted})


def _is_linked(role: dict[str, Any]) -> bool:
    """Made for a service of AWS: nobody else changes it, and it is deleted by a task."""
    return str(role["Path"]).startswith("/aws-service-role/")


def create(request: ConsoleRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    account_id = service.account_id(request)
    form = RoleForm(request.POST or None, initial={"document": trust_policy(account_id, "this")})
    set_choices(form, "policies", attachments.managed_choices(iam))
    editor = policy_editor.attach(request, form, "document", "trust")
    shown = None
    if request.method == "POST" and form.is_valid():
        parameters = form.parameters(account_id)
        name = parameters["RoleName"]
        attached = [("AttachRolePolicy", {"RoleName": name, "PolicyArn": arn}) for arn in form.cleaned_data["policies"]]
        shown = call.show_all(request, [("CreateRole", parameters), *attached], "iam")
        if not previews(request) and attempt_on_form(form, lambda: iam.create_role(**parameters)):
            messages.success(request, _("Role %(name)s was created.") % {"name": name})
            for each in attached:
                attempt(
                    request,
                    partial(send, iam, [each]),
                    _("%(policy)s is attached.") % {"policy": each[1]["PolicyArn"].rpartition("/")[2]},
                )
            return redirect("role", name=name)
    return render(
        request,
        "principals/role_new.html",
        {"form": form, "editor": editor, "call": shown},
        status=422 if form.errors else 200,
    )


@as_of.shows_past
def detail(request: ConsoleRequest, name: str) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.entity(request, iam_events.ROLE, name, then)
    iam = service.client(request, "iam")
    try:
        role = iam.get_role(RoleName=name)["Role"]
        policies = attachments.of_entity(iam, "role", name)
    except ClientError as error:
        return problem_page(request, name, error)
    if _is_linked(role):
        policies["options"] = ""  # nothing is attached to it by anybody else
    return render(
        request,
        "principals/role.html",
        {
            "role": role,
            "linked": _is_linked(role),
            "delete_action": "iam:DeleteServiceLinkedRole" if _is_linked(role) else "iam:DeleteRole",
            "trust": json.dumps(role["AssumeRolePolicyDocument"], indent=2),
            "minutes": role["MaxSessionDuration"] // 60,
            **policies,
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": role.get("Tags", []),
            "kind": "roles",
        },
    )


def trust(request: ConsoleRequest, name: str) -> HttpResponse:
    """Who may assume the role."""
    iam = service.client(request, "iam")
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        return problem_page(request, name, error)
    before = json.dumps(role["AssumeRolePolicyDocument"], indent=2)
    form = TrustForm(request.POST or None, initial={"document": before})
    editor = policy_editor.attach(request, form, "document", "trust")
    if request.method == "POST" and form.is_valid():
        document = form.cleaned_data["document"]
        if attempt_on_form(
            form, lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=document), field="document"
        ):
            messages.success(request, _("The trust policy of %(name)s is in force.") % {"name": name})
            return redirect("role", name=name)
    shown = call.show(
        request,
        "UpdateAssumeRolePolicy",
        {"RoleName": name, "PolicyDocument": str(form["document"].value() or before)},
        "iam",
    )
    return render(
        request,
        "principals/role_trust.html",
        {"form": form, "editor": editor, "name": name, "call": shown},
        status=422 if form.errors else 200,
    )


def settings(request: ConsoleRequest, name: str) -> HttpResponse:
    """Description and longest session."""
    iam = service.client(request, "iam")
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        return problem_page(request, name, error)
    initial = {"description": role.get("Description", ""), "max_session": role["MaxSessionDuration"] // 60}
    form, shown = RoleSettingsForm(request.POST or None, initial=initial), None
    if _is_linked(role):
        del form.fields["max_session"]  # its service's
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        parameters = {"RoleName": name, "Description": given["description"]}
        if "max_session" in given:
            parameters["MaxSessionDuration"] = given["max_session"] * 60
        shown = call.show(request, "UpdateRole", parameters, "iam")
        if not previews(request) and attempt_on_form(form, lambda: iam.update_role(**parameters)):
            messages.success(request, _("Role %(name)s was changed.") % {"name": name})
            return redirect("role", name=name)
    return render(
        request,
        "principals/role_settings.html",
        {"form": form, "name": name, "call": shown},
        status=422 if form.errors else 200,
    )


def delete(request: ConsoleRequest, name: str) -> HttpResponse:
    """Confirm, then take everything that hangs on the role away and delete it."""
    try:
        calls = _deletion(service.client(request, "iam"), name)
    except ClientError as error:
        return problem_page(request, name, error)
    made = Change(
        _("Delete role %(name)s?") % {"name": name},
        calls,
        _("Role %(name)s was deleted.") % {"name": name},
        danger=True,
    )
    return carry_out(request, made, reverse("role", args=[name]), after=reverse("roles"))


def _deletion(iam: Any, name: str) -> list[call.Call]:
    which = {"RoleName": name}
    if _is_linked(iam.get_role(**which)["Role"]):
        return [("DeleteServiceLinkedRole", which)]
    profiles = pages(iam, "list_instance_profiles_for_role", "InstanceProfiles", **which)
    inline = pages(iam, "list_role_policies", "PolicyNames", **which)
    attached = [each["PolicyArn"] for each in pages(iam, "list_attached_role_policies", "AttachedPolicies", **which)]
    return [
        *(
            ("RemoveRoleFromInstanceProfile", {"InstanceProfileName": each["InstanceProfileName"], **which})
            for each in profiles
        ),
        *(("DeleteRolePolicy", {**which, "PolicyName": policy}) for policy in inline),
        *(("DetachRolePolicy", {**which, "PolicyArn": arn}) for arn in attached),
        ("DeleteRole", which),
    ]
