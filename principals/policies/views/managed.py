"""Managed policies: list, create, one policy with its versions and whom it is attached to, delete."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from console import addresses
from console.addresses import filter_text
from console.aws_calls import attempt_on_form, pages
from console.request import ConsoleRequest
from engine.public import starter_policies
from keys import call, service
from keys.changes import Change, asked, carry_out, previews
from keys.common import problem_page
from keys.evaluator import whatif
from keys.policy import policy_changes, policy_editor
from keys.record import as_of, iam_events
from principals.policies.forms import ManagedPolicyForm, PolicyVersionForm
from principals.policies.views import past
from principals.policies.views.attachments import AS_MANY, OF_AWS, PRACTICE_PATH
from principals.policies.views.inline import TEMPLATE, preview

SCOPES = ("All", "Local", "AWS")
_MOST_SHOWN = 200  # a filter finds the others


def address(arn: str, **more: str) -> str:
    """A policy's page: policies are known by ARN, which has slashes."""
    return f"{reverse('policy')}?{urlencode({'arn': arn, **more})}"


def _in_practice(policy: dict[str, Any]) -> bool:
    return PRACTICE_PATH in policy["Arn"]


def _of_aws(policy: dict[str, Any]) -> bool:
    return str(policy["Arn"]).startswith(OF_AWS)


@as_of.shows_past
def index(request: ConsoleRequest) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.listing(request, iam_events.POLICY, then)
    iam = service.client(request, "iam")
    scope = request.GET.get("scope", "All")
    scope = scope if scope in SCOPES else "All"
    try:
        policies = pages(iam, "list_policies", "Policies", Scope=scope, PaginationConfig=AS_MANY)
    except ClientError as error:
        return problem_page(request, _("Policies"), error)
    wanted = filter_text(request.GET)
    text = wanted.typed.lower()
    found = [policy for policy in policies if text in policy["PolicyName"].lower()]
    found.sort(key=lambda each: (not _in_practice(each), _of_aws(each), each["PolicyName"].lower()))
    rows = [(each, address(each["Arn"]), _in_practice(each), _of_aws(each)) for each in found[:_MOST_SHOWN]]
    return render(
        request,
        "principals/policies.html",
        {
            "rows": rows,
            "found": len(found),
            "most": _MOST_SHOWN,
            "total": len(policies),
            "filter": wanted,
            "scope": scope,
            "lacking": _lacking(request, policies) if scope != "AWS" else [],
        },
    )


