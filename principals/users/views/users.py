"""Users: list, create, one user, groups, password, delete. Every call goes to IAM as the signed-in principal."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console.addresses import filter_text
from console.aws_calls import attempt_on_form, pages, readable
from console.request import ConsoleRequest
from engine.public import signin
from keys import call, service
from keys.call import Call
from keys.changes import Change, asked, carry_out, previews, send
from keys.common import problem_page
from keys.record import as_of, iam_events
from principals.groups.views import membership
from principals.names import is_passkey
from principals.policies.views import attachments, past
from principals.users.forms import PasswordForm, UserForm

END_SESSIONS = "kmsconsole:EndConsoleSessions"


@as_of.shows_past
def index(request: ConsoleRequest) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.listing(request, iam_events.USER, then)
    iam = service.client(request, "iam")
    try:
        users = pages(iam, "list_users", "Users")
    except ClientError as error:
        return problem_page(request, _("Users"), error)
    wanted = filter_text(request.GET)
    text = wanted.typed.lower()
    shown = [user for user in users if text in user["UserName"].lower()]
    return render(request, "principals/users.html", {"users": shown, "total": len(users), "filter": wanted})


@sensitive_post_parameters("password")
def create(request: ConsoleRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        groups, _problem = readable(lambda: _names(pages(iam, "list_groups", "Groups")), [])
    except ClientError as error:
        return problem_page(request, _("Create user"), error)
    form, shown = UserForm(request.POST or None, groups=groups), None
    if request.method == "POST" and form.is_valid():
        name, calls = form.cleaned_data["name"], _creation(form.cleaned_data)
        shown = call.show_all(request, calls, "iam")
        if not previews(request) and attempt_on_form(form, lambda: _create(iam, name, calls)):
            messages.success(request, _("User %(name)s was created.") % {"name": name})
            return redirect("user", name=name)
    return render(
        request, "principals/user_new.html", {"form": form, "call": shown}, status=422 if form.errors else 200
    )


def _creation(given: dict[str, Any]) -> list[Call]:
    which = {"UserName": given["name"]}
    calls: list[Call] = [("CreateUser", which)]
    if given["password"]:
        calls.append(("CreateLoginProfile", {**which, "Password": given["password"]}))
    return calls + [("AddUserToGroup", {"GroupName": group, **which}) for group in given["groups"]]


def _create(iam: Any, name: str, calls: list[Call]) -> None:
    send(iam, calls[:1])
    try:
        send(iam, calls[1:])
    except ClientError:
        for group in iam.list_groups_for_user(UserName=name)["Groups"]:
            iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
        try:
            iam.delete_login_profile(UserName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
        iam.delete_user(UserName=name)  # the form is one step: a refused password leaves no half-made user
        raise


@as_of.shows_past
def detail(request: ConsoleRequest, name: str) -> HttpResponse:
    if (then := as_of.asked(request)) is not None:
        return past.entity(request, iam_events.USER, name, then)
    iam = service.client(request, "iam")
    try:
        user = iam.get_user(UserName=name)["User"]
        groups, _problem = readable(lambda: _names(pages(iam, "list_groups", "Groups")), [])
        inside, inside_problem = readable(
            lambda: _names(pages(iam, "list_groups_for_user", "Groups", UserName=name)), []
        )
        keys, keys_problem = readable(lambda: pages(iam, "list_access_keys", "AccessKeyMetadata", UserName=name), [])
        devices, mfa_problem = readable(lambda: pages(iam, "list_mfa_devices", "MFADevices", UserName=name), [])
        policies = attachments.of_entity(iam, "user", name)
    except ClientError as error:
        return problem_page(request, name, error)
    has_password, password_problem = _has_password(iam, name)
    return render(
        request,
        "principals/user.html",
        {
            "user": user,
            "inside": inside,
            "inside_problem": inside_problem,
            "keys_problem": keys_problem,
            "mfa_devices": [{**each, "passkey": is_passkey(each["SerialNumber"])} for each in devices],
            "mfa_problem": mfa_problem,
            "outside": [group for group in groups if group not in inside] if not inside_problem else [],
            "access_keys": [(key, *_last_used(iam, key["AccessKeyId"])) for key in keys],
            **policies,
            "has_password": has_password,
            "password_problem": password_problem,
            "boundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": user.get("Tags", []),
            "kind": "users",
            "has_sessions": (has_password or password_problem) and service.backend(request).kind != service.AWS,
            "sessions_arn": signin.user_arn(request.signed_in.account_id, name),
        },
    )


def _names(groups: list[dict[str, Any]]) -> list[str]:
    return [group["GroupName"] for group in groups]


def _last_used(iam: Any, access_key_id: str) -> tuple[dict[str, Any], str]:
    """When and with which service an access key was last used, empty if never; and why the caller may not know."""
    used, problem = readable(lambda: iam.get_access_key_last_used(AccessKeyId=access_key_id)["AccessKeyLastUsed"], {})
    return (used if "LastUsedDate" in used else {}), problem


def _has_password(iam: Any, name: str) -> tuple[bool, str]:
    """And why the caller may not know."""
    try:
        _profile, problem = readable(lambda: iam.get_login_profile(UserName=name), None)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return False, ""
        raise
    return not problem, problem


def delete(request: ConsoleRequest, name: str) -> HttpResponse:
    """Confirm, then take everything that hangs on the user away and delete it."""
    try:
        calls = deletion(service.client(request, "iam"), name)
    except ClientError as error:
        return problem_page(request, name, error)
    made = Change(
        _("Delete user %(name)s?") % {"name": name},
        calls,
        _("User %(name)s was deleted.") % {"name": name},
        danger=True,
    )
    return carry_out(request, made, reverse("user", args=[name]), after=reverse("users"))


def deletion(iam: Any, name: str) -> list[Call]:
    which = {"UserName": name}
    keys = [each["AccessKeyId"] for each in pages(iam, "list_access_keys", "AccessKeyMetadata", **which)]
    groups = [each["GroupName"] for each in pages(iam, "list_groups_for_user", "Groups", **which)]
    inline = pages(iam, "list_user_policies", "PolicyNames", **which)
    attached = [each["PolicyArn"] for each in pages(iam, "list_attached_user_policies", "AttachedPolicies", **which)]
    devices = _ids(iam, "list_mfa_devices", "MFADevices", "SerialNumber", name)
    signing = _ids(iam, "list_signing_certificates", "Certificates", "CertificateId", name)
    ssh = _ids(iam, "list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId", name)
    operation, member = "list_service_specific_credentials", "ServiceSpecificCredentialId"
    service_specific = _ids(iam, operation, "ServiceSpecificCredentials", member, name)
    return [
        *(("DeactivateMFADevice", {**which, "SerialNumber": each}) for each in devices),
        *(("DeleteVirtualMFADevice", {"SerialNumber": each}) for each in devices if not is_passkey(each)),
        *(("DeleteSigningCertificate", {**which, "CertificateId": each}) for each in signing),
        *(("DeleteSSHPublicKey", {**which, "SSHPublicKeyId": each}) for each in ssh),
        *(
            ("DeleteServiceSpecificCredential", {**which, "ServiceSpecificCredentialId": each})
            for each in service_specific
        ),
        *(("DeleteAccessKey", {**which, "AccessKeyId": key}) for key in keys),
        *(("RemoveUserFromGroup", {"GroupName": group, **which}) for group in groups),
        *(("DeleteUserPolicy", {**which, "PolicyName": policy}) for policy in inline),
        *(("DetachUserPolicy", {**which, "PolicyArn": arn}) for arn in attached),
        *([("DeleteLoginProfile", which)] if _has_password(iam, name)[0] else []),
        ("DeleteUser", which),
    ]


def _ids(iam: Any, operation: str, key: str, member: str, name: str) -> list[str]:
    """Of what a user has of a kind; none where the caller may not see them: DeleteUser then says what is left."""
    found, _problem = readable(lambda: getattr(iam, operation)(UserName=name)[key], [])
    return [each[member] for each in found]


@sensitive_post_parameters("password")
def password(request: ConsoleRequest, name: str) -> HttpResponse:
    iam = service.client(request, "iam")
    form = PasswordForm(request.POST or None)
    operation = "UpdateLoginProfile" if _has_password(iam, name)[0] else "CreateLoginProfile"
    parameters = {"UserName": name, "Password": ""}
    if request.method == "POST" and form.is_valid():
        calls: list[Call] = [(operation, {**parameters, "Password": form.cleaned_data["password"]})]
        if attempt_on_form(form, lambda: send(iam, calls), field="password"):
            messages.success(request, _("The console password of %(name)s is set.") % {"name": name})
            return redirect("user", name=name)
    return render(
        request,
        "principals/password.html",
        {
            "form": form,
            "name": name,
            "asks": f"iam:{operation}",
            "call": call.show(request, operation, parameters, "iam"),
        },
        status=422 if form.errors else 200,
    )


@require_POST
def end_sessions(request: ConsoleRequest, name: str) -> HttpResponse:
    """End all of a user's console sessions. They are the embedded engine's, whichever endpoint the pages speak to."""
    account_id = request.signed_in.account_id
    try:
        number = service.console_action(
            request,
            END_SESSIONS,
            lambda: signin.end_sessions_of(account_id, name),
            resource=signin.user_arn(account_id, name),
            parameters={"userName": name},
        )
    except ClientError as error:
        return problem_page(request, name, error)
    messages.success(
        request,
        ngettext("%(number)d session is ended.", "%(number)d sessions are ended.", number) % {"number": number},
    )
    return redirect("user", name=name)


def join(request: ConsoleRequest, name: str) -> HttpResponse:
    """Add the user to a group (`add`) or take it out of one (`remove`)."""
    given = asked(request)
    made = None
    if group := given.get("add"):
        made = membership("AddUserToGroup", name, group)
    elif group := given.get("remove"):
        made = membership("RemoveUserFromGroup", name, group)
    return carry_out(request, made, reverse("user", args=[name]))