def _lacking(request: ConsoleRequest, policies: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(name, address of the form that begins with it) of the policies that new accounts begin with and this one, which is older or has
    deleted them, has not."""
    if not service.backend(request).embedded:
        return []
    there = {policy["PolicyName"] for policy in policies if not _of_aws(policy)}
    form = reverse("policy-new")
    names = [policy.name for policy in starter_policies.POLICIES if policy.name not in there]
    return [(name, f"{form}?{urlencode({'starter': name})}") for name in names]


def create(request: ConsoleRequest) -> HttpResponse:
    """`?starter=` names a policy that new accounts begin with: the form begins with it."""
    iam = service.client(request, "iam")
    name = request.GET.get("starter", "")
    starter = next((policy for policy in starter_policies.POLICIES if policy.name == name), None)
    initial = {"document": TEMPLATE}
    if starter is not None:
        initial = {"name": starter.name, "description": starter.description, "document": starter.document}
    form = ManagedPolicyForm(request.POST or None, initial=initial)
    editor = policy_editor.attach(request, form, "document", "identity")
    shown = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        parameters = {"PolicyName": given["name"], "PolicyDocument": given["document"]}
        if given["description"]:
            parameters["Description"] = given["description"]
        if starter is not None and given["name"] == starter.name:
            parameters["Path"] = starter_policies.PATH
        shown = call.show(request, "CreatePolicy", parameters, "iam")
        made: dict[str, Any] = {}
        if not previews(request) and attempt_on_form(
            form, lambda: made.update(iam.create_policy(**parameters)["Policy"]), field="document"
        ):
            messages.success(request, _("Policy %(policy)s was created.") % {"policy": given["name"]})
            return redirect(address(made["Arn"]))
    return render(
        request,
        "principals/policy_new.html",
        {"form": form, "editor": editor, "call": shown, "starter": starter},
        status=422 if form.errors else 200,
    )


@as_of.shows_past
def detail(request: ConsoleRequest) -> HttpResponse:
    """`?arn=` names it, `?version=` another version than the default one, which is then compared with it."""
    iam = service.client(request, "iam")
    arn = addresses.repeated(request).get("arn", "")
    if (then := as_of.asked(request)) is not None:
        return past.entity(request, iam_events.POLICY, arn, then)
    try:
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
        versions = pages(iam, "list_policy_versions", "Versions", PolicyArn=arn)
        shown = request.GET.get("version") or policy["DefaultVersionId"]
        document = _document(iam, arn, shown)
        default = document if shown == policy["DefaultVersionId"] else _document(iam, arn, policy["DefaultVersionId"])
        entities = iam.list_entities_for_policy(PolicyArn=arn)
    except ClientError as error:
        return problem_page(request, arn.rpartition("/")[2] or _("Policy"), error)
    return render(
        request,
        "principals/managed_policy.html",
        {
            "policy": policy,
            "versions": versions,
            "version": shown,
            "document": document,
            "difference": policy_changes.difference(default, document) if default is not document else None,
            "entities": entities,
            "attached": any(entities[name] for name in ("PolicyUsers", "PolicyGroups", "PolicyRoles")),
            "ours": not arn.startswith("arn:aws:iam::aws:"),
            "newer": _newer(arn, default),
        },
    )


def _newer(arn: str, document: str) -> policy_changes.PolicyDifference | None:
    """How the policy of this name that new accounts get differs from this document, if it is one of those for a role in practice."""
    starter = starter_policies.of_arn(arn)
    if starter is None or json.loads(starter.document) == json.loads(document):
        return None
    return policy_changes.difference(document, starter.document)


def _document(iam: Any, arn: str, version: str) -> str:
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return json.dumps(found, indent=2)


def new_version(request: ConsoleRequest) -> HttpResponse:
    """Change the policy: what is saved is a new version, and the default one. `?newer` begins with what new accounts get."""
    iam = service.client(request, "iam")
    arn = addresses.repeated(request).get("arn", "")
    try:
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
        before = _document(iam, arn, policy["DefaultVersionId"])
    except ClientError as error:
        return problem_page(request, arn.rpartition("/")[2] or _("Policy"), error)
    starter = starter_policies.of_arn(arn) if "newer" in request.GET else None
    form = PolicyVersionForm(request.POST or None, initial={"document": starter.document if starter else before})
    editor = policy_editor.attach(request, form, "document", "identity")
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        document = form.cleaned_data["document"]
        parameters = {"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": True}
        shown = {"call": call.show(request, "CreatePolicyVersion", parameters, "iam")}
        if previews(request):
            shown |= preview(request, lambda: whatif.managed(arn, document))
        elif attempt_on_form(form, lambda: iam.create_policy_version(**parameters), field="document"):
            messages.success(
                request, _("The new version of %(policy)s is the default version.") % {"policy": policy["PolicyName"]}
            )
            return redirect(address(arn))
    return render(
        request,
        "principals/policy_version.html",
        {"form": form, "editor": editor, "policy": policy, "back": address(arn), **shown},
        status=422 if form.errors else 200,
    )


def version(request: ConsoleRequest) -> HttpResponse:
    """Of a version: make it the default (`default`) or delete it (`delete`)."""
    arn = addresses.repeated(request).get("arn", "")
    given, made = asked(request), None
    words = {"version": given.get("default") or given.get("delete"), "policy": arn.rpartition("/")[2]}
    which = {"PolicyArn": arn, "VersionId": words["version"]}
    if given.get("default"):
        made = Change(
            _("Set version %(version)s of %(policy)s as the default") % words,
            [("SetDefaultPolicyVersion", which)],
            _("Version %(version)s is the default version.") % words,
        )
    elif given.get("delete"):
        made = Change(
            _("Delete version %(version)s of %(policy)s") % words,
            [("DeletePolicyVersion", which)],
            _("Version %(version)s is deleted.") % words,
        )
    return carry_out(request, made, address(arn))


def delete(request: ConsoleRequest) -> HttpResponse:
    """Confirm, then detach it from everybody and delete it with its versions."""
    arn = addresses.repeated(request).get("arn", "")
    words = {"policy": arn.rpartition("/")[2]}
    try:
        calls = _deletion(service.client(request, "iam"), arn)
    except ClientError as error:
        return problem_page(request, words["policy"] or _("Policy"), error)
    made = Change(
        _("Delete policy %(policy)s?") % words, calls, _("Policy %(policy)s was deleted.") % words, danger=True
    )
    return carry_out(request, made, address(arn), after=reverse("policies"))


def _deletion(iam: Any, arn: str) -> list[call.Call]:
    which = {"PolicyArn": arn}
    held = {
        member: pages(iam, "list_entities_for_policy", member, **which)
        for member in ("PolicyUsers", "PolicyGroups", "PolicyRoles")
    }
    versions = pages(iam, "list_policy_versions", "Versions", **which)
    return [
        *(("DetachUserPolicy", {"UserName": each["UserName"], **which}) for each in held["PolicyUsers"]),
        *(("DetachGroupPolicy", {"GroupName": each["GroupName"], **which}) for each in held["PolicyGroups"]),
        *(("DetachRolePolicy", {"RoleName": each["RoleName"], **which}) for each in held["PolicyRoles"]),
        *(
            ("DeletePolicyVersion", {**which, "VersionId": each["VersionId"]})
            for each in versions
            if not each["IsDefaultVersion"]
        ),
        ("DeletePolicy", which),
    ]
